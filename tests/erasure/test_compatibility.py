"""What is on drives today stays readable for ever: the bytes of every format are pinned here."""

import sys
from collections.abc import Iterator
from hashlib import sha256

import pytest

import erasure
from erasure import CodecUnavailable, Layout
from erasure.codecs.isal import Isal
from tests.erasure.strategies import append

FRAMES = {
    ("isal", 1, 2): "a69055515b9f5b5c325969ba755ca09d6d11e471ae8216332ccbd5da29eda655",
    ("isal", 3, 2): "8b007dba5b7c8598bcdafb3327edb9592e77db2142f625508919b6fd626a2509",
    ("isal", 4, 2): "358514f5e83fe21af64297c74f4133fdf5fe37890ebb9b00a3764b8a5178a3ee",
    ("zfec", 1, 2): "a69055515b9f5b5c325969ba755ca09d6d11e471ae8216332ccbd5da29eda655",
    ("zfec", 3, 2): "340ad85bf33f384a3faef5ca3ed3ae525e58b467b3e9f061d6e3150d067b99b9",
    ("zfec", 4, 2): "d1014053daef1625495cd43a170003728009ba6976759f7b4f9bfc18bdaa00b3",
}


@pytest.mark.parametrize(("codec", "data", "parity"), FRAMES)
def test_the_frames_of_a_codec_never_change(codec: str, data: int, parity: int) -> None:
    source = bytes(at * 7 % 251 for at in range(2345))
    written = append(Layout(data, parity, 1000, codec), source)
    assert sha256(b"".join(written.files)).hexdigest() == FRAMES[codec, data, parity]


def test_the_header_never_changes() -> None:
    header = erasure.pack_header(bytes(range(16)), 3, Layout(4, 2))
    assert sha256(header).hexdigest() == "e759c1a72eb679b5995838fd0e82b6ea46647c0363a82175569eccb4f754545b"
    assert Layout(4, 2).pack().hex() == "04020100001000"


@pytest.fixture
def without_pyeclib(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine where pyeclib has no wheel."""
    monkeypatch.delitem(sys.modules, Isal.__module__)
    monkeypatch.setitem(sys.modules, "pyeclib.ec_iface", None)
    erasure.codec.cache_clear()
    yield
    erasure.codec.cache_clear()


def test_isal_is_the_choice_where_it_loads() -> None:
    assert erasure.default_codec() == "isal"


@pytest.mark.usefixtures("without_pyeclib")
def test_zfec_is_the_choice_where_pyeclib_is_missing() -> None:
    assert erasure.default_codec() == "zfec"
    with pytest.raises(CodecUnavailable, match="isal needs a library"):
        erasure.encode(Layout(2, 1), bytes(16), 0, b"bytes")


@pytest.mark.usefixtures("without_pyeclib")
def test_replicas_and_plain_stripes_need_no_library() -> None:
    for layout in (Layout(1, 2, 4), Layout(3, 0, 4)):
        written = append(layout, b"no codec")
        assert written.read(erasure.plan(layout, 8, 0, 8), range(layout.data)) == b"no codec"
