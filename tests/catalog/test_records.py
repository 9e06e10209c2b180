"""What is packed comes back; what was damaged is noticed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from objstore.catalog import redo
from objstore.catalog.errors import CorruptRecord
from objstore.catalog.records import pack, unpack


class Thing(msgspec.Struct, array_like=True, frozen=True):
    name: str
    data: bytes
    number: int
    more: dict[str, str]
    nothing: float | None


things = st.builds(
    Thing,
    name=st.text(),
    data=st.binary(max_size=300),
    number=st.integers(-(2**63), 2**63 - 1),
    more=st.dictionaries(st.text(), st.text(), max_size=5),
    nothing=st.none() | st.floats(allow_nan=False),
)


@given(things)
def test_a_record_comes_back(thing: Thing) -> None:
    assert unpack(pack(thing), Thing) == thing


@given(things, st.data())
def test_a_flipped_bit_is_noticed(thing: Thing, data: st.DataObject) -> None:
    record = bytearray(pack(thing))
    bit = data.draw(st.integers(0, len(record) * 8 - 1))
    record[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CorruptRecord):
        unpack(bytes(record), Thing)


@given(things, st.data())
def test_a_cut_record_is_noticed(thing: Thing, data: st.DataObject) -> None:
    record = pack(thing)
    with pytest.raises(CorruptRecord):
        unpack(record[: data.draw(st.integers(0, len(record) - 1))], Thing)


def test_a_record_of_another_type_is_noticed() -> None:
    with pytest.raises(CorruptRecord):
        unpack(pack({"a": 1}), Thing)


values = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()


@given(st.lists(st.tuples(st.sampled_from(["A ?", "B", "C ?, ?"]), st.lists(values).map(tuple))))
def test_statements_come_back_from_the_redo_log(statements: list[redo.Statement]) -> None:
    assert redo.unpack(redo.pack(statements, 7), lambda *_: b"") == (statements, 7)


@given(st.lists(st.binary(max_size=3 * redo.REFERRED)))
def test_payloads_are_referred_to_by_their_hash(payloads: list[bytes]) -> None:
    statements: list[redo.Statement] = [(redo.ADD_PAYLOAD, (number, data)) for number, data in enumerate(payloads)]
    asked: dict[int, bytes] = {}

    def payload(number: int, digest: bytes) -> bytes:
        asked[number] = digest
        return payloads[number]

    packed = redo.pack(statements, 7)
    assert redo.unpack(packed, payload) == (statements, 7)
    assert asked == {n: xxh3_128_digest(data) for n, data in enumerate(payloads) if len(data) >= redo.REFERRED}
    assert not any(data in packed for data in payloads if len(data) >= redo.REFERRED)


@given(st.lists(st.tuples(st.binary(), st.integers(0, 2**40), st.integers(0, 2**40)), min_size=2, max_size=2))
def test_chains_of_other_histories_differ(both: list[tuple[bytes, int, int]]) -> None:
    one, other = (redo.extend(redo.ORIGIN, seq, epoch, packed) for packed, seq, epoch in both)
    assert (one == other) == (both[0] == both[1])
