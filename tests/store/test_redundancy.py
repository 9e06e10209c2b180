"""What is below its promise is counted from rows, exactly, and past all that is well."""

from __future__ import annotations

from objstore.store import extents, redundancy
from objstore.store.redundancy import Below
from tests.store.fakes import INSTANCE, MemoryCatalog
from tests.store.test_repair import info, written

DRIVES = {"a", "b", "c"}


def blob(number: int) -> bytes:
    return number.to_bytes(6, "big") + INSTANCE + b"random"


def test_blobs_shards_and_objects_are_told_of() -> None:
    tx = MemoryCatalog()
    for number in range(3):
        for offset in (4096, 8192, 12288):
            extents.record(tx, written(offset, info(blob(number))))
    assert redundancy.below(tx, DRIVES) == Below(0, 0, 0, 0)
    extents.mark_missing(tx, blob(0), 1, 8192)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 1, 2), "what came before the gap is whole"
    extents.acquire(tx, written(8192, info(blob(0))).extents)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 1, 3), "a copy is an object too"
    assert redundancy.to_heal(tx, DRIVES) == (1, 20_480)
    assert redundancy.below(tx, {"a", "c"}) == Below(3, 3, 1, 10), "a shard that is missing on a drive that is away"
    assert redundancy.below(tx, {"b", "c"}) == Below(3, 4, 2, 10)
    assert redundancy.to_heal(tx, {"b", "c"}) == (4, 4 * 20_480)


def steps(healthy: int) -> int:
    """Instructions of SQLite's machine, in tens, for both questions beside so many healthy blobs."""
    tx, count = MemoryCatalog(), 0
    for number in range(healthy):
        extents.record(tx, written(4096, info(blob(number))))
    extents.mark_missing(tx, blob(7), 1)

    def step() -> bool:
        nonlocal count
        count += 1
        return False

    tx.db.set_progress_handler(step, 10)
    assert redundancy.below(tx, DRIVES) == Below(1, 1, 1, 1)
    assert redundancy.to_heal(tx, DRIVES) == (1, 20_480)
    return count


def test_it_costs_what_is_missing_and_not_what_is_stored() -> None:
    assert steps(1_000) == steps(10)
