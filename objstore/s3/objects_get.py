"""GetObject and HeadObject: a version whole, a range of it, or one of its parts.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Reply, operation
from objstore.iam.context import Context
from objstore.iam.gate import authorise
from objstore.iam.lookup import bucket_of, http_date, look_again, version_of
from objstore.s3 import checksums, conditions, customer_keys, encryption, headers, lifecycle, limits, ranges, versions
from objstore.sealing import DataKey
from objstore.store.preconditions import matches
from objstore.store.sealed import revealed
from objstore.store.types import Buffer, Checksum, Version

_OVERRIDES: Final = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}
_EXPIRES_OVERRIDE: Final = "ResponseExpires"
_SUPPORTS: Final = customer_keys.MEMBERS | frozenset(
    {
        *_OVERRIDES,
        _EXPIRES_OVERRIDE,
        "IfMatch",
        "IfModifiedSince",
        "IfNoneMatch",
        "IfUnmodifiedSince",
        "PartNumber",
        "Range",
        "VersionId",
    }
)


class Selection(msgspec.Struct, frozen=True):
    """Which bytes an answer carries, whether that is a part of the object (206), and the checksum that covers them."""

    start: int
    length: int
    partial: bool
    checksum: Checksum | None
    parts_count: int | None = None


_REDUNDANCY = "x-objstore-redundancy"


@operation("GetObject", action="s3:GetObject", supports=_SUPPORTS)
async def get_object(call: Call, context: Context) -> Reply:
    reply, found = await _found(call, context)
    at_hand = context.store.read_now(*found) if found.length else []
    if at_hand is not None:
        return _with_body(reply, b"".join(at_hand))
    begun = await context.store.begin_read()
    try:
        if not look_again(call, context):
            await authorise(call, context)  # it is another object, which not everybody may read who could the first
            reply, found = await _found(call, context)
    except BaseException:
        begun.close()
        raise
    return _with_body(reply, context.store.read(*found, begun))


class _Found(NamedTuple):
    """What is read of which version."""

    version: Version
    start: int
    length: int
    key: DataKey | None


async def _found(call: Call, context: Context) -> tuple[Reply, _Found]:
    """The answer but for the bytes, and where those are."""
    version = version_of(call, context)
    chosen = _chosen(call, context, version)
    key = await _data_key(call, context, version, needed=True)
    return _answer(call, context, version, chosen, key), _Found(version, chosen.start, chosen.length, key)


def _with_body(reply: Reply, body: bytes | AsyncIterator[Buffer]) -> Reply:
    return Reply({**reply.members, "Body": body}, reply.status, reply.headers)


@operation("HeadObject", action="s3:GetObject", supports=_SUPPORTS)
async def head_object(call: Call, context: Context) -> Reply:
    version = version_of(call, context)
    chosen = _chosen(call, context, version)
    key = await _data_key(call, context, version, needed=_shows_checksum(call))
    reply = _answer(call, context, version, chosen, key)
    if call.principal.is_root and context.redundancy is not None:
        told = {_REDUNDANCY: str(context.redundancy(version))}
        return Reply(reply.members, reply.status, {**reply.headers, **told})
    return reply


async def _data_key(call: Call, context: Context, version: Version, *, needed: bool) -> DataKey | None:
    encryption.refuse_write_headers(call)
    if version.encryption is None and customer_keys.MEMBERS.isdisjoint(call.members):
        return None
    return await encryption.for_read(call, context, version.encryption, needed=needed)


def _shows_checksum(call: Call) -> bool:
    return str(call.get("ChecksumMode", "")).upper() == "ENABLED"


def _chosen(call: Call, context: Context, version: Version) -> Selection:
    """Which bytes the request wants. Raises for conditions that do not hold, and as `select`."""
    conditions.check(conditions.of_read(call.members), version, versions.read_id(call, context, version))
    return select(version, _wanted_range(call, version), call.get("PartNumber"))


def _answer(call: Call, context: Context, version: Version, chosen: Selection, key: DataKey | None) -> Reply:
    """The answer but for the bytes. Of an encrypted version its data key is needed where a checksum is shown."""
    members: dict[str, Any] = {
        **versions.described(version, versions.read_id(call, context, version)),
        **versions.guarded(call, version),
        **encryption.told(call, version.encryption),
        **_overrides(call),
        **({} if "VersionId" in call else lifecycle.expiration(bucket_of(call, context), call.key, version)),
        "ContentLength": chosen.length,
    }
    if chosen.partial:
        members["ContentRange"] = ranges.content_range((chosen.start, chosen.length), version.size)
    if chosen.parts_count is not None:
        members["PartsCount"] = chosen.parts_count
    if _shows_checksum(call) and chosen.checksum is not None:
        members |= checksums.members(revealed(key, chosen.checksum))
        if version.checksum is not None:
            members["ChecksumType"] = version.checksum.type
    return Reply(members, 206 if chosen.partial else None, _expires(call, version))


def _overrides(call: Call) -> dict[str, Any]:
    """The `response-*` parameters: whoever signed a request may choose the headers of its answer, nobody else."""
    given = {member: call[override] for override, member in _OVERRIDES.items() if override in call}
    if (given or _EXPIRES_OVERRIDE in call) and call.principal.anonymous:
        raise AwsError("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
    return given


def _expires(call: Call, version: Version) -> dict[str, str]:
    """Expires goes out as it came in: it may well be no date."""
    if _EXPIRES_OVERRIDE in call:
        return {headers.EXPIRES: dict(call.request.query).get("response-expires", "")}
    stored = version.headers.get(headers.EXPIRES)
    return {headers.EXPIRES: stored} if stored else {}


def _wanted_range(call: Call, version: Version) -> str | None:
    """The Range header, unless If-Range names another state of the object (RFC 9110, section 13.1.5)."""
    header: str | None = call.get("Range")
    unless = call.request.headers.get("if-range")
    if header is None or unless is None:
        return header
    current = unless == http_date(version.modified_us) or (
        unless.startswith('"') and "*" not in unless and matches(unless, version.etag)
    )
    return header if current else None


def select(version: Version, range_header: str | None, part_number: int | None) -> Selection:
    """The bytes of a version that a range or a part number names. Raises InvalidRange, InvalidPart, InvalidRequest."""
    if part_number is not None:
        if range_header is not None:
            raise AwsError("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        return _select_part(version, limits.part_number(part_number))
    whole = Selection(0, version.size, False, version.checksum)
    span = ranges.parse(range_header, version.size) if range_header is not None else None
    if span is None:
        return whole
    start, length = span
    return Selection(start, length, True, version.checksum if length == version.size else None)


def _select_part(version: Version, number: int) -> Selection:
    """A part of a multipart object; an object put in one piece is its own part 1."""
    if version.parts is None:
        if number != 1:
            raise AwsError("InvalidPart", "The requested partnumber is not satisfiable", PartNumber=number)
        return Selection(0, version.size, version.size > 0, version.checksum)
    start = 0
    for part in version.parts:
        if part.number == number:
            return Selection(start, part.size, part.size > 0, part.checksum, len(version.parts))
        start += part.size
    raise AwsError("InvalidPart", "The requested partnumber is not satisfiable", PartNumber=number)
