"""Where a new blob goes: the layout, the drives, the names."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.blobs.errors import NotEnoughDrives, RecordCorrupt
from objstore.blobs.geometry import choose_layout, reduced_parity, write_quorum
from objstore.blobs.ids import created_ms, instance_of, new_blob_id, new_instance
from objstore.blobs.placement import place, roomy
from objstore.blobs.records import Record, pack_record, placed, unpack_record
from objstore.drives.space import Usage


@dataclass(frozen=True)
class Disk:
    name: int
    usage: Usage


@pytest.mark.parametrize(
    ("drives", "parity", "expected"),
    [(1, 0, "1+0"), (2, 1, "1+1"), (4, 2, "2+2"), (3, 2, "1+2"), (8, 4, "4+4"), (5, 4, "1+4"), (40, 4, "12+4")],
)
def test_a_new_blob_is_as_wide_as_the_drives_allow(drives: int, parity: int, expected: str) -> None:
    assert str(choose_layout(drives, parity)) == expected


@given(st.integers(0, 40), st.integers(0, 8))
def test_parity_is_never_less_than_promised(drives: int, parity: int) -> None:
    if drives <= parity:
        with pytest.raises(NotEnoughDrives):
            choose_layout(drives, parity)
        return
    layout = choose_layout(drives, parity)
    assert layout.parity == parity
    assert layout.data <= write_quorum(layout) <= layout.width <= min(drives, 16)
    assert write_quorum(layout) > layout.parity or layout.data < layout.parity


def test_reduced_redundancy_keeps_one_parity() -> None:
    assert [reduced_parity(parity) for parity in (0, 1, 2, 4)] == [0, 1, 1, 3]


@given(st.integers(1, 16), st.integers(0, 10), st.integers(0))
def test_shards_lie_on_distinct_drives(width: int, more: int, seed: int) -> None:
    disks = [Disk(name, Usage(1 << 40, 0, 1 << (20 + name))) for name in range(width + more)]
    placed = place(disks, width, random.Random(seed))
    assert len(placed) == width == len({disk.name for disk in placed})


def test_emptier_drives_are_chosen_more_often() -> None:
    disks = [Disk(0, Usage(1 << 40, 0, 100 << 30)), *(Disk(n, Usage(1 << 40, 0, 10 << 30)) for n in range(1, 6))]
    rng = random.Random(1)
    chosen = [disk.name for _ in range(500) for disk in place(disks, 2, rng)]
    assert chosen.count(0) > 2 * max(chosen.count(name) for name in range(1, 6))
    assert all(chosen.count(name) for name in range(1, 6))


def test_a_drive_without_room_is_not_chosen() -> None:
    full, small, wide = (Usage(1 << 40, 0, 1 << 20), Usage(40 << 20, 0, 30 << 20), Usage(1 << 40, 0, 1 << 40))
    disks = [Disk(0, full), Disk(1, small), Disk(2, wide)]
    assert [disk.name for disk in roomy(disks)] == [1, 2]
    assert [disk.name for disk in roomy(disks, 100 << 20)] == [2]


def test_an_id_tells_its_instance_and_its_age() -> None:
    instance = new_instance()
    first, second = new_blob_id(instance), new_blob_id(instance)
    assert instance_of(first) == instance == instance_of(second)
    assert len(first) == 16 and first != second
    assert created_ms(first) <= created_ms(second)


BLOB = bytes(range(16))
records = st.builds(
    Record,
    st.text(max_size=63),
    st.binary(max_size=1024),
    st.text(max_size=32),
    st.integers(0, 1 << 50),
    st.text(max_size=40),
)


@given(records, st.binary(max_size=100))
def test_a_record_describes_itself(record: Record, behind: bytes) -> None:
    packed = pack_record(record)
    assert len(packed) % 64 == 0 and len(packed) <= 4096
    assert unpack_record(placed(packed, BLOB, 4096) + behind, BLOB, 4096) == record


@given(records, st.data())
def test_a_damaged_record_is_noticed(record: Record, data: st.DataObject) -> None:
    packed = bytearray(placed(pack_record(record), BLOB, 4096))
    used = 16 + int.from_bytes(packed[4:8], "big")
    packed[data.draw(st.integers(0, used - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(RecordCorrupt):
        unpack_record(packed, BLOB, 4096)


@given(records, st.sampled_from([(BLOB, 8192), (BLOB[::-1], 4096)]))
def test_a_record_of_another_place_is_none(record: Record, place: tuple[bytes, int]) -> None:
    with pytest.raises(RecordCorrupt):
        unpack_record(placed(pack_record(record), BLOB, 4096), *place)
