"""Who asks, and with which key. A `Principal` walks with a request from the signature to the access check; a
`Credential` joins one access key and its secret to the principal it speaks for. The secret is never shown in a repr,
an error or a log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Kind(StrEnum):
    """What a principal is within its account."""

    ACCOUNT = "account"  # its root user
    USER = "user"
    ROLE = "role"  # a session of an assumed role
    FEDERATED = "federated"  # a login by LDAP, without a role
    UNAFFILIATED = "unaffiliated"  # a user without an account, who rules what it owns itself and nothing else


@dataclass(frozen=True, slots=True)
class Session:
    """What temporary credentials, or a key with a policy of its own, add to whom they speak for. Times in Unix seconds.

    `policies` are the documents that narrow what the identity may do; None where nothing narrows it. `keys` are
    condition keys, in lower case, that the session brings (`accounts.example.com:sub`).
    """

    issued: int = 0
    expires: int | None = None
    name: str = ""
    policies: tuple[str, ...] | None = None
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    source_identity: str | None = None
    federated: str | None = None  # the provider that vouched for the caller
    temporary: bool = True
    transitive: tuple[str, ...] = ()  # keys of tags that go on to the next role
    groups: tuple[str, ...] = ()  # of a login by LDAP: distinguished names


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: canonical user id and display name of its account, which owns what it makes; ARN; the key it used.

    `account` is the account's id, "" for that of the users without one. `user_id` is the unique id: of the account, of
    a user (AIDA...), of a role and its session (AROA...:session). `is_root` is the root user of the deployment, who
    stands above all accounts.
    """

    id: str
    name: str
    arn: str
    access_key: str | None = None
    is_root: bool = False
    anonymous: bool = False
    kind: Kind = Kind.ACCOUNT
    account: str = ""
    user_id: str = ""
    username: str | None = None
    role_arn: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    session: Session | None = None

    def rules(self, owner: str) -> bool:
        """Whether it is the root user of the owner with that canonical id: what that one has is its own."""
        return not self.anonymous and self.id == owner and self.kind in (Kind.ACCOUNT, Kind.UNAFFILIATED)


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key, its secret, and the principal it speaks for."""

    access_key: str
    secret: str = field(repr=False)
    principal: Principal


Credentials: TypeAlias = Callable[[str], Credential | None]
"""Looks an access key id up; None when nobody has it. Raises AwsError where its holder may not come in."""

Sessions: TypeAlias = Callable[[str, str], Credential | None]
"""Looks an access key id up that came with a session token. Raises InvalidToken and ExpiredToken."""

ANONYMOUS = Principal(
    id="65a011a29cdf8ec533ec3d1ccaae921c",  # the canonical user id that AWS shows for a caller without a signature
    name="",
    arn="*",
    anonymous=True,
)
