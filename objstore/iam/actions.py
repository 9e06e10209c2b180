"""The table of actions: what a request needs to be allowed, told from its operation and members alone.

An operation is registered with the action it always needs. What else it may need stands here: a version named by its id
has actions of its own, and what a request sets beside its object (tags, an ACL, a lock) is allowed separately.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from objstore.aws.operation import Call
from objstore.iam import acl

# The action on a version that is named by its id.
_OF_VERSION: Final = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}

BY_BUCKET_ACL: Final = {
    "s3:AbortMultipartUpload": acl.WRITE,
    "s3:DeleteObject": acl.WRITE,
    "s3:GetBucketAcl": acl.READ_ACP,
    "s3:ListBucket": acl.READ,
    "s3:ListBucketMultipartUploads": acl.READ,
    "s3:ListBucketVersions": acl.READ,
    "s3:ListMultipartUploadParts": acl.WRITE,
    "s3:PutBucketAcl": acl.WRITE_ACP,
    "s3:PutObject": acl.WRITE,
}
"""What the ACL of the bucket must grant. An action in neither this table nor the next is granted by no ACL."""

BY_OBJECT_ACL: Final = {
    "s3:GetObject": acl.READ,
    "s3:GetObjectAcl": acl.READ_ACP,
    "s3:GetObjectAttributes": acl.READ,
    "s3:GetObjectVersion": acl.READ,
    "s3:GetObjectVersionAcl": acl.READ_ACP,
    "s3:GetObjectVersionAttributes": acl.READ,
    "s3:PutObjectAcl": acl.WRITE_ACP,
    "s3:PutObjectVersionAcl": acl.WRITE_ACP,
}
"""What the ACL of the object must grant. To allow these is up to the owner of the object, not of the bucket."""

ON_EXISTING: Final = frozenset(BY_OBJECT_ACL) | {
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
    "s3:GetObjectLegalHold",
    "s3:GetObjectRetention",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectLegalHold",
    "s3:PutObjectRetention",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:UpdateObjectEncryption",
}
"""What is done to an object that is there: that it is not is told to whoever may list the bucket only."""

PUT_ACL: Final = "s3:PutObjectAcl"
PUT_TAGS: Final = "s3:PutObjectTagging"
LIST: Final = "s3:ListBucket"


class Need(NamedTuple):
    """An action that must be allowed. `on_new`: on the object that the request makes, not on one that is there."""

    action: str
    on_new: bool = False


Given = Callable[[Call], bool]


def _given(*members: str) -> Given:
    """Whether the request has one of the members."""
    return lambda call: any(call.get(member) for member in members)


def _grants(call: Call) -> bool:
    # AWS's model knows no x-amz-grant-write for objects.
    return _named_grants(call) or bool(call.request.headers.get("x-amz-grant-write"))


def _bucket_tags(call: Call) -> bool:
    return bool((call.get("CreateBucketConfiguration") or {}).get("Tags"))


_named_grants = _given("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")
_lock = _given("ObjectLockEnabledForBucket")

_Rows = tuple[tuple[Given, Need], ...]

_ON_NEW_OBJECT: Final[_Rows] = (
    (_grants, Need(PUT_ACL, on_new=True)),
    (_given("Tagging"), Need(PUT_TAGS, on_new=True)),
    (_given("ObjectLockMode", "ObjectLockRetainUntilDate"), Need("s3:PutObjectRetention", on_new=True)),
    (_given("ObjectLockLegalHoldStatus"), Need("s3:PutObjectLegalHold", on_new=True)),
)
_BYPASS: Final[_Rows] = ((_given("BypassGovernanceRetention"), Need("s3:BypassGovernanceRetention")),)

BESIDE: Final[dict[str, _Rows]] = {
    "CopyObject": _ON_NEW_OBJECT,
    "CreateBucket": (
        (_grants, Need("s3:PutBucketAcl")),
        (_given("ObjectOwnership"), Need("s3:PutBucketOwnershipControls")),
        (_lock, Need("s3:PutBucketObjectLockConfiguration")),
        (_lock, Need("s3:PutBucketVersioning")),
        (_bucket_tags, Need("s3:TagResource")),
    ),
    "CreateMultipartUpload": _ON_NEW_OBJECT,
    "DeleteObject": _BYPASS,
    "DeleteObjects": _BYPASS,
    "GetObjectAttributes": ((lambda _: True, Need("s3:GetObject")),),
    "PutObject": _ON_NEW_OBJECT,
    "PutObjectRetention": _BYPASS,
}
"""By operation: what is allowed beside its own action, and when it is asked for."""

SOURCES: Final = {
    "CopyObject": ("CopySource", ("s3:GetObject",)),
    "RenameObject": ("RenameSource", ("s3:GetObject", "s3:DeleteObject")),
    "UploadPartCopy": ("CopySource", ("s3:GetObject",)),
}
"""By operation: the member that names another object which is read, and what must be allowed on that one."""


def needed(call: Call) -> Iterator[Need]:
    """What must be allowed on what the request itself addresses, the operation's own action first."""
    version_id = call.get("VersionId")
    yield Need(on_version(call.operation.action, version_id))
    rows = BESIDE.get(call.operation.name)
    if rows is not None:
        for given, need in rows:
            if given(call):
                yield need if need.on_new else Need(on_version(need.action, version_id))


def on_version(action: str, version_id: str | None) -> str:
    """The action as it is called on a version named by its id."""
    return _OF_VERSION.get(action, action) if version_id else action
