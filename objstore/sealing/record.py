"""What a version, or an upload, says of its encryption; and the same with its data key, for whoever writes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from objstore.sealing.datakey import DataKey
from objstore.sealing.errors import SealBroken
from objstore.sealing.streams import Stream

S3 = "AES256"
"""Server-side encryption with the store's own keys (SSE-S3)."""
KMS = "aws:kms"
"""With keys of a key management service (SSE-KMS)."""
CUSTOMER = "SSE-C"
"""With a key that the customer brings to every request."""

_SIZE = struct.Struct(">Q")


class Encryption(msgspec.Struct, frozen=True, array_like=True):
    """How an object is sealed. `data_key` is sealed under a *wrapping key*, bound to `context`.

    `wrapping_key` is that key, sealed by the key `key_id` of the key management `engine`; under SSE-C it is empty,
    because the customer has it. Objects written with a *bucket key* share a wrapping key. `context` is the client's, as
    canonical JSON. `proof` vouches for the streams: which, how long, in which order.
    """

    scheme: str
    data_key: bytes
    wrapping_key: bytes = b""
    engine: str = ""
    key_id: str = ""
    context: str = ""
    bucket_key: bool = False
    streams: tuple[Stream, ...] = ()
    proof: bytes = b""

    @property
    def opaque(self) -> bool:
        """Whether the ETag tells nothing of the plaintext: as on AWS it is an MD5 under SSE-S3 only."""
        return self.scheme != S3

    def of(self, key: DataKey, streams: Sequence[Stream]) -> Encryption:
        """The same for an object of these streams."""
        return msgspec.structs.replace(self, streams=tuple(streams), proof=_proof(key, streams))

    def check(self, key: DataKey) -> None:
        """Raise SealBroken when streams were added, dropped, moved or cut."""
        if _proof(key, self.streams) != self.proof:
            raise SealBroken("the list of an object's streams was altered")


@dataclass(frozen=True, slots=True)
class Seal:
    """What a write seals with: a data key and the record that tells of it, still without streams."""

    key: DataKey
    record: Encryption

    @property
    def opaque(self) -> bool:
        """As its record's."""
        return self.record.opaque


def _proof(key: DataKey, streams: Sequence[Stream]) -> bytes:
    return key.proof(b"".join(part for stream in streams for part in (stream.key, _SIZE.pack(stream.size))))
