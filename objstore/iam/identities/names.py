"""ARNs, unique ids and the grammar of account ids.

Names are unique within an account whatever their case, and keep the case they were given.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from __future__ import annotations

import re
import secrets
import string
from typing import Final

from objstore.iam.identities.records import Entity, Group, ManagedPolicy, Provider, Role, User

DEPLOYMENT: Final = "000000000000"
"""The account of the deployment's root user."""

SHARED: Final = ""
"""The account of users who have none of their own: a namespace for roles and policies, as Ceph's without a tenant."""

# What AWS puts before the unique id of each kind.
PREFIXES: Final[dict[type, str]] = {User: "AIDA", Group: "AGPA", Role: "AROA", ManagedPolicy: "ANPA", Provider: "AOIP"}
KEY_PREFIX: Final = "AKIA"
SESSION_PREFIX: Final = "ASIA"

_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"
_RESOURCES: Final[dict[type, str]] = {User: "user", Group: "group", Role: "role", ManagedPolicy: "policy"}
_ARN = re.compile(r"arn:aws:(iam|sts):[^:]*:([^:]*):(.+)")


def new_id(prefix: str) -> str:
    """A new unique id: 21 characters, 85 bits of them random; 20 for an access key, as AWS's are."""
    length = 16 if prefix in (KEY_PREFIX, SESSION_PREFIX) else 17
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_secret() -> str:
    """A new secret access key: 40 characters, 240 bits."""
    return "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40))


def new_account() -> str:
    """A new account id: 12 digits that do not begin with 0."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


def folded(name: str) -> bytes:
    """The form in which names are compared and ordered."""
    return name.lower().encode()


def root_arn(account: str) -> str:
    """The ARN of an account, which is that of its root user."""
    return f"arn:aws:iam::{account}:root"


def named_arn(kind: type, account: str, name: str, path: str = "/") -> str:
    """The ARN that an entity of that name has or would have."""
    if kind is Provider:
        return f"arn:aws:iam::{account}:oidc-provider/{name}"
    return f"arn:aws:iam::{account}:{_RESOURCES[kind]}{path}{name}"


def arn(entity: Entity) -> str:
    """The ARN of an entity."""
    return named_arn(type(entity), entity.account, entity.name, entity.path)


def session_arn(role: Role, session: str) -> str:
    """The ARN of a session of a role."""
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}"


def split(text: str) -> tuple[str, str, str, str] | None:
    """Of an ARN of IAM or STS: account, kind of resource, path and name; None for anything else.

    The root user's kind is `root`, without a name.
    """
    found = _ARN.fullmatch(text)
    if found is None:
        return None
    account, resource = found.group(2), found.group(3)
    kind, slash, rest = resource.partition("/")
    if kind == "oidc-provider":
        return account, kind, "/", rest
    path, _, name = rest.rpartition("/")
    return account, kind, f"/{path}/" if path else "/", name if slash else ""
