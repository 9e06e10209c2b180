"""Catching up: a mirror that lags does again what the redo log of one that is ahead tells.

All that is missing becomes one transaction, so no reader sees a state that never was. The log refers to payloads by
their hash; their bytes are taken from the payloads of the mirror that is followed. What that one has no more was
deleted by a later transaction of the same log, and must be gone here too when all is done.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import apsw
import msgspec
from xxhash import xxh3_128_digest

from objstore.catalog import redo
from objstore.catalog.errors import OutOfStep
from objstore.catalog.hands import attend
from objstore.catalog.mirror import Mirror
from objstore.catalog.redo import Position, Step


def replay(mirror: Mirror, source: Mirror) -> None:
    """Let `mirror` catch up with `source`, durably. Raises MirrorFailed; OutOfStep where the log does not continue what
    the mirror holds, or does not suffice. It takes as long as it gets on."""
    done: list[int] = []
    attend(mirror, lambda one: _replay(one, source, done), lambda: len(done))


def _replay(mirror: Mirror, source: Mirror, done: list[int]) -> None:
    here, there = mirror.position(), source.position()
    with source.failures():
        sql = "SELECT seq, epoch, statements FROM redo WHERE seq > ? ORDER BY seq"
        rows = cast(list[tuple[int, int, bytes]], source.connection.execute(sql, (here.seq,)).fetchall())
    if [row[0] for row in rows] != list(range(here.seq + 1, there.seq + 1)):
        raise OutOfStep(mirror.id, f"at transaction {here.seq} is too far behind {there.seq}, or ahead of it")
    places = [here]
    for _, epoch, packed in rows:
        places.append(places[-1].after(epoch, packed, there.members))
    if places[-1].chain != there.chain:  # before any of it is done: what was misread may be any statement at all
        raise OutOfStep(mirror.id, "has another history")
    payloads = _Payloads(mirror, source)
    mirror.begin()
    try:
        for before, after, (_, _, packed) in zip(places, places[1:], rows, strict=False):
            _redo(mirror, before, after, packed, payloads)
            done.append(after.seq)
        _require_none_of(mirror, payloads.absent)
        mirror.commit()
    except BaseException:
        mirror.rollback()
        raise


def _redo(mirror: Mirror, here: Position, after: Position, packed: bytes, payloads: _Payloads) -> None:
    try:
        step = Step(here, after, *redo.unpack(packed, payloads.get), packed)
        with mirror.failures():
            mirror.do(step)
    except (apsw.Error, msgspec.MsgspecError) as error:
        raise mirror.failure(error) from error


def _require_none_of(mirror: Mirror, absent: Collection[int]) -> None:
    with mirror.failures():
        for payload in absent:
            if mirror.connection.execute("SELECT 1 FROM payloads WHERE id = ?", (payload,)).fetchone():
                raise OutOfStep(mirror.id, f"payload {payload} is not to be had")


class _Payloads:
    """The payloads that the redo log of `source` refers to. `absent` are those that it has not, or not any more."""

    def __init__(self, mirror: Mirror, source: Mirror) -> None:
        self.absent: set[int] = set()
        self._mirror = mirror
        self._source = source
        self._room = redo.KEEP_BYTES

    def get(self, payload: int, digest: bytes) -> bytes:
        """The bytes; none where they are absent. Raises OutOfStep where a copy of the whole mirror is the better
        way."""
        with self._source.failures():
            row = self._source.connection.execute("SELECT data FROM payloads WHERE id = ?", (payload,)).fetchone()
        data: bytes = row[0] if row is not None else b""
        if xxh3_128_digest(data) != digest:
            self.absent.add(payload)
            return b""
        self.absent.discard(payload)  # its id was given again
        self._room -= len(data)
        if self._room < 0:
            raise OutOfStep(self._mirror.id, "lacks too much to be caught up")
        return data
