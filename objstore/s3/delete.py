"""DeleteObject and DeleteObjects.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError, as_aws_error
from objstore.aws.operation import MEBIBYTE, Call, operation
from objstore.iam import gate
from objstore.iam.context import Context
from objstore.s3 import conditions, keys
from objstore.store.errors import StoreError
from objstore.store.types import Deleted, DeleteItem

MAX_KEYS: Final = 1000
DELETED: Final = "deleted"
"""Of a call's notes: the keys of a DeleteObjects with their versions and errors, for access logs."""

_BYPASS: Final = "BypassGovernanceRetention"


@operation(
    "DeleteObject",
    action="s3:DeleteObject",
    supports={"VersionId", "IfMatch", "IfMatchLastModifiedTime", "IfMatchSize", _BYPASS},
)
async def delete_object(call: Call, context: Context) -> dict[str, Any]:
    given = conditions.of_delete(call.get("IfMatch"), call.get("IfMatchSize"), call.get("IfMatchLastModifiedTime"))
    bypass = bool(call.get(_BYPASS))
    deleted = await context.store.delete(call.bucket, call.key, call.get("VersionId"), given, bypass_governance=bypass)
    members: dict[str, Any] = {}
    if deleted.delete_marker:
        members["DeleteMarker"] = True
    if deleted.version_id is not None:
        members["VersionId"] = deleted.version_id
    return members


@operation("DeleteObjects", action="s3:DeleteObject", supports={_BYPASS}, body_limit=8 * MEBIBYTE)
async def delete_objects(call: Call, context: Context) -> dict[str, Any]:
    _require_digest(call)
    wanted = call["Delete"].get("Objects") or []
    if not 1 <= len(wanted) <= MAX_KEYS:
        raise AwsError("MalformedXML")
    quiet = bool(call["Delete"].get("Quiet"))
    may_delete = gate.deletions(call, context)
    refused = [_refusal(one, may_delete) for one in wanted]
    bypass = bool(call.get(_BYPASS))
    items = [_item(one, bypass) for one, error in zip(wanted, refused, strict=True) if error is None]
    outcomes = iter(await context.store.delete_many(call.bucket, items))
    deleted, errors = [], []
    done = call.notes[DELETED] = list[tuple[str, str | None, Exception | None]]()
    for one, error in zip(wanted, refused, strict=True):
        outcome = error or next(outcomes)
        done.append((one["Key"], one.get("VersionId"), None if isinstance(outcome, Deleted) else outcome))
        if isinstance(outcome, Deleted):
            deleted.append(_deleted_members(one, outcome))
        else:
            errors.append(_error_members(one, outcome))
    members: dict[str, Any] = {"Deleted": deleted} if deleted and not quiet else {}
    if errors:
        members["Errors"] = errors
    return members


def _require_digest(call: Call) -> None:
    """AWS takes this document only with a digest of it."""
    names = call.request.headers
    if "content-md5" not in names and "x-amz-trailer" not in names:
        if any(name.startswith("x-amz-checksum-") for name in names):
            return
        raise AwsError("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _refusal(one: dict[str, Any], may_delete: gate.MayDelete) -> AwsError | None:
    if not one.get("Key"):
        raise AwsError("MalformedXML")
    try:
        keys.check(one["Key"])
    except AwsError as error:
        return error
    return None if may_delete(one["Key"], one.get("VersionId") or None) else AwsError("AccessDenied")


def _item(one: dict[str, Any], bypass: bool) -> DeleteItem:
    given = conditions.of_delete(one.get("ETag"), one.get("Size"), one.get("LastModifiedTime"))
    return DeleteItem(one["Key"], one.get("VersionId") or None, given, bypass)


def _deleted_members(one: dict[str, Any], outcome: Deleted) -> dict[str, Any]:
    members: dict[str, Any] = {"Key": one["Key"]}
    if one.get("VersionId"):
        members["VersionId"] = one["VersionId"]
    if outcome.delete_marker:
        members["DeleteMarker"] = True
        if outcome.version_id is not None:
            members["DeleteMarkerVersionId"] = outcome.version_id
    return members


def _error_members(one: dict[str, Any], error: AwsError | StoreError) -> dict[str, Any]:
    shown = as_aws_error(error) or AwsError("InternalError")
    members = {"Key": one["Key"], "Code": shown.code, "Message": shown.message}
    if one.get("VersionId"):
        members["VersionId"] = one["VersionId"]
    return members
