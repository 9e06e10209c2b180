"""Ranges: what is understood, what is ignored, what cannot be had."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.errors import AwsError
from objstore.s3 import ranges


@pytest.mark.parametrize(
    ("header", "size", "span"),
    [
        ("bytes=4-7", 11, (4, 4)),
        ("bytes=4-", 11, (4, 7)),
        ("bytes=-7", 11, (4, 7)),
        ("bytes=-100", 11, (0, 11)),
        ("bytes=0-0", 11, (0, 1)),
        ("bytes=10-10", 11, (10, 1)),
        ("bytes=5-1000", 11, (5, 6)),
        ("Bytes = 4 - 7", 11, (4, 4)),
    ],
)
def test_a_range_is_cut_to_what_is_there(header, size, span):
    assert ranges.parse(header, size) == span


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=7-4", "bytes=0-1,3-4", "bytes=a-b", "chars=0-1", "0-1", "bytes=--1",
     "bytes=1-2-3", "bytes=" + "9" * 20 + "-", "bytes=٣-٤"],
)  # fmt: skip
def test_what_is_not_understood_is_ignored(header):
    assert ranges.parse(header, 11) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=40-50", 11), ("bytes=11-", 11), ("bytes=-0", 11), ("bytes=0-0", 0), ("bytes=-5", 0)]
)
def test_what_is_not_there_cannot_be_had(header, size):
    with pytest.raises(AwsError) as caught:
        ranges.parse(header, size)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.detail == {"RangeRequested": header, "ActualObjectSize": str(size)}


@given(st.integers(0, 40), st.none() | st.integers(0, 40), st.none() | st.integers(0, 40))
def test_a_range_takes_the_same_bytes_as_a_slice(size, first, last):
    data = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if first is None:
        expected = data[-last:] if last else b""
    else:
        expected = data[first : None if last is None else last + 1]
    ignored = (first is None and last is None) or (first is not None and last is not None and last < first)
    try:
        span = ranges.parse(header, size)
    except AwsError:
        assert not expected and not ignored
        return
    if span is None:
        assert ignored
    else:
        assert data[span[0] : span[0] + span[1]] == expected
        assert ranges.content_range(span, size) == f"bytes {span[0]}-{span[0] + len(expected) - 1}/{size}"


def test_the_range_of_a_copy_source_is_strict():
    assert ranges.parse_copy("bytes=0-21") == (0, 22)
    for header in ("0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=3-2"):
        with pytest.raises(AwsError) as caught:
            ranges.parse_copy(header)
        assert caught.value.code == "InvalidArgument"
