"""What the catalog keeps of each identity. Times are microseconds since 1970; documents are kept as they were put.

Records are arrays: a new field goes to the end, with a default.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from __future__ import annotations

import msgspec

Tags = tuple[tuple[str, str], ...]


class Account(msgspec.Struct, frozen=True, array_like=True):
    """An account; `canonical` is the user id that owns its buckets and objects. It may own `max_buckets` buckets, None
    for no limit."""

    id: str
    canonical: str
    name: str
    email: str
    created_us: int
    suspended: bool = False
    max_buckets: int | None = None


class User(msgspec.Struct, frozen=True, array_like=True):
    """A user; `boundary` is the ARN of a managed policy."""

    account: str
    id: str
    name: str
    path: str
    created_us: int
    tags: Tags = ()
    boundary: str | None = None
    suspended: bool = False


class Group(msgspec.Struct, frozen=True, array_like=True):
    """A group of users."""

    account: str
    id: str
    name: str
    path: str
    created_us: int


class Role(msgspec.Struct, frozen=True, array_like=True):
    """A role: `trust` says who may assume it, `longest` for how many seconds."""

    account: str
    id: str
    name: str
    path: str
    created_us: int
    trust: str
    description: str = ""
    longest: int = 3600
    tags: Tags = ()
    boundary: str | None = None


class ManagedPolicy(msgspec.Struct, frozen=True, array_like=True):
    """A managed policy; `default` is the number of the version in force, `latest` of the last one made."""

    account: str
    id: str
    name: str
    path: str
    created_us: int
    updated_us: int
    default: int = 1
    latest: int = 1
    description: str = ""
    tags: Tags = ()


class PolicyVersion(msgspec.Struct, frozen=True, array_like=True):
    """One version of a managed policy."""

    number: int
    document: str
    created_us: int


class Provider(msgspec.Struct, frozen=True, array_like=True):
    """An OpenID Connect provider. Its name is its URL without the scheme, as in its ARN."""

    account: str
    id: str
    name: str
    url: str
    created_us: int
    clients: tuple[str, ...] = ()
    thumbprints: tuple[str, ...] = ()
    tags: Tags = ()
    path: str = "/"


class Narrowed(msgspec.Struct, frozen=True, array_like=True):
    """What makes a key a service account: a name, perhaps a policy narrower than its owner's, perhaps an end."""

    name: str
    description: str = ""
    policy: str | None = None
    expires_us: int | None = None


class AccessKey(msgspec.Struct, frozen=True, array_like=True):
    """An access key; `owner` is the id of a user, "" for the account's root user. `sealed` is its secret."""

    id: str
    account: str
    owner: str
    sealed: bytes
    created_us: int
    active: bool = True
    service: Narrowed | None = None

    def __repr__(self) -> str:
        return f"AccessKey(id={self.id!r}, account={self.account!r}, owner={self.owner!r})"


class KeyUse(msgspec.Struct, frozen=True):
    """When and for what a key was last used."""

    at_us: int
    service: str
    region: str


Entity = User | Group | Role | ManagedPolicy | Provider
