"""All that refers to bytes is brought to the parity of today, whatever is asked for and done while the walk runs."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from objstore.blobs.rebuild import Pace, at_once
from objstore.jobs import catalog_snapshots
from objstore.jobs.compact import rewrite
from objstore.jobs.restripe import restripe
from objstore.store import redundancy, restriping
from objstore.store.audit import Audit
from objstore.store.catalog_snapshots import Schedule
from objstore.store.renaming import Renaming
from objstore.store.store import now_us
from objstore.store.types import NewUpload, ObjectName
from tests.jobs.house import BUCKET, NEW, House, play
from tests.store.fakes import OWNER, source

BODIES = {f"key{number}": os.urandom(20_000 + number) for number in range(6)}


def parities(house: House) -> list[int]:
    """The parity that each object has where it is now."""
    versions = [house.store.current("bucket", key) for key in BODIES]
    places = [
        house.catalog.read(lambda tx, version=version: restriping.places(tx, version.extents))  # type: ignore[misc]
        for version in versions
    ]
    return [house.info(place.blob).layout.parity for (place,) in places]


async def walk(house: House, pace: Pace = at_once) -> restriping.Walk | None:
    await restripe(house.pool, house.catalog, house.blobs, {}, lambda: True, pace=pace)
    return house.catalog.read(restriping.standing)


def test_a_walk_that_is_begun_anew_while_it_runs_goes_over_everything_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for key, body in BODIES.items():
            await house.put(key, body)
        await house.seal()
        begun = 1

        async def pace() -> None:
            """Once the first object was written with parity 1, all are to have 2, as the others have still."""
            nonlocal begun
            if begun == 1:
                house.pool.parity, begun = 2, 2
                await house.catalog.write(lambda tx: restriping.start(tx, begun))

        house.pool.parity = 1
        await house.catalog.write(lambda tx: restriping.start(tx, begun))
        stands = await walk(house, pace)
        assert stands is not None and (stands.began_us, stands.seen) == (2, 0)
        assert await walk(house) is None
        assert parities(house) == [2] * 6
        for key, body in BODIES.items():
            assert await house.get(key) == body

    play(tmp_path, scene)


def promised(house: House) -> set[int]:
    """The parities of blobs in which anything is alive; and the catalog agrees with itself."""
    drives = [drive.id for drive in house.pool.drives if drive.id]
    assert list(house.catalog.read(lambda tx: list(Audit(tx).faults()))) == []  # type: ignore[arg-type]
    return {one.parity for one in house.catalog.read(lambda tx: redundancy.promises(tx, drives))}


def once(do: Callable[[], Awaitable[object]]) -> Pace:
    """Do something when the walk has begun to write, and never again."""
    done = False

    async def pace() -> None:
        nonlocal done
        if not done:
            done = True
            await do()

    return pace


def test_all_that_refers_to_bytes_is_brought_to_a_higher_parity(tmp_path: Path) -> None:
    """Objects, noncurrent versions, what a snapshot of a bucket keeps, parts, and snapshots of the catalog."""

    async def scene(house: House) -> None:
        old, new = os.urandom(20_000), os.urandom(20_000)
        house.pool.parity = 1
        await house.put("kept", old)
        await house.store.views.create(BUCKET, "one")
        await house.put("kept", new)
        await house.store.set_versioning(BUCKET, "Enabled")
        await house.put("versions", old)
        await house.put("versions", new)
        upload = await house.store.multipart.create(BUCKET, "upload", NewUpload(owner=OWNER, initiator=OWNER))
        await house.store.multipart.put_part(BUCKET, "upload", upload.id, 1, source(old))
        assert await catalog_snapshots.run(house.catalog, house.blobs, Schedule(1e9, 1, 1)) is not None
        await house.seal()
        assert promised(house) == {1}
        house.pool.parity = 2
        await house.catalog.write(lambda tx: restriping.start(tx, now_us()))
        while await walk(house) is not None:
            pass
        assert promised(house) == {2}
        view = house.store.current(f"{BUCKET}--one--snap", "kept")
        assert b"".join([bytes(piece) async for piece in house.store.read(view)]) == old
        assert await house.get("versions") == new

    play(tmp_path, scene)


def test_what_goes_while_the_walk_runs_does_not_end_it(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        house.pool.parity = 1
        for key, body in BODIES.items():
            await house.put(key, body)
            await house.put(f"{key} small", body[:1000])
        house.pool.parity = 2

        async def pace() -> None:
            """Behind the first row all others are removed."""
            await house.delete(*(f"{key}{suffix}" for key in [*BODIES][1:] for suffix in ("", " small")))

        await house.catalog.write(lambda tx: restriping.start(tx, 1))
        assert await walk(house, pace) is None
        assert await house.get("key0") == BODIES["key0"]

    play(tmp_path, scene)


def test_an_object_that_gets_behind_the_walk_is_met_by_another_one(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        house.pool.parity = 1
        for key in ("m", "z"):
            await house.put(key, os.urandom(5 << 20))
        house.pool.parity = 2
        await house.catalog.write(lambda tx: restriping.start(tx, now_us()))
        renamed = once(lambda: house.store.rename(BUCKET, Renaming("z", "a")))
        while await walk(house, renamed) is not None:
            pass
        assert promised(house) == {2}

    play(tmp_path, scene)


def test_bytes_that_are_compacted_while_they_are_written_anew_are_not_passed_by(tmp_path: Path) -> None:
    """They have their old parity in their new place too; and as another class promises that, no other walk follows."""

    async def scene(house: House) -> None:
        body = os.urandom(100_000)
        house.pool.parity = 1
        await house.put("z", body)
        await house.seal()
        house.pool.parity = 2
        await house.catalog.write(lambda tx: restriping.start(tx, now_us()))
        compacted = once(lambda: rewrite(house.catalog, house.blobs, house.info(house.blob_of("z"))))
        while house.catalog.read(restriping.standing) is not None:
            classes = {"LESS": 1}
            await restripe(house.pool, house.catalog, house.blobs, classes, lambda: True, pace=compacted)
        assert promised(house) == {2}
        assert await house.get("z") == body

    play(tmp_path, scene)


async def share(house: House, body: bytes, storage_class: str) -> None:
    """One append to which versions, what a snapshot keeps, an object that was renamed and parts of an upload refer."""
    of = msgspec.structs.replace(NEW, storage_class=storage_class)
    await house.store.put(BUCKET, "z", source(body), of)
    for key in ("copy", "kept", "old name"):
        await house.store.copy(ObjectName(BUCKET, "z"), BUCKET, key, lambda _: of)
    await house.store.views.create(BUCKET, "one")
    await house.delete("kept")
    await house.store.rename(BUCKET, Renaming("old name", "name"))
    about = NewUpload(owner=OWNER, initiator=OWNER, storage_class=storage_class)
    upload = await house.store.multipart.create(BUCKET, "upload", about)
    for number, span in enumerate([(0, 9000), (9000, 9000)], 1):
        await house.store.multipart.copy_part(BUCKET, "upload", upload.id, number, ObjectName(BUCKET, "z"), span=span)
    assert [place.refs for place in shared(house)] == [7]


def shared(house: House) -> Sequence[restriping.Place]:
    return house.catalog.read(lambda tx: restriping.places(tx, house.store.current(BUCKET, "z").extents))


async def walk_all(house: House) -> None:
    """Walk over everything, in as many goes as it takes, with the store's classes."""
    await house.catalog.write(lambda tx: restriping.start(tx, now_us()))
    while house.catalog.read(restriping.standing) is not None:
        classes = house.store.storage_classes
        await restripe(house.pool, house.catalog, house.blobs, classes, lambda: True, pace=at_once)


@pytest.mark.parametrize("size", [20_000, 5 << 20], ids=["packed", "alone"])
def test_bytes_that_several_refer_to_are_brought_to_a_higher_and_to_a_lower_parity(tmp_path: Path, size: int) -> None:
    async def scene(house: House) -> None:
        body = os.urandom(size)
        house.pool.parity = 1
        await share(house, body, "STANDARD")
        for parity in (2, 1, 0):
            house.pool.parity = parity
            await walk_all(house)
            assert promised(house) == {parity}
            assert [place.refs for place in shared(house)] == [7]
        for key in ("z", "copy", "name"):
            assert await house.get(key) == body
        view = house.store.current(f"{BUCKET}--one--snap", "kept")
        assert b"".join([bytes(piece) async for piece in house.store.read(view)]) == body

    play(tmp_path, scene)


def test_bytes_of_two_classes_have_the_parity_of_the_safer_one(tmp_path: Path) -> None:
    """With parity 1 both promise the same, and a copy of the other class shares the bytes."""

    async def scene(house: House) -> None:
        body = os.urandom(20_000)
        house.pool.parity = 1
        await share(house, body, "REDUCED_REDUNDANCY")
        await house.store.copy(ObjectName(BUCKET, "z"), BUCKET, "standard", lambda _: NEW)
        assert [place.refs for place in shared(house)] == [8]
        for parity in (2, 3, 1):
            house.pool.parity = parity
            await walk_all(house)
            assert promised(house) == {parity}
        house.pool.parity = 2
        await walk_all(house)
        await house.delete("standard")
        await walk_all(house)
        assert promised(house) == {2}, "whoever shares them may be promised more"
        await house.store.views.delete(BUCKET, "one")
        while await house.store.views.purge():
            pass
        await house.delete("copy", "name")
        (upload,) = (await house.store.multipart.list_uploads(BUCKET)).items
        await house.store.multipart.abort(BUCKET, "upload", upload.id)
        await walk_all(house)
        assert promised(house) == {1}
        assert await house.get("z") == body

    play(tmp_path, scene)


@pytest.mark.parametrize("copied", [True, False])
def test_what_several_refer_to_by_the_time_it_is_written_keeps_its_parity(tmp_path: Path, *, copied: bool) -> None:
    """They may be promised more than the one for which it was to be lowered."""

    async def scene(house: House) -> None:
        body = os.urandom(5 << 20)
        await house.put("z", body)
        classes = {"STANDARD": 1, "SAFER": 2}
        await house.catalog.write(lambda tx: restriping.start(tx, now_us()))

        async def meanwhile() -> None:
            if copied:
                await house.store.copy(ObjectName(BUCKET, "z", None), BUCKET, "a", lambda _: NEW)

        pace = once(meanwhile)
        while house.catalog.read(restriping.standing) is not None:
            await restripe(house.pool, house.catalog, house.blobs, classes, lambda: True, pace=pace)
        assert promised(house) == ({2} if copied else {1})
        assert await house.get("a" if copied else "z") == body

    play(tmp_path, scene)
