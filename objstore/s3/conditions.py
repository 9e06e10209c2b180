"""Conditions in requests: ETags and dates of the object that is read, replaced, deleted or copied.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objstore.aws.errors import AwsError
from objstore.iam.lookup import http_date
from objstore.s3.times import seconds
from objstore.store.errors import NotModified
from objstore.store.preconditions import check_read
from objstore.store.types import ALWAYS, Preconditions, Version


def of_read(members: Mapping[str, Any], prefix: str = "") -> Preconditions:
    """If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since, whose members begin with `prefix`."""
    given = Preconditions(
        if_match=members.get(prefix + "IfMatch"),
        if_none_match=members.get(prefix + "IfNoneMatch"),
        if_modified_since=seconds(members.get(prefix + "IfModifiedSince")),
        if_unmodified_since=seconds(members.get(prefix + "IfUnmodifiedSince")),
    )
    return ALWAYS if given == ALWAYS else given


def of_write(members: Mapping[str, Any], prefix: str = "") -> Preconditions:
    """If-Match and If-None-Match of what a write replaces."""
    match, none_match = members.get(prefix + "IfMatch"), members.get(prefix + "IfNoneMatch")
    return Preconditions(if_match=match, if_none_match=none_match) if match or none_match else ALWAYS


def of_delete(etag: str | None, size: int | None, modified: Any) -> Preconditions:
    """If-Match, `x-amz-if-match-size` and `x-amz-if-match-last-modified-time` of a delete."""
    given = Preconditions(if_match=etag, match_size=size, match_last_modified=seconds(modified))
    return ALWAYS if given == ALWAYS else given


def check(given: Preconditions, version: Version, version_id: str | None) -> None:
    """Raise PreconditionFailed or NotModified; the latter carries what RFC 9110 wants a 304 to carry."""
    try:
        check_read(given, version)
    except NotModified:
        headers = {"etag": f'"{version.etag}"', "last-modified": http_date(version.modified_us)}
        if version_id is not None:
            headers["x-amz-version-id"] = version_id
        for name in ("cache-control", "expires"):
            if name in version.headers:
                headers[name] = version.headers[name]
        raise AwsError("NotModified", headers=headers) from None
