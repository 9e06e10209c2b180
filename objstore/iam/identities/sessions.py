"""Temporary credentials: everything that there is to know of a session is in its token, sealed; nothing is stored.

The access key begins with ASIA, the secret is derived from it under the master key, and the token is a record sealed
under a key derived for tokens alone and bound to the access key: neither is of use with another. A session ends at its
time, and before it with what it came from: role, user, key or account.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum
from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.iam.identities import names
from objstore.iam.identities.records import Tags
from objstore.kms.master import MasterKey, MasterKeyError
from objstore.store.types import Owner

MOST_BYTES: Final = 16 << 10  # of a token that is looked at

_encode = msgspec.msgpack.Encoder().encode


class Origin(StrEnum):
    """What a session came from; `subject` of its record is the id of that."""

    ROLE = "role"  # AssumeRole and AssumeRoleWithWebIdentity: the role's id
    KEY = "key"  # GetSessionToken: the access key
    ACCOUNT = "account"  # AssumeRoot: the account
    LDAP = "ldap"  # AssumeRoleWithLDAPIdentity: the distinguished name


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A session. Times in Unix seconds; `policies` narrow it, `arns` are managed policies that do; None: nothing does.

    `made_by` owns what a session of a role makes whose account has no number; `groups` are those of an LDAP login.
    """

    origin: Origin
    account: str
    subject: str
    issued: int
    expires: int
    name: str = ""
    policies: tuple[str, ...] | None = None
    arns: tuple[str, ...] = ()
    tags: Tags = ()
    transitive: tuple[str, ...] = ()
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    source_identity: str | None = None
    federated: str | None = None
    made_by: tuple[str, str] | None = None
    groups: tuple[str, ...] = ()

    @property
    def maker(self) -> Owner | None:
        return Owner(*self.made_by) if self.made_by is not None else None


_decode = msgspec.msgpack.Decoder(Record).decode


class Credentials(msgspec.Struct, frozen=True):
    """What a client is given, once; never shown in a repr."""

    access_key: str
    secret: str
    token: str
    expires: int

    def __repr__(self) -> str:
        return f"Credentials(access_key={self.access_key!r})"


class Tokens:
    """Makes and opens session tokens."""

    def __init__(self, master: MasterKey) -> None:
        self._sealing = MasterKey(master.derive("session tokens"))
        self._secrets = master.derive("session secrets")

    def issue(self, record: Record) -> Credentials:
        """New credentials for a session."""
        access_key = names.new_id(names.SESSION_PREFIX)
        token = base64.b64encode(self._sealing.seal(_encode(record), access_key.encode())).decode()
        return Credentials(access_key, self.secret(access_key), token, record.expires)

    def secret(self, access_key: str) -> str:
        """The secret that belongs to an access key of a session."""
        return base64.b64encode(hmac.digest(self._secrets, access_key.encode(), hashlib.sha256)).decode()[:40]

    def open(self, access_key: str, token: str) -> Record:
        """The session of a token; raises InvalidToken when it is none, was altered, or is of another access key."""
        if len(token) > MOST_BYTES:
            raise AwsError("InvalidToken")
        try:
            sealed = base64.b64decode(token, validate=True)
            return _decode(self._sealing.open(sealed, access_key.encode("utf-8", "replace")))
        except (binascii.Error, ValueError, MasterKeyError):
            raise AwsError("InvalidToken") from None


def size(record: Record) -> int:
    """Bytes of a session's record: what AWS calls packed, of policies and tags."""
    return len(_encode((record.policies or (), record.arns, record.tags)))
