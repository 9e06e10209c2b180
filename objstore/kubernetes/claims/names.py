"""What is called how around a claim, as lib-bucket-provisioner calls it."""

from __future__ import annotations

import re
import uuid
from typing import Final

from objstore.kubernetes.kinds import Key

FINALIZER: Final = "objectbucket.io/finalizer"
LABEL: Final = "bucket-provisioner"
SUFFIX: Final = "objstore.io/bucket"

_MOST_LABEL: Final = 63
_MOST_BUCKET: Final = 63
_MOST_USER: Final = 64  # IAM's limit for the name of a user


def provisioner(namespace: str) -> str:
    """The name by which StorageClasses ask for the operator of a namespace."""
    return f"{namespace}.{SUFFIX}"


def label(provisioner: str) -> str:
    """A provisioner's name as the value of a label. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"""
    return provisioner[:_MOST_LABEL].replace("/", "-").rstrip("-._")


def object_bucket(claim: Key) -> str:
    """The ObjectBucket of a claim."""
    return f"obc-{claim.namespace}-{claim.name}"


def generated_bucket(prefix: str) -> str:
    """A new name for a bucket: the prefix, cut where it is too long, and a UUID."""
    unique = str(uuid.uuid4())
    return f"{prefix[: _MOST_BUCKET - 1 - len(unique)]}-{unique}"


def tenant(claim: Key, uid: str) -> str:
    """The account at the store, and its user. The claim's uid makes it unique, and is never cut."""
    told = re.sub(r"[^a-z0-9-]", "-", f"obc-{claim.namespace}-{claim.name}")
    return f"{told[: _MOST_USER - 1 - len(uid)]}-{uid}"
