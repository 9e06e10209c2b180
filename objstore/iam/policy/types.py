"""What a decision is made of: who asks (`Caller`), for what (`Asked`), with which policies (`Grants`).

Nothing here knows a request: the gate fills these in, and so does whoever simulates or replays one.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from objstore.iam.policy.policy import Policy

Values = tuple[str, ...]
"""The values of one condition key."""


class Kind(StrEnum):
    """Where a policy stands; it decides which elements it may have."""

    IDENTITY = "identity"
    RESOURCE = "resource"  # of a bucket
    TOPIC = "topic"
    TRUST = "trust"
    BOUNDARY = "boundary"
    SESSION = "session"


class Keys(Protocol):
    """The request's condition keys by lower-case name; None for one that is not there. May compute them when asked."""

    def get(self, name: str, /) -> Values | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    `account` is None for an anonymous caller and for a service. `role_arn` is the role of an assumed-role session,
    whose own `arn` is that of the session. `username` is None where there is no IAM user. `federated` is the ARN or
    name of the provider that vouched for a caller who has no identity here yet, `service` the name of a service
    (`logging.s3.amazonaws.com`).
    """

    arn: str
    account: str | None = None
    canonical_id: str = ""
    role_arn: str | None = None
    user_id: str = ""
    username: str | None = None
    anonymous: bool = False
    account_root: bool = False
    federated: str | None = None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: an action (`s3:GetObject`), a resource (`arn:aws:s3:::bucket/key`), and the request's keys.

    Keys about the caller (`aws:username`, `aws:PrincipalArn` and the like) need not be among `keys`: they are derived
    from the `Caller`.
    """

    action: str
    resource: str
    keys: Keys


@dataclass(frozen=True, slots=True)
class Grants:
    """The policies that a principal brings.

    `session` is None where the session has no policy of its own; an empty tuple allows nothing. A service account's
    policy is a session policy of its user.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
