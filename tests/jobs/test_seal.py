"""What instances that died left behind: blobs that are open, and files that no row names."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from erasure import SHARD_HEADER
from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.catalog import engine
from objstore.catalog.members import Members
from objstore.catalog.mirror import Mirror
from objstore.catalog.redo import Step
from objstore.jobs.reap import clear
from objstore.jobs.seal import collect_orphans, seal_abandoned
from objstore.store import settling
from objstore.store.store import Store
from tests.jobs.house import House, play

MIB = 1 << 20


def test_orphans_are_what_no_row_names_and_nobody_writes(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("published", os.urandom(5 * MIB))
        published = house.info(house.blob_of("published"))
        writer = house.blobs.writer(2, None)
        await writer.write(bytes(9 * MIB))  # and its process dies
        assert len(list(tmp_path.glob("drive?/shards/*/*"))) == 8
        drives = house.pool.online()
        assert await collect_orphans(house.catalog, drives, lambda instance: instance == house.instance) == 0
        assert await collect_orphans(house.catalog, drives, lambda _: False) == 4
        assert all(house.used(published))
        assert len(list(tmp_path.glob("drive?/shards/*/*"))) == 4

    play(tmp_path, scene)


def test_a_shard_that_was_healed_elsewhere_is_an_orphan_where_it_was(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 * MIB))
        info = house.info(house.blob_of("object"))
        stale = house.file(info, 1)
        await house.catalog.write(
            lambda tx: tx.run("UPDATE shards SET drive = ? WHERE blob = ? AND idx = 1", b"another", info.id)
        )
        rebuilt = stale.with_suffix(".2.tmp")  # by a process that died, on a drive that was away when it started again
        rebuilt.write_bytes(b"some")
        assert await collect_orphans(house.catalog, house.pool.online(), lambda _: True) == 2
        assert not stale.exists() and not rebuilt.exists()

    play(tmp_path, scene)


def test_open_blobs_of_the_dead_are_sealed_and_what_they_reserved_comes_back(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        dead = new_instance()
        await house.put("alive", os.urandom(50_000))
        died = House(house.pool, house.catalog, house.reads)
        died.instance = dead
        died.blobs = died.fresh(dead)
        died.store = Store(house.catalog, died.blobs)
        await died.put("key", body := os.urandom(100_000))
        info = house.info(house.blob_of("key"))
        before = house.used(info)
        assert await seal_abandoned(house.catalog, house.blobs, lambda instance: instance != dead) == 1
        sealed = house.info(info.id)
        assert sealed.sealed and SHARD_HEADER < sealed.length < 100_000
        assert all(now < then / 10 for now, then in zip(house.used(info), before, strict=True))
        assert not house.info(house.blob_of("alive")).sealed
        assert await house.get("key") == body
        assert house.catalog.read(settling.open_blobs) == [house.blob_of("alive")]

    play(tmp_path, scene)


def test_what_the_dead_reserved_comes_back_though_whoever_seals_dies_too(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("key", os.urandom(50_000))
        info = house.info(house.blob_of("key"))
        with mock.patch.object(Blobs, "cut", side_effect=asyncio.CancelledError), pytest.raises(asyncio.CancelledError):
            await seal_abandoned(house.catalog, house.blobs, lambda _: False)
        before = house.used(info)
        assert await clear(house.catalog, house.pool) == 4
        assert all(now < then / 10 for now, then in zip(house.used(info), before, strict=True))

    play(tmp_path, scene)


def test_what_somebody_published_as_he_died_is_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have it, the leader not yet, and whoever commits next makes it whole: its bytes have to be there."""

    class Killed(BaseException):
        pass

    def publish(members: Members, leader: Mirror, others: Sequence[Mirror], step: Step) -> None:
        for mirror in others:
            mirror.publish(step)
        leader.rollback()
        raise Killed

    async def scene(house: House) -> None:
        await house.put("key", b"acknowledged")
        body = os.urandom(5 * MIB)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(engine, "_publish", publish)
            await house.put("key", body)
        assert await collect_orphans(house.catalog, house.pool.online(), lambda _: False) == 0
        await house.put("another", b"a commit")
        assert await house.get("key") == body

    play(tmp_path, scene)
