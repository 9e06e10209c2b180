"""Finding the bucket and version that a request speaks of, and saying in AWS's words what is not there.

The gate looks first; what it found it leaves in the notes of the call, so that the handler works on the same.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html
"""

from __future__ import annotations

import contextlib
from email.utils import formatdate
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam.context import Context
from objstore.store.errors import MethodNotAllowed, NoSuchKey, StoreError
from objstore.store.types import Bucket, Version

BUCKET: Final = "bucket"
VERSION: Final = "version"


def bucket_of(call: Call, context: Context) -> Bucket:
    """The bucket that the call names. Raises NoSuchBucket."""
    found: Bucket | None = call.notes.get(BUCKET)
    if found is None:
        found = call.notes[BUCKET] = context.store.seen(call.bucket)
    return found


def version_of(call: Call, context: Context) -> Version:
    """The version that the call names by Key and perhaps VersionId. Raises as `find`."""
    found: Version | None = call.notes.get(VERSION)
    if found is None:
        found = call.notes[VERSION] = find(context, call.bucket, call.key, call.get("VersionId"))
    return found


def look_again(call: Call, context: Context) -> bool:
    """Look up once more what `version_of` found; whether it is still the same. Else nothing is known any more."""
    before = call.notes.pop(VERSION)
    with contextlib.suppress(AwsError, StoreError):
        if version_of(call, context) == before:
            return True
    for note in (BUCKET, VERSION):
        call.notes.pop(note, None)
    return False


def find(context: Context, bucket: str, key: str, version_id: str | None) -> Version:
    """The current version, or the one of that id.

    Raises NoSuchBucket, NoSuchVersion, NoSuchKey and MethodNotAllowed, the last two with headers that tell of the
    delete marker met.
    """
    try:
        return context.store.current(bucket, key, version_id)
    except NoSuchKey as error:
        raise AwsError("NoSuchKey", headers=marker_headers(error.marker), Key=key) from None
    except MethodNotAllowed as error:
        headers = marker_headers(error.marker) | {"allow": "DELETE"}
        raise AwsError("MethodNotAllowed", headers=headers, **error.detail) from None


def marker_headers(marker: Version | None) -> dict[str, str]:
    """The headers that tell whether a delete marker stands in the way, and which."""
    if marker is None:
        return {"x-amz-delete-marker": "false"}
    return {
        "x-amz-delete-marker": "true",
        "x-amz-version-id": marker.version_id,
        "last-modified": http_date(marker.modified_us),
    }


def http_date(us: int) -> str:
    """A time in microseconds since 1970 as HTTP headers write it."""
    return formatdate(us // 1_000_000, usegmt=True)
