"""The queues of the jobs are rows: what is missing, what is garbage, what is open."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from objstore.blobs.errors import NotPublished
from objstore.blobs.types import BlobInfo, Extent, Span, Written
from objstore.store import extents, leftovers, membership, repair, settling
from objstore.store.membership import Course, Stage
from tests.catalog.deployment import Deployment
from tests.catalog.test_contradictions import alter
from tests.store.fakes import INSTANCE, MemoryCatalog, record

BLOB = b"\0" * 5 + b"\1" + INSTANCE + b"random"
OTHER = b"\0" * 5 + b"\2" + b"dead" + b"random"
GEOMETRY = (2, 1, 1 << 20, "isal")


def info(blob: bytes = BLOB, *, sealed: bool = True, length: int = 20_480, **missing: int) -> BlobInfo:
    return BlobInfo(blob, GEOMETRY, ("a", "b", "c"), {int(k[1:]): v for k, v in missing.items()}, sealed, length)


def written(offset: int, known: BlobInfo) -> Written:
    return Written((Extent(known.id, offset, 64, 10, 0, 10),), (known,), (Span(known.id, offset, 4096),))


def see(tx: MemoryCatalog, now_us: int) -> None:
    """As the reaper sees what is garbage."""
    repair.seen(tx, repair.unseen(tx), now_us)


def test_the_lowest_offset_missing_stays_until_the_shard_is_healed() -> None:
    tx = MemoryCatalog()
    record(tx, written(4096, info(sealed=False, s1=4096)))
    assert repair.missing_shards(tx) == [], "an open blob would lack more at once"
    record(tx, written(8192, info(s1=8192)))
    assert repair.missing_shards(tx) == [repair.MissingShard(BLOB, 1, "b", 4096)]
    assert not extents.mark_missing(tx, BLOB, 1, 8192)
    assert extents.mark_missing(tx, BLOB, 1)
    found = repair.blob(tx, BLOB)
    assert found is not None and found.missing == {1: 0} and found.sealed
    assert repair.appends(tx, BLOB) == [(4096, 64, 10), (8192, 64, 10)]
    assert not repair.healed(tx, BLOB, 1, "d", [4096]), "an append came that the healed shard has not"
    assert repair.healed(tx, BLOB, 1, "d", [4096, 8192])
    found = repair.blob(tx, BLOB)
    assert found is not None and found.drives == ("a", "d", "c") and not found.missing
    assert repair.missing_shards(tx) == [] and repair.blob(tx, OTHER) is None


def test_a_shard_that_comes_back_to_a_drive_is_not_what_was_left_over_there() -> None:
    tx = MemoryCatalog()
    record(tx, written(4096, info()))
    assert repair.relocated(tx, info(), 1, "d", [4096])
    assert leftovers.on(tx, "b") == [leftovers.Leftover(BLOB, 1, [])]
    assert extents.mark_missing(tx, BLOB, 1)
    assert repair.healed(tx, BLOB, 1, "b", [4096])
    assert leftovers.on(tx, "b") == []


@pytest.mark.parametrize("moved", [False, True])
def test_an_old_page_makes_no_shard_count_as_whole(tmp_path: Path, moved: bool) -> None:
    """The leader does not see an append that the other mirrors have."""
    deployment = Deployment(tmp_path, 4)
    known, late = info(), Written((Extent(BLOB, 8192, 64, 10, 0, 10),), (), (Span(BLOB, 8192, 4096),))
    with deployment.running():
        deployment.write(lambda tx: extents.record(tx, written(4096, known)))
        deployment.write(lambda tx: extents.record(tx, late))
        alter(deployment, 0, "DELETE FROM extents WHERE offset = 8192")
        if moved:
            assert not deployment.write(lambda tx: repair.relocated(tx, known, 1, "d", [4096]))
        else:
            deployment.write(lambda tx: extents.mark_missing(tx, BLOB, 1))
            assert not deployment.write(lambda tx: repair.healed(tx, BLOB, 1, "b", [4096]))
        assert 0 not in deployment.members()
        found = deployment.catalog.read(lambda tx: repair.blob(tx, BLOB))
        assert found is not None and found.drives == known.drives
        assert found.missing == ({} if moved else {1: 0})


def test_a_lost_drive_is_queued_a_piece_at_a_time() -> None:
    tx = MemoryCatalog()
    for blob in (BLOB, OTHER):
        record(tx, written(4096, info(blob)))
    assert repair.shards_on(tx, "b") == [(BLOB, 1), (OTHER, 1)]
    after = repair.drive_lost(tx, "b", limit=1)
    assert after == BLOB
    assert repair.drive_lost(tx, "b", after, limit=2) is None
    assert [(one.blob, one.shard, one.missing) for one in repair.missing_shards(tx)] == [(BLOB, 1, 0), (OTHER, 1, 0)]
    assert [one.blob for one in repair.missing_shards(tx, (BLOB, 1))] == [OTHER]


def test_open_blobs_of_the_dead_are_sealed_at_their_end() -> None:
    tx = MemoryCatalog()
    for blob in (BLOB, OTHER):
        record(tx, written(8192, info(blob, sealed=False)))
    assert settling.open_blobs(tx, [INSTANCE]) == [OTHER]
    assert settling.end_of(tx, OTHER) == 12_288
    assert settling.gaps(tx, OTHER, 4096, 16_384) == [(OTHER, 4096, 4096), (OTHER, 12_288, 4096)]
    settling.seal(tx, OTHER, 7)
    assert settling.open_blobs(tx, [INSTANCE]) == []


def test_garbage_is_due_after_its_grace_and_a_dead_blob_goes_whole() -> None:
    tx = MemoryCatalog()
    one, two = written(4096, info()), written(8192, info())
    record(tx, one)
    record(tx, two)
    extents.acquire(tx, one.extents)
    extents.release(tx, one.extents)
    assert repair.garbage_due(tx, 100) == {}, "another refers to it"
    extents.release(tx, one.extents)
    assert repair.garbage_due(tx, 100) == {}, "nobody has seen yet that it is"
    see(tx, 2)
    assert repair.garbage_due(tx, 2) == {} and repair.garbage_due(tx, 3) == {BLOB: [(4096, 4096)]}
    assert repair.alive(tx, BLOB) and not repair.removable(tx, BLOB, 100) and not repair.removed(tx, info())
    extents.release(tx, two.extents)
    assert not repair.removable(tx, BLOB, 100)
    see(tx, 50)
    assert not repair.removable(tx, BLOB, 50) and repair.removable(tx, BLOB, 51)
    repair.punched(tx, BLOB, [(4096, 4096), (8192, 4096)])
    assert repair.garbage_due(tx, 100) == {}
    assert not repair.removed(tx, msgspec.structs.replace(info(), drives=("a", "b", "d"))), (
        "a shard was moved meanwhile"
    )
    assert repair.removed(tx, info())
    assert repair.blob(tx, BLOB) is None and repair.blob_ids(tx) == []


def test_what_was_not_published_when_its_blob_is_settled_is_garbage_and_stays_so() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    early, late, never = (written(offset, info(sealed=False)) for offset in (4096, 8192, 12_288))
    extents.record(tx, early)
    extents.seal(tx, info(length=16_384), 7)
    extents.seal(tx, info(length=4096), 9)
    assert settling.due(tx, 7) == [] and settling.due(tx, 8) == [BLOB], "it is told twice of some"
    extents.release(tx, early.extents)
    see(tx, 8)
    assert not repair.removable(tx, BLOB, 100), "something may be about to be published"
    extents.record(tx, late)
    settling.settle(tx, BLOB)
    assert settling.due(tx, 100) == []
    assert repair.garbage_due(tx, 8) == {BLOB: [(12_288, 4096)]}
    with pytest.raises(NotPublished):
        extents.record(tx, never)
    extents.discard(tx, never, 10)
    assert repair.garbage_due(tx, 100) == {BLOB: [(12_288, 4096), (4096, 4096)]}
    extents.release(tx, late.extents)
    see(tx, 10)
    assert repair.removable(tx, BLOB, 11) and repair.removed(tx, info())
    with pytest.raises(NotPublished):
        extents.record(tx, never)
    extents.discard(tx, never, 12)
    assert repair.blob(tx, BLOB) is None and repair.garbage_due(tx, 100) == {}


def test_a_shard_that_was_made_anew_lacks_what_is_published_later() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    early, late = (written(offset, info(sealed=False)) for offset in (4096, 8192))
    extents.record(tx, early)
    extents.seal(tx, info(s1=12_288), 7)
    assert repair.healed(tx, BLOB, 1, "b", [4096])
    extents.record(tx, late)
    found = repair.blob(tx, BLOB)
    assert found is not None and found.missing == {1: 8192}
    extents.mark_missing(tx, BLOB, 1, 12_288)
    assert not repair.healed(tx, BLOB, 1, "b", [4096])
    found = repair.blob(tx, BLOB)
    assert found is not None and found.missing == {1: 0}, "the file is another one already"


def test_what_too_few_shards_have_by_now_is_not_published() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    early, late = (written(offset, info(sealed=False)) for offset in (4096, 8192))
    extents.record(tx, early)
    extents.seal(tx, info(), 7)
    for shard, drive in enumerate("de"):
        assert repair.relocated(tx, repair.blob(tx, BLOB) or info(), shard, drive, [4096])
    with pytest.raises(NotPublished):
        extents.record(tx, late)


@pytest.mark.parametrize("alone", [True, False])
def test_what_is_published_when_drives_have_left_is_not_on_them(*, alone: bool) -> None:
    def leave(*drives: str) -> MemoryCatalog:
        tx = MemoryCatalog()
        if not alone:
            extents.enter(tx, info(sealed=False))
            extents.seal(tx, info(), 7)
        for drive in drives:
            membership.put(tx, drive, Course(f"/{drive}", Stage.REMOVED, 8))
        return tx

    tx = leave("a")
    extents.record(tx, written(4096, info(sealed=alone)))
    found = repair.blob(tx, BLOB)
    assert found is not None and list(found.missing) == [0]
    tx = leave("a", "c")
    with pytest.raises(NotPublished):
        extents.record(tx, written(4096, info(sealed=alone)))


def test_what_is_left_over_of_another_shard_stays_so_when_the_blob_goes() -> None:
    tx = MemoryCatalog()
    record(tx, written(4096, info()))
    assert repair.relocated(tx, info(), 1, "d", [4096])
    known = repair.blob(tx, BLOB)
    assert known is not None
    assert repair.relocated(tx, known, 2, "b", [4096]), "where its first one was before, and may still be"
    extents.release(tx, written(4096, info()).extents)
    found = repair.blob(tx, BLOB)
    assert found is not None and repair.removed(tx, found)
    assert leftovers.on(tx, "b") == [leftovers.Leftover(BLOB, 1, [])]


def test_a_blob_of_which_nothing_was_published_is_left_over_when_it_is_settled() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    extents.seal(tx, info(length=4096), 7)
    settling.settle(tx, BLOB)
    assert repair.blob(tx, BLOB) is None
    assert [leftovers.on(tx, drive) for drive in ("a", "c")] == [
        [leftovers.Leftover(BLOB, 0, [])],
        [leftovers.Leftover(BLOB, 2, [])],
    ]


def test_two_appends_to_one_blob_that_are_not_published_are_garbage() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    one, two = (written(offset, info(sealed=False)) for offset in (4096, 8192))
    joined = Written(one.extents + two.extents, one.blobs + two.blobs, one.spans + two.spans)
    extents.discard(tx, joined, 7)
    assert repair.garbage_due(tx, 8) == {BLOB: [(4096, 4096), (8192, 4096)]}


def test_what_is_never_published_is_garbage_at_once() -> None:
    tx = MemoryCatalog()
    extents.enter(tx, info(sealed=False))
    extents.discard(tx, written(4096, info(sealed=False, s2=4096)), 7)
    assert repair.garbage_due(tx, 8) == {BLOB: [(4096, 4096)]}
    found = repair.blob(tx, BLOB)
    assert found is not None and found.missing == {2: 4096}
    assert repair.missing_shards(tx, sealed=False) == [], "nothing of it is worth healing"
    assert repair.counters(tx).garbage_bytes == 4096
