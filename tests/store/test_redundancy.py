"""What is below its promise is counted from rows, exactly, and past all that is well."""

from __future__ import annotations

import msgspec

from objstore.store import extents, redundancy
from objstore.store.redundancy import Below
from tests.store.fakes import INSTANCE, MemoryCatalog, record
from tests.store.test_repair import info, written

DRIVES = {"a", "b", "c"}


def blob(number: int) -> bytes:
    return number.to_bytes(6, "big") + INSTANCE + b"random"


def test_blobs_shards_and_objects_are_told_of() -> None:
    tx = MemoryCatalog()
    for number in range(3):
        for offset in (4096, 8192, 12288):
            record(tx, written(offset, info(blob(number))))
    assert redundancy.below(tx, DRIVES) == Below(0, 0, 0)
    extents.mark_missing(tx, blob(0), 1, 8192)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 2), "what came before the gap is whole"
    extents.acquire(tx, written(8192, info(blob(0))).extents)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 3), "a copy is an object too"
    assert redundancy.to_heal(tx, DRIVES) == (1, 20_480)
    assert redundancy.below(tx, {"a", "c"}) == Below(3, 3, 10), "a shard that is missing on a drive that is away"
    assert redundancy.below(tx, {"b", "c"}) == Below(3, 4, 10)
    assert redundancy.to_heal(tx, {"b", "c"}) == (4, 4 * 20_480)


def test_blobs_of_each_parity_are_counted_with_how_many_drives_may_fail() -> None:
    tx = MemoryCatalog()
    assert redundancy.promises(tx, DRIVES) == []
    for number in range(2):
        for offset in (4096, 8192):
            record(tx, written(offset, info(blob(number))))
    wide = msgspec.structs.replace(
        info(blob(2), sealed=False), geometry=(2, 2, 1 << 20, "isal"), drives=("a", "b", "c", "d")
    )
    record(tx, written(4096, wide))
    extents.discard(tx, written(4096, info(blob(3))), 1)  # nothing was ever alive in it
    there = {*DRIVES, "d"}
    assert redundancy.promises(tx, there) == [(1, 2, 1), (2, 1, 2)]
    assert redundancy.promises(tx, DRIVES) == [(1, 2, 1), (2, 1, 1)]
    extents.mark_missing(tx, blob(0), 1, 8192)
    assert redundancy.promises(tx, there) == [(1, 2, 0), (2, 1, 2)]
    assert redundancy.promises(tx, {"b", "c"}) == [(1, 2, -1), (2, 1, 0)]
    extents.release(tx, written(8192, info(blob(0))).extents)
    assert redundancy.promises(tx, there) == [(1, 2, 1), (2, 1, 2)], "what it lacks is of nothing that is alive"
    assert redundancy.below(tx, there) == Below(0, 0, 0)
    for offset in (4096, 8192):
        assert extents.move(tx, blob(1), offset, written(offset + 4096, wide), 1)
    assert redundancy.promises(tx, there) == [(1, 1, 1), (2, 1, 2)]
    extents.release(tx, written(4096, info(blob(0))).extents)
    assert redundancy.promises(tx, there) == [(2, 1, 2)]


def steps(healthy: int) -> int:
    """Instructions of SQLite's machine, in tens, for all questions beside so many healthy blobs."""
    tx, count = MemoryCatalog(), 0
    for number in range(healthy):
        record(tx, written(4096, info(blob(number))))
    extents.mark_missing(tx, blob(7), 1)

    def step() -> bool:
        nonlocal count
        count += 1
        return False

    tx.db.set_progress_handler(step, 10)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 1)
    assert redundancy.promises(tx, DRIVES) == [(1, healthy, 0)]
    assert redundancy.to_heal(tx, DRIVES) == (1, 20_480)
    return count


def test_it_costs_what_is_missing_and_not_what_is_stored() -> None:
    assert steps(1_000) == steps(10)
