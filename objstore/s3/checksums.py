"""What is computed of the bytes of objects and parts, and how their checksums are shown and combined.

Every object has a checksum: the one its client named, else CRC64NVME, as on AWS. A multipart object has that of its
parts' algorithm, combined as its upload says; an upload that named no algorithm takes that of its parts.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from objstore.aws.body import Body
from objstore.aws.checksums import (
    ALGORITHMS,
    COMPOSITE,
    DEFAULT,
    FULL_OBJECT,
    Algorithm,
    bad_digest,
    combined,
    composite,
    encode,
)
from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError
from objstore.sealing import DataKey
from objstore.store.sealed import hidden, revealed
from objstore.store.types import Checksum, Digest, Digester, Part, Source, Upload


def source(body: Body, chosen: Algorithm | None = None) -> Source:
    """A body as the store takes it: MD5 for the ETag, the checksum of `chosen` (or what the client named, or the
    default), and at the end the check of all that the client claimed."""
    named = chosen or body.algorithm or DEFAULT
    digests = Digests(body.wanted | {"MD5", named.name})

    def finish() -> Digest:
        body.check(digests)
        return Digest(digests.hex("MD5"), Checksum(named.name, digests.base64(named.name)))

    return Source(aiter(body), body.length, digests.update, finish)


def digester(chosen: Algorithm) -> Digester:
    """For bytes that are copied: MD5 and a full-object checksum."""
    digests = Digests({"MD5", chosen.name})

    def finish() -> Digest:
        return Digest(digests.hex("MD5"), Checksum(chosen.name, digests.base64(chosen.name)))

    return Digester(digests.update, finish)


def members(checksum: Checksum | None, *, type_too: bool = True) -> dict[str, str]:
    """A checksum as members of an answer; empty without one."""
    if checksum is None:
        return {}
    shown = {ALGORITHMS[checksum.algorithm].member: checksum.value}
    if type_too:
        shown["ChecksumType"] = checksum.type
    return shown


def claimed(given: Mapping[str, Any]) -> tuple[Algorithm, str] | None:
    """The algorithm and value that the members of a request or of a completed part claim; InvalidRequest for two."""
    found = [(algorithm, given[algorithm.member]) for algorithm in ALGORITHMS.values() if given.get(algorithm.member)]
    if len(found) > 1:
        raise AwsError(
            "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    return found[0] if found else None


def of_part(upload: Upload, named: Algorithm | None) -> Algorithm | None:
    """The algorithm for a part of an upload, None where neither it nor the client (`named`) names one.

    Raises InvalidRequest when they name two.
    """
    if upload.checksum_algorithm is None:
        return named
    expected = ALGORITHMS[upload.checksum_algorithm]
    if named is not None and named is not expected:
        raise AwsError(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {expected.name.lower()}, "
            f"actual checksum Type: {named.name.lower()}",
        )
    return expected


def combiner(
    given: Mapping[str, Any], key: DataKey | None = None
) -> Callable[[Upload, Sequence[Part]], Checksum | None]:
    """What computes the checksum of a multipart object and compares it with what CompleteMultipartUpload claims.

    `key` reveals the checksums of an encrypted upload's parts, and hides the object's.

    The function returns None when parts lack a checksum or have different ones, and raises BadDigest or InvalidRequest.
    """
    claim, wanted_type = claimed(given), given.get("ChecksumType")

    def combine(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
        kind = upload.checksum_type
        if wanted_type and kind and wanted_type != kind:
            raise AwsError(
                "InvalidRequest",
                f"The upload was created using the {kind} checksum mode. The complete request must use the same "
                "checksum mode.",
            )
        plain = (
            [msgspec.structs.replace(part, checksum=revealed(key, part.checksum)) for part in parts] if key else parts
        )
        checksum = _combined(plain, kind or wanted_type)
        if claim is not None:
            _compare(claim, checksum)
        return checksum if key is None else hidden(key, checksum)

    return combine


def _combined(parts: Sequence[Part], kind: str | None) -> Checksum | None:
    checksums = [part.checksum for part in parts if part.checksum is not None and part.checksum.type == FULL_OBJECT]
    names = {checksum.algorithm for checksum in checksums}
    if len(checksums) != len(parts) or len(names) != 1:
        return None
    chosen = ALGORITHMS[names.pop()]
    digests = [base64.b64decode(checksum.value) for checksum in checksums]
    if kind is None:
        kind = FULL_OBJECT if chosen.combine else COMPOSITE
    if kind == COMPOSITE:
        return Checksum(chosen.name, composite(chosen, digests), COMPOSITE)
    if chosen.combine is None:
        return None
    sizes = (part.size for part in parts)
    return Checksum(chosen.name, encode(combined(chosen, zip(digests, sizes, strict=True))), FULL_OBJECT)


def _compare(claim: tuple[Algorithm, str], checksum: Checksum | None) -> None:
    """A composite value may be claimed with or without the number of parts."""
    chosen, value = claim
    if checksum is None or checksum.algorithm != chosen.name:
        raise bad_digest(chosen)
    computed = checksum.value if "-" in value else checksum.value.partition("-")[0]
    if not hmac.compare_digest(value.encode(), computed.encode()):
        raise bad_digest(chosen)
