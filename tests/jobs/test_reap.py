"""What nothing refers to gives its space back, but never under a read that runs."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.blobs.errors import NotPublished
from objstore.blobs.records import Record, pack_record
from objstore.blobs.running import Read, Running, oldest
from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import Undecided
from objstore.drives.system import System
from objstore.jobs import catalog_snapshots
from objstore.jobs.compact import rewrite
from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.pace import unpaced
from objstore.jobs.reap import LONGEST_READ, clear, horizon, reap
from objstore.jobs.seal import seal_abandoned
from objstore.store import completing, repair
from objstore.store.catalog_snapshots import Schedule
from objstore.store.errors import NoSuchKey
from objstore.store.extents import mark_missing
from objstore.store.store import Store, now_us
from objstore.store.types import CompletedPart, CopyKeys, NewUpload, ObjectName, Version
from tests.drives.faults import FaultySystem
from tests.jobs.house import BUCKET, NEW, House, play
from tests.store.fakes import OWNER, source

MIB = 1 << 20
PACKED = pack_record(Record(BUCKET, b"key", "null", 0, "0" * 32))
LONG = int(LONGEST_READ * 1_000_000)


def test_a_read_that_runs_keeps_what_is_deleted_meanwhile(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        data = os.urandom(30 * MIB)
        await house.put("before", data)
        await house.put("large", data)
        before, large = house.info(house.blob_of("before")), house.info(house.blob_of("large"))
        await house.delete("before")
        await reap(house.catalog, house.blobs, 3600.0)
        reading = house.store.read(house.store.current(BUCKET, "large"))
        got = [bytes(await anext(reading))]
        await house.delete("large")

        def since() -> int | None:
            return oldest(house.reads, lambda instance: True)

        await reap(house.catalog, house.blobs, 0.0, since)
        assert not any(house.used(before)), "what was garbage when the read began is no matter to it"
        assert all(house.used(large))
        got += [bytes(piece) async for piece in reading]
        assert b"".join(got) == data
        assert since() is None
        await reap(house.catalog, house.blobs, 0.0, since)
        assert not any(house.used(large))

    play(tmp_path, scene)


def test_what_is_deleted_by_a_commit_that_takes_long_stays_for_reads_that_began_meanwhile(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        data = os.urandom(30 * MIB)
        await house.put("large", data)
        held = Held(house.catalog)
        deleting = asyncio.create_task(Store(held, house.blobs).delete(BUCKET, "large"))  # type: ignore[arg-type]
        await held.asked.wait()
        reading = house.store.read(house.store.current(BUCKET, "large"))
        got = [bytes(await anext(reading))]
        held.go.set()
        await deleting
        await reap(house.catalog, house.blobs, 0.0, lambda: oldest(house.reads, lambda _: True))
        got += [bytes(piece) async for piece in reading]
        assert b"".join(got) == data

    play(tmp_path, scene)


@pytest.mark.parametrize("size", [600_000, 9 * MIB])
def test_a_read_has_the_bytes_that_were_moved_before_it_began_though_they_are_deleted_meanwhile(
    tmp_path: Path, size: int
) -> None:
    async def scene(house: House) -> None:
        await house.put("moved", data := os.urandom(size))
        await house.seal()
        info = house.info(house.blob_of("moved"))
        assert await rewrite(house.catalog, house.blobs, info, unpaced())
        await reap(house.catalog, house.blobs, 0.0)
        assert not any(house.used(info))
        begun = await house.store.begin_read()
        reading = house.store.read(house.store.current(BUCKET, "moved"), begun=begun)
        await house.delete("moved")
        await reap(house.catalog, house.blobs, 0.0, lambda: oldest(house.reads, lambda _: True))
        assert b"".join([bytes(piece) async for piece in reading]) == data

    play(tmp_path, scene)


def test_so_it_has_those_of_an_object_of_many_pieces(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        about = NewUpload(owner=OWNER, initiator=OWNER)
        upload = await house.store.multipart.create(BUCKET, "moved", about)
        bodies = [os.urandom(9000) for _ in range(120)]
        parts = []
        for number, body in enumerate(bodies, 1):
            made = await house.store.multipart.put_part(BUCKET, "moved", upload.id, number, source(body))
            parts.append(CompletedPart(number, made.etag))
        with mock.patch.object(completing, "MIN_PART", 1):
            await house.store.multipart.complete(BUCKET, "moved", upload.id, parts)
        for _ in range(2):
            await house.seal()
            ((blob,),) = house.catalog.read(lambda tx: tx.all("SELECT DISTINCT blob FROM extents"))
            info = house.info(blob)
            assert await rewrite(house.catalog, house.blobs, info, unpaced())
            await reap(house.catalog, house.blobs, 0.0)
            assert not any(house.used(info))
        begun = await house.store.begin_read()
        reading = house.store.read(house.store.current(BUCKET, "moved"), begun=begun)
        got = [bytes(await anext(reading))]
        await house.delete("moved")
        await reap(house.catalog, house.blobs, 0.0, lambda: oldest(house.reads, lambda _: True))
        got += [bytes(piece) async for piece in reading]
        assert b"".join(got) == b"".join(bodies)
        await reap(house.catalog, house.blobs, 0.0, lambda: oldest(house.reads, lambda _: True))
        assert house.catalog.read(lambda tx: tx.all("SELECT * FROM moved")) == [], "nothing is kept for ever"

    play(tmp_path, scene)


def test_a_copy_has_the_bytes_that_its_source_had_when_it_began(tmp_path: Path) -> None:
    """Whatever stands between looking the source up and reading it, such as a keeper of keys."""

    async def scene(house: House) -> None:
        await house.put("source", data := os.urandom(MIB))
        await house.put("other", os.urandom(MIB))

        async def keys(_: Version) -> CopyKeys:
            await house.delete("source")
            for _ in range(2):
                await reap(house.catalog, house.blobs, 0.0, lambda: oldest(house.reads, lambda _: True))
            return CopyKeys()

        other = msgspec.structs.replace(NEW, storage_class="REDUCED_REDUNDANCY")
        await house.store.copy(ObjectName(BUCKET, "source"), BUCKET, "copy", lambda _: other, keys=keys)
        assert await house.get("copy") == data

    play(tmp_path, scene)


def test_a_read_that_was_begun_and_is_not_made_keeps_nothing(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(MIB))
        begun = await house.store.begin_read()
        stream = house.store.read(house.store.current(BUCKET, "object"), begun=begun)
        del begun
        assert oldest(house.reads, lambda _: True)
        del stream  # the client left before anything of it was sent
        assert oldest(house.reads, lambda _: True) is None

    play(tmp_path, scene)


def test_a_read_that_is_given_up_keeps_nothing(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("large", os.urandom(30 * MIB))
        reading = house.store.read(house.store.current(BUCKET, "large"))
        await anext(reading)
        assert oldest(house.reads, lambda instance: instance == house.instance)
        assert oldest(house.reads, lambda instance: False) is None, "the dead read nothing"
        await reading.aclose()  # type: ignore[attr-defined]
        assert oldest(house.reads, lambda instance: True) is None

    play(tmp_path, scene)


@given(st.lists(st.booleans(), max_size=30))
def test_the_oldest_of_the_running_reads_is_told(turns: list[bool]) -> None:
    """True begins a read, False ends the second oldest of those that run, or the only one."""
    clock = iter(range(1, 100))
    reads: list[tuple[int, Read]] = []
    with tempfile.TemporaryDirectory() as name:
        running = Running(Path(name), b"test", lambda: next(clock))
        for number, begins in enumerate(turns):
            if begins:
                reads.append((1 + sum(turns[:number]), running.begin()))
            elif reads:
                reads.pop(min(1, len(reads) - 1))[1].close()
            assert oldest(Path(name), lambda _: True) == min((begun for begun, _ in reads), default=None)
        for _, read in reads:
            read.close()
        assert oldest(Path(name), lambda _: True) is None
        running.close()


@given(st.integers(0, 1 << 50), st.floats(0, 1e6), st.none() | st.integers(0, 1 << 50))
def test_no_read_holds_the_reaper_up_for_ever(age: int, grace: float, begun: int | None) -> None:
    now = 1 << 51
    oldest_read = None if begun is None else now - begun
    due = now - int(grace * 1_000_000) - horizon(now, grace, oldest_read)
    assert due == (0 if begun is None else min(max(begun, 0), LONG))


async def fill(house: House, count: int = 4) -> tuple[bytes, list[str]]:
    """Objects of one sealed blob."""
    keys = [f"key{number}" for number in range(count)]
    for key in keys:
        await house.put(key, os.urandom(600_000))
    blob = house.blob_of(keys[0])
    assert {house.blob_of(key) for key in keys} == {blob}
    await house.seal()
    return blob, keys


def test_a_drive_that_was_away_gives_its_space_back_when_it_returns(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blob, keys = await fill(house)
        info = house.info(blob)
        before = house.used(info)
        drive = house.pool.by_id(info.drives[2])
        assert drive is not None
        await house.away(drive)
        await house.delete(*keys[:3])
        await reap(house.catalog, house.blobs, 0.0)
        await clear(house.catalog, house.pool)
        await house.back(drive)
        used = house.used(info)
        assert used[2] == before[2] > 3 * used[0], "it does not know yet"
        assert await clear(house.catalog, house.pool) == 1
        assert house.used(info) == [used[0]] * 4
        assert await clear(house.catalog, house.pool) == 0
        assert len(await house.get(keys[3], Store(house.catalog, house.fresh()))) == 600_000

    play(tmp_path, scene)


def test_a_drive_that_is_read_only_keeps_no_other_from_giving_back(tmp_path: Path) -> None:
    system = FaultySystem()

    async def scene(house: House) -> None:
        blob, keys = await fill(house)
        info = house.info(blob)
        refusing = sorted(house.pool.drives, key=lambda drive: drive.id or "")[:2]
        stuck = refusing[0]

        def refused(path: str) -> None:
            if any(path.startswith(f"{drive.path}/shards/") for drive in refusing):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            System().unlink(path)

        system.hook("unlink", refused)
        await house.delete(*keys)
        await reap(house.catalog, house.blobs, 0.0)
        del refusing[1]
        await house.pool.probe()
        await clear(house.catalog, house.pool)
        assert [bool(used) for used in house.used(info)] == [name == stuck.id for name in info.drives]
        assert await clear(house.catalog, house.pool) == 0
        system.heal("unlink")
        await house.pool.probe()
        assert await clear(house.catalog, house.pool) == 1
        assert not any(house.used(info))

    play(tmp_path, scene, system=system)


def test_a_blob_that_was_removed_is_removed_from_a_drive_that_was_away(tmp_path: Path) -> None:
    """Although the instance that made it still lives, so that nobody takes the file for an orphan."""

    async def scene(house: House) -> None:
        blob, keys = await fill(house)
        info = house.info(blob)
        drive = house.pool.by_id(info.drives[1])
        assert drive is not None
        await house.away(drive)
        await house.delete(*keys[:2])
        await reap(house.catalog, house.blobs, 0.0)
        await house.delete(*keys[2:])
        await reap(house.catalog, house.blobs, 0.0)
        assert house.catalog.read(lambda tx: repair.blob(tx, blob)) is None
        await house.back(drive)
        assert await clear(house.catalog, house.pool) == 1
        assert not any(house.used(info))

    play(tmp_path, scene)


class Held:
    """A catalog of which a write is asked for, and waits until it may."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def write(self, function: Any) -> Any:
        self.asked.set()
        await self.go.wait()
        return await self._catalog.write(function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)


async def put_late(house: House, *others: str) -> tuple[Held, asyncio.Task[Any], str]:
    """An object in a sealed blob of others, one of which is deleted: durable, and about to be published."""
    for key in others:
        await house.put(key, os.urandom(50_000))
    await house.put("deleted", os.urandom(600_000))
    blob = house.blob_of("deleted")
    held = Held(house.catalog)
    store = Store(held, house.blobs)  # type: ignore[arg-type]
    putting = asyncio.create_task(store.put(BUCKET, "late", source(b"late" * 100_000), NEW))
    await held.asked.wait()
    await house.delete("deleted")
    await house.seal()
    return held, putting, shard_glob(blob)


def shard_glob(blob: bytes) -> str:
    return f"drive?/shards/*/{blob.hex()}.*"


def test_a_blob_stays_while_what_was_appended_to_it_is_about_to_be_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However old it is, and all that was deleted from it: it counts from when it was sealed."""
    hour = 3_600_000_000
    for clock in ("objstore.jobs.reap.now_us", "objstore.store.reports.now_us"):
        monkeypatch.setattr(clock, lambda: now_us() + hour, raising=False)

    async def scene(house: House) -> None:
        held, putting, files = await put_late(house)
        for _ in range(2):
            await reap(house.catalog, house.blobs, 1800.0)
            assert len(list(tmp_path.glob(files))) == 4
            await house.catalog.write(lambda tx: tx.run("UPDATE garbage SET since = 1"))  # it has waited for long
        held.go.set()
        await putting
        assert await house.get("late", Store(house.catalog, house.fresh())) == b"late" * 100_000

    play(tmp_path, scene)


def test_what_is_published_after_a_shard_was_healed_is_healed_there_too(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        held, putting, _ = await put_late(house, "stays")
        blob = house.blob_of("stays")
        house.file(house.info(blob), 1).unlink()
        await house.catalog.write(lambda tx: mark_missing(tx, blob, 1))
        assert (await heal(house.pool, house.catalog, house.blobs)).whole == 1
        held.go.set()
        await putting
        late = house.store.current(BUCKET, "late").extents[0]
        assert house.info(blob).missing == {1: late.offset}
        assert (await heal(house.pool, house.catalog, house.blobs)).whole == 1
        appends = house.catalog.read(lambda tx: repair.appends(tx, blob))
        assert len(appends) == 2 and not await house.blobs.verify_shard(house.info(blob), 1, appends)

    play(tmp_path, scene)


def test_a_heal_that_is_cut_short_is_not_taken_to_have_what_is_published_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a shard that lacks only what came last, and is another file already as the jobs process dies."""

    async def scene(house: House) -> None:
        held, putting, _ = await put_late(house, "stays")
        blob = house.blob_of("stays")
        info = house.info(blob)
        await house.catalog.write(lambda tx: mark_missing(tx, blob, 1, info.length))
        with monkeypatch.context() as dying, pytest.raises(asyncio.CancelledError):
            dying.setattr("objstore.store.repair.healed", mock.Mock(side_effect=asyncio.CancelledError))
            await heal(house.pool, house.catalog, house.blobs)
        held.go.set()
        await putting
        assert not house.info(blob).has(1, house.store.current(BUCKET, "late").extents[0].offset)
        assert (await heal(house.pool, house.catalog, house.blobs)).whole == 1
        appends = house.catalog.read(lambda tx: repair.appends(tx, blob))
        assert len(appends) == 2 and not await house.blobs.verify_shard(house.info(blob), 1, appends)

    play(tmp_path, scene)


def test_what_comes_too_late_to_be_published_is_refused(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        held, putting, files = await put_late(house)
        for _ in range(2):
            await reap(house.catalog, house.blobs, 0.0)
        assert not list(tmp_path.glob(files))
        held.go.set()
        with pytest.raises(NotPublished):
            await putting
        with pytest.raises(NoSuchKey):
            house.store.current(BUCKET, "late")
        await house.put("late", b"late" * 100_000)
        assert await house.get("late", Store(house.catalog, house.fresh())) == b"late" * 100_000

    play(tmp_path, scene)


def test_bytes_that_nobody_published_are_given_back_with_their_blob_open_or_sealed(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("published", os.urandom(50_000))
        info = house.info(house.blob_of("published"))
        writer = house.blobs.writer(2, 600_000)
        await writer.write(os.urandom(600_000))
        await writer.finish(PACKED)  # and whoever wrote it died of something, or could not commit
        await house.seal()
        before = house.used(info)
        await reap(house.catalog, house.blobs, 3600.0)
        assert house.used(info) == before
        await reap(house.catalog, house.blobs, 0.0)
        assert all(now < then / 5 for now, then in zip(house.used(info), before, strict=True))
        assert len(await house.get("published", Store(house.catalog, house.fresh()))) == 50_000

    play(tmp_path, scene)


class Failing(Held):
    """A catalog that commits nothing, or everything, and in either case says that it does not know."""

    def __init__(self, catalog: Catalog, *, commits: bool) -> None:
        super().__init__(catalog)
        self._commits = commits

    async def write(self, function: Any) -> Any:
        if self._commits:
            await self._catalog.write(function)
        raise Undecided("a test")


@pytest.mark.parametrize("commits", [False, True])
def test_a_large_object_of_which_nobody_knows_whether_it_is_published(tmp_path: Path, *, commits: bool) -> None:
    """It is found out as soon as the catalog knows, though its writer lives on."""

    async def scene(house: House) -> None:
        data = os.urandom(5 * MIB)
        failing = Failing(house.catalog, commits=commits)
        store = Store(failing, house.blobs, unpublished=house.reports.unpublished)  # type: ignore[arg-type]
        with pytest.raises(Undecided):
            await store.put(BUCKET, "large", source(data, chunk=MIB), NEW)
        await house.reports.flush()
        await reap(house.catalog, house.blobs, 0.0)
        assert len(list(tmp_path.glob("drive?/shards/*/*"))) == (4 if commits else 0)
        if commits:
            assert await house.get("large") == data

    play(tmp_path, scene)


@pytest.mark.parametrize("commits", [False, True])
@pytest.mark.parametrize("job", ["compaction", "snapshot"])
def test_what_jobs_write_of_which_nobody_knows_whether_it_is_published(
    tmp_path: Path, job: str, *, commits: bool
) -> None:
    """Bytes that are moved, and snapshots of the catalog: files go, or stay, as soon as the catalog knows."""

    async def scene(house: House) -> None:
        data = os.urandom(5 * MIB)
        await house.put("large", data)
        failing: Any = Failing(house.catalog, commits=commits)
        before = {file.name for file in tmp_path.glob("drive?/shards/*/*")}
        with pytest.raises(Undecided):
            if job == "compaction":
                await rewrite(failing, house.blobs, house.info(house.blob_of("large")))
            else:
                await catalog_snapshots.run(failing, house.blobs, Schedule(1e9, 1, 1))
        await house.reports.flush()
        await reap(house.catalog, house.blobs, 0.0)
        after = {file.name for file in tmp_path.glob("drive?/shards/*/*")}
        assert (after == before) != commits
        assert len(after) == (8 if commits and job == "snapshot" else 4)
        assert await house.get("large") == data

    play(tmp_path, scene)


def test_a_write_that_is_given_up_while_a_drive_is_away_leaves_nothing_there(tmp_path: Path) -> None:
    """Although the instance that made it still lives."""

    async def scene(house: House) -> None:
        writer = house.blobs.writer(2, 12 * MIB)
        await writer.write(bytes(9 * MIB))
        drive = house.pool.drives[1]
        await house.away(drive)
        await writer.abort()
        await house.reports.flush()
        await house.back(drive)
        assert len(list(tmp_path.glob("drive?/shards/*/*"))) == 1
        assert await clear(house.catalog, house.pool) == 1
        assert not list(tmp_path.glob("drive?/shards/*/*"))

    play(tmp_path, scene)


@pytest.mark.parametrize("died", [False, True])
def test_what_was_reserved_on_a_drive_that_is_away_when_a_blob_is_sealed_comes_back(
    tmp_path: Path, *, died: bool
) -> None:
    async def scene(house: House) -> None:
        await house.put("key", body := os.urandom(50_000))
        info = house.info(house.blob_of("key"))
        drive = house.pool.by_id(info.drives[1])
        assert drive is not None
        await house.away(drive)
        if died:
            await seal_abandoned(house.catalog, house.blobs, lambda _: False)
        else:
            await house.seal()
        await house.back(drive)
        used = house.used(info)
        assert used[1] > 100 * used[0], "nobody has told it yet"
        assert await clear(house.catalog, house.pool) == 1
        assert house.used(info) == [used[0]] * 4
        assert await house.get("key", Store(house.catalog, house.fresh())) == body

    play(tmp_path, scene)


def test_nothing_is_given_back_of_a_drive_that_is_gone_for_good(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blob, keys = await fill(house)
        info = house.info(blob)
        drive = house.pool.by_id(info.drives[0])
        assert drive is not None
        await house.away(drive)
        await house.delete(keys[0])
        await reap(house.catalog, house.blobs, 0.0)
        drive.path.mkdir()
        await house.pool.probe()
        await house.pool.format_new(house.pool.drives[house.pool.drives.index(drive)])
        await queue_lost(house.pool, house.catalog)
        assert (await heal(house.pool, house.catalog, house.blobs)).whole == 1
        assert house.catalog.read(lambda tx: tx.all("SELECT * FROM leftovers")) == []
        used = house.used(house.info(blob))
        assert used[0] <= used[1], "what is made anew has only what is alive"
        for key in keys[1:]:
            assert len(await house.get(key, Store(house.catalog, house.fresh()))) == 600_000
        await house.catalog.write(
            lambda tx: tx.run("INSERT INTO leftovers VALUES (?, ?, 0, 4096, 4096)", (drive.id or "").encode(), blob)
        )
        await clear(house.catalog, house.pool)
        assert house.catalog.read(lambda tx: tx.all("SELECT * FROM leftovers")) == []

    play(tmp_path, scene)
