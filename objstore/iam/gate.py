"""The gate: the one place where a request is allowed or refused.

What a request needs is in `actions`, what it tells of itself in `conditions`, and how a bucket's policy, ACLs and owner
are weighed in `bucket_access`. Here they meet: every operation of every service comes through `authorise`, before its
handler runs. The root user of the deployment passes everywhere. A bucket that is not there is said to be not there; a
key that is not there is, to whoever may not list the bucket, simply denied.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from objstore.aws import copy_source
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam import actions, administration, callers, ownership, requester_pays, topic_access
from objstore.iam.actions import Need, on_version
from objstore.iam.bucket_access import BucketAccess, Subject
from objstore.iam.conditions import Facts, RequestKeys
from objstore.iam.context import Context
from objstore.iam.lookup import VERSION, bucket_of
from objstore.iam.policy import Asked, Policy, decide
from objstore.iam.refusals import denied
from objstore.store.errors import NoSuchUpload
from objstore.store.objects import MARKER_AS_SOURCE
from objstore.store.types import Bucket

# Decided key by key, by the handler, through `deletions`.
_PER_KEY: Final = frozenset({"DeleteObjects"})
# Tells everybody of their own buckets: nobody's are none.
_OPEN_TO_NOBODY: Final = frozenset({"ListBuckets"})
# A bucket's policy is for its own account alone to see and change, whoever it lets in.
_OF_OWN_ACCOUNT: Final = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
# What can be done with a view of a snapshot.
_OF_SNAPSHOTS: Final = frozenset(
    {
        "GetBucketLocation",
        "GetBucketVersioning",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectTagging",
        "HeadBucket",
        "HeadObject",
        "ListObjectVersions",
        "ListObjects",
        "ListObjectsV2",
    }
)
_SOURCE_HEADERS: Final = {"CopySource": "x-amz-copy-source", "RenameSource": "x-amz-rename-source"}
# Tells itself of a source that is in another bucket, and of one that is gone: an earlier attempt may have renamed it.
_TELLS_OF_SOURCE: Final = frozenset({"RenameObject"})
# What whoever began an upload may do with it without being allowed to.
_OF_INITIATOR: Final = frozenset({"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"})


_ACCESS: Final = "access"
"""Of a call's notes: what its caller may do in the bucket."""

MayDelete = Callable[[str, str | None], bool]
"""Whether a key, or the version of it that is named, may be deleted."""


async def authorise(call: Call, context: Context) -> None:
    """Let the request pass, or raise AccessDenied, NoSuchBucket, NoSuchKey and the like.

    Only looks at the catalog: where the body of the request matters, it has been received, else it has not.
    """
    if call.operation.service == "sns":
        topic_access.authorise(call, context)
        return
    if call.operation.service != "s3":
        administration.authorise(call, context)
        return
    if "Bucket" not in call or call.operation.name == "CreateBucket":
        _authorise_in_account(call, context)
        return
    bucket = bucket_of(call, context)
    if bucket.source and call.operation.name not in _OF_SNAPSHOTS:
        raise AwsError("MethodNotAllowed", "This is a snapshot of a bucket, which nothing changes.")
    _admit(call, context, bucket, call.get("ExpectedBucketOwner"))
    if call.principal.is_root:
        access = None
    else:
        access = call.notes[_ACCESS] = BucketAccess(call, context, bucket)
        if call.operation.name not in _PER_KEY:
            _require(access, call, context)
    if call.operation.name in actions.SOURCES:
        _authorise_source(call, context, access)


def _authorise_in_account(call: Call, context: Context) -> None:
    """What is no bucket's: only the policies of the caller's own account have a say."""
    principal = call.principal
    if principal.is_root or (principal.anonymous and call.operation.name in _OPEN_TO_NOBODY):
        return
    if principal.anonymous:
        raise AwsError("AccessDenied")
    account = callers.account_of(principal)
    resource = f"arn:aws:s3:::{call.bucket if 'Bucket' in call else '*'}"
    as_it_is = call.get("ObjectOwnership") == (context.object_ownership or ownership.WRITER)
    for need in actions.needed(call):
        if as_it_is and need.action == "s3:PutBucketOwnershipControls":
            continue  # what a new bucket has anyway
        asked = Asked(need.action, resource, RequestKeys(Facts(call, account)))
        grants = context.identities.grants(principal)
        decision = decide(asked, callers.caller_of(principal), grants, resource_policy=None, owner_account=account)
        if not decision.allowed:
            raise denied(principal, need.action, resource, decision)


def _admit(call: Call, context: Context, bucket: Bucket, expected_owner: str | None) -> None:
    """What holds whatever is allowed: the bucket is whose the client expects it to be, and is paid for."""
    if expected_owner and expected_owner not in (bucket.owner.id, callers.account_of_owner(bucket.owner, context)):
        raise AwsError("AccessDenied")
    requester_pays.check(call, bucket)


def _require(access: BucketAccess, call: Call, context: Context) -> None:
    """Everything that the request needs on the bucket and object that it addresses."""
    subject = Subject(call.key if "Key" in call else None, call.get("VersionId"))
    if "UploadId" in call and _began(call, context, access, subject):
        return
    for need in actions.needed(call):
        access.require(need, subject)
        if need.action in _OF_OWN_ACCOUNT and access.outside:
            raise AwsError("MethodNotAllowed")
    if subject.version is not None:
        call.notes[VERSION] = subject.version


def _began(call: Call, context: Context, access: BucketAccess, subject: Subject) -> bool:
    """Whether the caller's having begun the upload is enough.

    Raises AccessDenied when another account began it: to be allowed to write to a bucket lets nobody touch what others
    upload, save the bucket's own account.
    """
    if access.own:
        return True
    try:
        upload = context.store.multipart.upload(call.bucket, call.key, str(call["UploadId"]))
    except NoSuchUpload:
        return False  # completed before, or never there: the operation tells, to whoever is allowed
    mine = upload.initiator.id == callers.initiator_of(call.principal).id
    if mine and call.operation.action in _OF_INITIATOR:
        return not access.explicitly_denied(call.operation.action, subject)
    if access.outside and not callers.of_same_account(upload.initiator, call.principal):
        raise AwsError("AccessDenied")
    return False


def _authorise_source(call: Call, context: Context, access: BucketAccess | None) -> None:
    """What the request needs on the object that it copies from. `access` is the caller's to the bucket written to."""
    member, wanted = actions.SOURCES[call.operation.name]
    source = copy_source.parse(call[member], _SOURCE_HEADERS[member])
    tells = call.operation.name in _TELLS_OF_SOURCE
    if tells and source.bucket != call.bucket:
        return
    bucket = context.store.seen(source.bucket)
    _admit(call, context, bucket, call.get("ExpectedSourceBucketOwner"))
    if access is None:
        return
    from_there = BucketAccess(call, context, bucket)
    subject = Subject(source.key, source.version_id)
    try:
        for action in wanted:
            from_there.require(Need(on_version(action, source.version_id)), subject)
    except AwsError as error:
        if error.code == "MethodNotAllowed":
            raise AwsError("InvalidRequest", MARKER_AS_SOURCE) from None
        if error.code != "NoSuchKey" or not tells:
            raise
    if call.operation.name == "CopyObject" and not (access.own and from_there.own):
        _require_copied_tags(call, access, from_there, subject)


def _require_copied_tags(call: Call, access: BucketAccess, from_there: BucketAccess, subject: Subject) -> None:
    """Tags that are copied along are read there and written here."""
    if call.get("TaggingDirective", "COPY") == "COPY" and from_there.existing(subject).tags:
        from_there.require(Need(on_version("s3:GetObjectTagging", subject.version_id)), subject)
        access.require(Need(actions.PUT_TAGS, on_new=True), Subject(call.key))


def may_see(call: Call, action: str) -> bool:
    """Whether a reader of an object may also do `action` on it: some headers are told only to those who may ask."""
    access: BucketAccess | None = call.notes.get(_ACCESS)
    if access is None or access.own:
        return True
    version_id = call.get("VersionId")
    return access.may(on_version(action, version_id), Subject(call.key, version_id, call.notes.get(VERSION)))


def deletions(call: Call, context: Context) -> MayDelete:
    """Decides key by key for the caller of DeleteObjects."""
    if call.principal.is_root:
        return lambda key, version_id: True
    access = BucketAccess(call, context, bucket_of(call, context))
    needs = [need.action for need in actions.needed(call)]

    def may_delete(key: str, version_id: str | None) -> bool:
        subject = Subject(key, version_id)
        return all(access.may(on_version(action, version_id), subject) for action in needs)

    return may_delete


def check_not_locked_out(call: Call, context: Context, policy: Policy) -> None:
    """Raise AccessDenied when a policy that the caller puts would keep it from putting another.

    The root user of the bucket's account is never kept from that.
    """
    if call.principal.is_root:
        return
    if BucketAccess(call, context, bucket_of(call, context), policy).explicitly_denied(
        call.operation.action, Subject()
    ):
        raise AwsError(
            "AccessDenied",
            "The policy would deny you to put another one. If that is meant, confirm it with "
            "x-amz-confirm-remove-self-bucket-access: true.",
        )
