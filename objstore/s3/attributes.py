"""GetObjectAttributes: what HeadObject tells and more, the parts of a multipart object page by page.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import version_of
from objstore.s3 import checksums, customer_keys, encryption, limits, versions
from objstore.s3.times import second
from objstore.store.sealed import laid_open
from objstore.store.types import PartInfo

_KNOWN: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


@operation(
    "GetObjectAttributes",
    action="s3:GetObjectAttributes",
    supports=customer_keys.MEMBERS | {"VersionId", "MaxParts", "PartNumberMarker"},
)
async def get_object_attributes(call: Call, context: Context) -> dict[str, Any]:
    wanted = _wanted(call["ObjectAttributes"])
    encryption.refuse_write_headers(call)
    found = version_of(call, context)
    shows_checksums = bool(wanted & {"Checksum", "ObjectParts"})
    key = await encryption.for_read(call, context, found.encryption, needed=shows_checksums)
    version = laid_open(found, key) if shows_checksums else found
    members: dict[str, Any] = {"LastModified": second(version.modified_us)}
    version_id = versions.read_id(call, context, version)
    if version_id is not None:
        members["VersionId"] = version_id
    if "ETag" in wanted:
        members["ETag"] = version.etag
    if "Checksum" in wanted and version.checksum is not None:
        members["Checksum"] = checksums.members(version.checksum)
    if "ObjectParts" in wanted and version.parts is not None:
        size = limits.page_size(call.get("MaxParts"), "max-parts")
        members["ObjectParts"] = parts_page(version.parts, limits.part_marker(call.get("PartNumberMarker")), size)
    if "StorageClass" in wanted:
        members["StorageClass"] = version.storage_class
    if "ObjectSize" in wanted:
        members["ObjectSize"] = version.size
    return members


def _wanted(attributes: Sequence[str]) -> frozenset[str]:
    unknown = [name for name in attributes if name not in _KNOWN]
    if unknown or not attributes:
        raise AwsError(
            "InvalidArgument",
            "Invalid attribute name specified.",
            ArgumentName="x-amz-object-attributes",
            ArgumentValue=",".join(unknown),
        )
    return frozenset(attributes)


def parts_page(parts: Sequence[PartInfo], after: int, size: int) -> dict[str, Any]:
    """The parts behind number `after`, at most `size` of them, as the member ObjectParts."""
    behind = [part for part in parts if part.number > after]
    page = behind[:size]
    return {
        "TotalPartsCount": len(parts),
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else after,
        "MaxParts": size,
        "IsTruncated": len(page) < len(behind),
        "Parts": [
            {"PartNumber": part.number, "Size": part.size, **checksums.members(part.checksum, type_too=False)}
            for part in page
        ],
    }
