"""A stream of bytes as sealed segments: AES-256-GCM, each with its place in the nonce.

A segment has 64 KiB when sealed, the last one of a stream maybe fewer: ciphertext and a tag of 16 bytes. Its nonce is
its number and whether it is the last one (the STREAM construction), under a key that no other stream has. So a segment
that was altered, moved, repeated or left out does not open, nor does a stream that was cut short; and any segment
opens without the others, which is what a range reads.
https://eprint.iacr.org/2015/189 (STREAM), https://csrc.nist.gov/pubs/sp/800/38/d/final (GCM)
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from objstore.sealing.errors import SealBroken

Buffer = bytes | bytearray | memoryview

SEGMENT = 64 << 10
"""Bytes of a sealed segment, but for a stream's last one."""
TAG = 16
CHUNK = SEGMENT - TAG
"""Bytes of plaintext in such a segment."""

_NONCE = struct.Struct(">7xIB")
_DOMAIN = b"objstore segment 1"


def segments(size: int) -> int:
    """Number of segments of a stream of `size` bytes of plaintext; an empty one has none."""
    return -(-size // CHUNK)


def sealed_size(size: int) -> int:
    """Bytes of a stream of `size` bytes of plaintext when it is sealed."""
    return size + TAG * segments(size)


class SegmentCipher:
    """Seals and opens the segments of one stream, by number. The key must never seal another stream."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, first: int, data: Buffer, *, last: bool) -> bytearray:
        """Seal plaintext that begins with segment `first`: whole chunks, and with `last` the stream's end."""
        view = memoryview(data)
        size = len(view)
        assert last or size % CHUNK == 0, "only the last segment of a stream may be short"
        out = bytearray(sealed_size(size))
        target = memoryview(out)
        count = segments(size)
        for at in range(count):
            plain = view[at * CHUNK : (at + 1) * CHUNK]
            nonce = _NONCE.pack(first + at, last and at == count - 1)
            self._cipher.encrypt_into(nonce, plain, _DOMAIN, target[at * SEGMENT : at * SEGMENT + len(plain) + TAG])
        return out

    def open_into(self, number: int, sealed: Buffer, target: memoryview, *, last: bool) -> None:
        """Open one segment into `target`, which has its plaintext's length. Raises SealBroken."""
        try:
            self._cipher.decrypt_into(_NONCE.pack(number, last), sealed, _DOMAIN, target)
        except InvalidTag:
            raise SealBroken(f"segment {number} does not open: it was altered or is not of this stream") from None
