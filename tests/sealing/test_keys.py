"""Keys under keys: what opens, what does not, and what is never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.sealing import KMS, S3, DataKey, Encryption, Seal, SealBroken, Stream, WrongKey
from objstore.sealing.wrapping import unwrap, wrap

KEYS = st.binary(min_size=32, max_size=32)


@given(KEYS, KEYS, st.binary(max_size=60))
def test_a_wrapped_key_opens_under_its_key_and_context_only(key: bytes, under: bytes, context: bytes) -> None:
    wrapped = wrap(key, under, context)
    assert unwrap(wrapped, under, context) == key
    assert key not in wrapped and under not in wrapped
    with pytest.raises(SealBroken):
        unwrap(wrapped, under, context + b"x")
    with pytest.raises(WrongKey):
        unwrap(wrapped, bytes(32) if under != bytes(32) else bytes([1]) * 32, context)


def test_every_altered_byte_of_a_wrapped_key_is_noticed() -> None:
    under = bytes(range(32))
    wrapped = wrap(bytes(32), under, b"context")
    for at in range(len(wrapped)):
        altered = bytearray(wrapped)
        altered[at] ^= 0x40
        with pytest.raises((SealBroken, WrongKey)):
            unwrap(bytes(altered), under, b"context")


def test_the_same_key_wrapped_twice_differs_everywhere() -> None:
    under = bytes(range(32))
    one, two = wrap(bytes(32), under, b""), wrap(bytes(32), under, b"")
    assert one[1:17] != two[1:17] and one[17:33] != two[17:33] and one[33:] != two[33:]


@given(st.text(max_size=80))
def test_a_hidden_text_comes_back_with_the_key_alone(text: str) -> None:
    key = DataKey.new()
    hidden = key.hide(text)
    assert key.reveal(hidden) == text
    assert key.hide(text) == hidden, "a transaction that runs again writes the same"
    with pytest.raises(SealBroken):
        DataKey.new().reveal(hidden)
    with pytest.raises(SealBroken):
        key.reveal("A" + hidden[1:] if hidden[0] != "A" else "B" + hidden[1:])


def test_streams_that_were_dropped_moved_or_cut_are_noticed() -> None:
    key = DataKey.new()
    streams = [Stream(key.new_stream()[1], size) for size in (5, 7, 9)]
    record = Encryption(S3, b"").of(key, streams)
    record.check(key)
    for altered in (streams[:2], streams[::-1], [*streams[:2], Stream(streams[2].key, 8)], [*streams, streams[0]], []):
        with pytest.raises(SealBroken):
            Encryption(S3, b"", streams=tuple(altered), proof=record.proof).check(key)


def test_a_stream_key_of_another_object_does_not_unwrap() -> None:
    with pytest.raises(SealBroken):
        DataKey.new().unwrap(DataKey.new().new_stream()[1])


def test_no_key_is_shown() -> None:
    key = DataKey.new()
    for shown in (repr(key), str(key), repr(Seal(key, Encryption(KMS, b"")))):
        assert key.secret.hex() not in shown and repr(key.secret) not in shown
