"""The checksum algorithms of the S3 model, as one table: name, length, header, and how a multipart upload joins its
parts.

A checksum travels as base64 of its big-endian bytes, in the header `x-amz-checksum-<name>` or a trailer of that name. A
multipart object has either a *composite* checksum (the hash of the parts' digests, then `-` and the number of parts)
or, where the mathematics allows it (CRCs), a *full object* one that is combined from the parts without reading them
again.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from awscrt import checksums as crt

from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError

COMPOSITE = "COMPOSITE"
FULL_OBJECT = "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm: its name in the model, digest length in bytes, multipart types (default first)."""

    name: str
    size: int
    types: tuple[str, ...] = (COMPOSITE,)
    combine: Callable[[int, int, int], int] | None = None

    @property
    def header(self) -> str:
        """The header or trailer that carries a value, lower-case: `x-amz-checksum-crc32`."""
        return "x-amz-checksum-" + self.name.lower()

    @property
    def member(self) -> str:
        """The member of the model's shapes that carries a value: `ChecksumCRC32`."""
        return "Checksum" + self.name


ALGORITHMS: Mapping[str, Algorithm] = {
    a.name: a
    for a in (
        Algorithm("CRC32", 4, (COMPOSITE, FULL_OBJECT), crt.combine_crc32),
        Algorithm("CRC32C", 4, (COMPOSITE, FULL_OBJECT), crt.combine_crc32c),
        Algorithm("CRC64NVME", 8, (FULL_OBJECT,), crt.combine_crc64nvme),
        Algorithm("SHA1", 20),
        Algorithm("SHA256", 32),
        Algorithm("SHA512", 64),
        Algorithm("MD5", 16),
        Algorithm("XXHASH64", 8),
        Algorithm("XXHASH3", 8),
        Algorithm("XXHASH128", 16),
    )
}
BY_HEADER: Mapping[str, Algorithm] = {a.header: a for a in ALGORITHMS.values()}
DEFAULT = ALGORITHMS["CRC64NVME"]  # what AWS adds to an object whose client named none


def algorithm(name: str) -> Algorithm:
    """The algorithm of that name, in any case; InvalidRequest names the valid ones."""
    found = ALGORITHMS.get(name.upper())
    if found is None:
        valid = ", ".join(sorted(ALGORITHMS))
        raise AwsError(
            "InvalidRequest",
            f"Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{valid}]",
        )
    return found


def checksum_type(chosen: Algorithm, wanted: str | None) -> str:
    """The multipart checksum type: the one asked for when the algorithm has it, else its default."""
    if not wanted:
        return chosen.types[0]
    kind = wanted.upper()
    if kind not in (COMPOSITE, FULL_OBJECT):
        raise invalid_header("x-amz-checksum-type")
    if kind not in chosen.types:
        raise AwsError(
            "InvalidRequest",
            f"The {kind} checksum type cannot be used with the {chosen.name.lower()} checksum algorithm.",
        )
    return kind


def decode(value: str, chosen: Algorithm, *, trailing: bool = False) -> bytes:
    """The digest in a header's or trailer's base64; BadDigest when it is no base64 of the algorithm's length."""
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != chosen.size:
        raise AwsError("BadDigest", f"Value for {chosen.header} {'trailing ' if trailing else ''}header is invalid.")
    return digest


def encode(digest: bytes) -> str:
    """A digest as AWS writes it: base64."""
    return base64.b64encode(digest).decode("ascii")


def compute(chosen: Algorithm, *buffers: bytes) -> bytes:
    """The digest of some bytes in hand."""
    digests = Digests((chosen.name,))
    for buffer in buffers:
        digests.update(buffer)
    return digests.digest(chosen.name)


def composite(chosen: Algorithm, parts: Sequence[bytes]) -> str:
    """The composite checksum of a multipart object from its parts' digests: `base64-N`."""
    return f"{encode(compute(chosen, *parts))}-{len(parts)}"


def combined(chosen: Algorithm, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The full-object digest from (digest, length in bytes) of each part in order; only algorithms with `combine`."""
    if chosen.combine is None:
        raise ValueError(f"{chosen.name} digests cannot be combined")
    total = 0
    for digest, length in parts:
        total = chosen.combine(total, int.from_bytes(digest, "big"), length)
    return total.to_bytes(chosen.size, "big")


def bad_digest(chosen: Algorithm) -> AwsError:
    """The error for data that does not have the checksum its sender claimed."""
    return AwsError("BadDigest", f"The {chosen.name} you specified did not match the calculated checksum.")


def invalid_header(name: str, *, trailing: bool = False) -> AwsError:
    """The error for a checksum header or trailer whose value cannot be read."""
    return AwsError("InvalidRequest", f"Value for {name} {'trailing ' if trailing else ''}header is invalid.")
