"""Conditions on what is there, decided where it is known: inside the transaction for writes, on the version for reads.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html and RFC 9110, section 13. ETags are
compared weakly: quotes and `W/` do not count. Times have the resolution of HTTP dates, one second.
"""

from __future__ import annotations

from objstore.store.errors import NoSuchKey, NotModified, PreconditionFailed
from objstore.store.types import ALWAYS, Preconditions, Version


def matches(header: str, etag: str) -> bool:
    """Whether an `If-Match` or `If-None-Match` value names this ETag (hex, no quotes)."""
    return any(bare(one) in ("*", etag) for one in header.split(","))


def bare(etag: str) -> str:
    """An ETag without quotes and `W/`."""
    return etag.strip().removeprefix("W/").strip('"')


def seconds(version: Version) -> int:
    """When it was last modified, as HTTP tells it."""
    return version.modified_us // 1_000_000


def check_read(given: Preconditions, version: Version) -> None:
    """Raise PreconditionFailed or NotModified as RFC 9110 orders them: the ETag conditions win over the times."""
    if given is ALWAYS:
        return
    if given.if_match is not None:
        if not matches(given.if_match, version.etag):
            raise PreconditionFailed(Condition="If-Match")
    elif given.if_unmodified_since is not None and seconds(version) > given.if_unmodified_since:
        raise PreconditionFailed(Condition="If-Unmodified-Since")
    if given.if_none_match is not None:
        if matches(given.if_none_match, version.etag):
            raise NotModified(Condition="If-None-Match")
    elif given.if_modified_since is not None and seconds(version) <= given.if_modified_since:
        raise NotModified(Condition="If-Modified-Since")


def check_source(given: Preconditions, version: Version, prefix: str = "x-amz-copy-source") -> None:
    """The same for the source of a copy or rename, where all that fails is PreconditionFailed."""
    try:
        check_read(given, version)
    except (NotModified, PreconditionFailed) as error:
        raise PreconditionFailed(Condition=f"{prefix}-{error.detail['Condition']}") from None


def check_write(given: Preconditions, key: str, current: Version | None) -> None:
    """Whether an object may be published over `current` (None: nothing, or a delete marker)."""
    if given is ALWAYS:
        return
    if given.if_match is not None:
        if current is None:
            raise NoSuchKey(Key=key)
        if not matches(given.if_match, current.etag):
            raise PreconditionFailed(Condition="If-Match")
    if given.if_none_match is not None and current is not None and matches(given.if_none_match, current.etag):
        raise PreconditionFailed(Condition="If-None-Match")


def check_destination(given: Preconditions, key: str, current: Version | None) -> None:
    """Whether a rename may put an object over `current`. One that must have been modified since must be there."""
    check_write(given, key, current)
    modified = seconds(current) if current is not None else None
    since = given.if_modified_since if given.if_none_match is None else None
    if since is not None and (modified is None or modified <= since):
        raise PreconditionFailed(Condition="If-Modified-Since")
    since = given.if_unmodified_since if given.if_match is None else None
    if since is not None and modified is not None and modified > since:
        raise PreconditionFailed(Condition="If-Unmodified-Since")


def conditional(given: Preconditions) -> bool:
    """Whether a delete has any condition."""
    return given.if_match is not None or given.match_size is not None or given.match_last_modified is not None


def check_delete(given: Preconditions, version: Version) -> None:
    """Whether this version or delete marker may be deleted or hidden."""
    if given.if_match is not None and not matches(given.if_match, version.etag):
        raise PreconditionFailed(Condition="If-Match")
    if given.match_size is not None and version.size != given.match_size:
        raise PreconditionFailed(Condition="x-amz-if-match-size")
    if given.match_last_modified is not None and seconds(version) != given.match_last_modified:
        raise PreconditionFailed(Condition="x-amz-if-match-last-modified-time")
