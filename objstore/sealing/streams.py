"""Which segments hold a range of an object, and how they are opened as their bytes come in.

An object's sealed bytes are its streams one behind the other. Where a range begins and ends in them is arithmetic; only
the segments that it touches are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from objstore.sealing.datakey import DataKey
from objstore.sealing.segments import CHUNK, SEGMENT, TAG, Buffer, SegmentCipher, sealed_size, segments


class Stream(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sealed run of `size` bytes of plaintext, under the key that the data key unwraps from `key`."""

    key: bytes
    size: int


class Run(NamedTuple):
    """What is wanted of one stream: `take` bytes behind the first `skip` of its segments `first` to `end`."""

    stream: Stream
    first: int
    end: int
    skip: int
    take: int


class Plan(NamedTuple):
    """The sealed bytes [start, start + length) of an object, and what to open of them, in order."""

    start: int
    length: int
    runs: tuple[Run, ...]


def plan(streams: Sequence[Stream], start: int, length: int) -> Plan:
    """What to read for the plaintext bytes [start, start + length) of the streams put together."""
    assert start >= 0 and length >= 0, "a range lies inside its object"
    runs: list[Run] = []
    at = sealed_at = 0
    begin = end = None
    for stream in streams:
        first_byte, last_byte = max(start - at, 0), min(start + length - at, stream.size)
        if first_byte < last_byte:
            first, stop = first_byte // CHUNK, segments(last_byte)
            runs.append(Run(stream, first, stop, first_byte - first * CHUNK, last_byte - first_byte))
            begin = sealed_at + first * SEGMENT if begin is None else begin
            end = sealed_at + min(stop * SEGMENT, sealed_size(stream.size))
        at += stream.size
        sealed_at += sealed_size(stream.size)
    assert start + length <= at, "a range lies inside its object"
    if begin is None or end is None:
        return Plan(0, 0, ())
    return Plan(begin, end - begin, tuple(runs))


class Unsealer:
    """Takes the sealed bytes of a plan in pieces of any size, gives plaintext that was authenticated."""

    def __init__(self, key: DataKey, wanted: Plan) -> None:
        self._key = key
        self._runs = iter(wanted.runs)
        self._held: deque[Buffer] = deque()
        self._bytes = 0
        self._run: Run | None = None
        self._number = self._skip = self._left = 0
        self._next_run()

    @property
    def done(self) -> bool:
        """Whether everything that was planned has been given."""
        return self._run is None

    def feed(self, pieces: Iterable[Buffer]) -> list[memoryview]:
        """The plaintext of the segments that are whole with the next pieces. Raises SealBroken."""
        for piece in pieces:
            if len(piece):
                self._held.append(piece)
                self._bytes += len(piece)
        opened: list[memoryview] = []
        while self._run is not None and self._bytes >= self._sealed_length():
            opened.append(self._open_some(self._run))
        return opened

    def _sealed_length(self) -> int:
        """Bytes of the next segment, sealed."""
        assert self._run is not None
        return min(SEGMENT, sealed_size(self._run.stream.size) - self._number * SEGMENT)

    def _open_some(self, run: Run) -> memoryview:
        """Open the segments of a run that lie in one buffer; the next one, when it lies in several."""
        rest = sealed_size(run.stream.size) - self._number * SEGMENT
        at_hand = min(len(self._held[0]), rest, (run.end - self._number) * SEGMENT)
        whole = at_hand if at_hand == rest else at_hand - at_hand % SEGMENT
        sealed = self._take(whole or self._sealed_length())
        count = -(-len(sealed) // SEGMENT)
        out = memoryview(bytearray(len(sealed) - count * TAG))
        last = segments(run.stream.size) - 1
        for at in range(count):
            target = out[at * CHUNK : (at + 1) * CHUNK]
            piece = sealed[at * SEGMENT : at * SEGMENT + len(target) + TAG]
            self._cipher.open_into(self._number + at, piece, target, last=self._number + at == last)
        self._number += count
        shown = out[self._skip : self._skip + self._left]
        self._left -= len(shown)
        self._skip = 0
        if self._number == run.end:
            self._next_run()
        return shown

    def _take(self, size: int) -> memoryview:
        """The next bytes held; copied only where they lie in several buffers."""
        self._bytes -= size
        parts: list[memoryview] = []
        while size:
            view = memoryview(self._held.popleft())
            if len(view) > size:
                self._held.appendleft(view[size:])
            parts.append(view[:size])
            size -= len(parts[-1])
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    def _next_run(self) -> None:
        self._run = run = next(self._runs, None)
        if run is not None:
            self._cipher = SegmentCipher(self._key.unwrap(run.stream.key))
            self._number, self._skip, self._left = run.first, run.skip, run.take
