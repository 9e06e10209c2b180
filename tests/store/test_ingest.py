"""A body is taken in whole, in order and in bounded steps, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.blobs.types import Written
from objstore.store import ingest as taking
from objstore.store.errors import EntityTooLarge, IncompleteBody
from objstore.store.ingest import Stored, ingest
from objstore.store.types import Digest, Source

STEP, THREADED, INLINE = 1000, 300, 100


class Sink:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.opened: list[int | None] = []
        self.steps: list[bytes] = []
        self.aborted = False

    def open(self, length: int | None) -> Sink:
        self.opened.append(length)
        return self

    async def write(self, data: Any) -> None:
        self.steps.append(bytes(data))
        await asyncio.sleep(0)

    async def finish(self, record: bytes) -> Written:
        return Written()

    async def abort(self) -> None:
        self.aborted = True


def take(chunks: list[bytes], length: int | None, sink: Sink, *, limit: int = 10_000, fail: bool = False) -> Stored:
    digested: list[bytes] = []

    async def flow() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    def finish() -> Digest:
        if fail:
            raise ValueError("wrong digest")
        return Digest(str(len(b"".join(digested))))

    async def main() -> Stored:
        body = Source(flow(), length, lambda data: digested.append(bytes(data)), finish)
        return await ingest(body, sink.open, lambda size, digest: b"", limit=limit, inline=INLINE)

    stored = asyncio.run(main())
    assert b"".join(digested) == b"".join(chunks)
    return stored


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Any:
    before = taking.STEP, taking.THREADED
    taking.STEP, taking.THREADED = STEP, THREADED
    yield
    taking.STEP, taking.THREADED = before


@given(st.lists(st.binary(max_size=1500), max_size=8), st.booleans())
def test_all_bytes_in_order_once(chunks: list[bytes], known: bool) -> None:
    sink, whole = Sink(), b"".join(chunks)
    stored = take(chunks, len(whole) if known else None, sink, limit=20_000)
    assert (stored.size, stored.digest.etag) == (len(whole), str(len(whole)))
    if len(whole) <= INLINE:
        assert stored.content == whole and stored.written is None and not sink.opened
    else:
        assert stored.content is None and b"".join(sink.steps) == whole and not sink.aborted
        assert all(len(step) == STEP for step in sink.steps[:-1])
        assert not known or sink.opened == [len(whole)]


@pytest.mark.parametrize(
    ("chunks", "length", "error"),
    [
        ([b"x" * 50], 60, IncompleteBody),
        ([b"x" * 50], 40, IncompleteBody),
        ([b"x" * 5000], 5001, IncompleteBody),
        ([b"x" * 900] * 3, 2000, IncompleteBody),
        ([], 20_000, EntityTooLarge),
        ([b"x" * 4000] * 4, None, EntityTooLarge),
    ],
)
def test_a_body_of_another_length_is_refused(chunks: list[bytes], length: int | None, error: type[Exception]) -> None:
    sink = Sink()
    with pytest.raises(error):
        take(chunks, length, sink)
    assert sink.aborted or not sink.opened


def test_what_the_digests_refuse_is_aborted() -> None:
    sink = Sink()
    with pytest.raises(ValueError, match="wrong digest"):
        take([b"x" * 2500], 2500, sink, fail=True)
    assert sink.aborted
