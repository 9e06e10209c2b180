"""Ellipses name the drives that a person would count."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.drives.expansion import ExpansionError, expand, expand_all


@pytest.mark.parametrize(
    ("argument", "paths"),
    [
        ("/data", ["/data"]),
        ("/mnt/disk{1...4}", ["/mnt/disk1", "/mnt/disk2", "/mnt/disk3", "/mnt/disk4"]),
        ("/mnt/disk{08...11}/x", ["/mnt/disk08/x", "/mnt/disk09/x", "/mnt/disk10/x", "/mnt/disk11/x"]),
        ("/r{1...2}/d{1...2}", ["/r1/d1", "/r1/d2", "/r2/d1", "/r2/d2"]),
        ("/mnt/{a...c}", ["/mnt/a", "/mnt/b", "/mnt/c"]),
        ("/mnt/{9...b}", ["/mnt/9", "/mnt/a", "/mnt/b"]),
        ("/mnt/{3...3}", ["/mnt/3"]),
    ],
)
def test_paths_come_in_reading_order(argument: str, paths: list[str]) -> None:
    assert expand(argument) == paths


@pytest.mark.parametrize(
    "argument",
    [
        "/d{1..4}",
        "/d{1...}",
        "/d{...4}",
        "/d{4...1}",
        "/d{1...4",
        "/d1...4}",
        "/d{{1...4}}",
        "/d{}",
        "/d{1...99999}",
        "/d{x...z}",
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(argument: str) -> None:
    with pytest.raises(ExpansionError) as refused:
        expand(argument)
    assert argument in str(refused.value)


def test_a_folder_named_twice_is_refused() -> None:
    with pytest.raises(ExpansionError, match="/d2 is named twice"):
        expand_all(["/d{1...3}", "/d2"])
    with pytest.raises(ExpansionError):
        expand_all([])
    assert expand_all(["/d{1...2}", "/e"]) == [Path("/d1"), Path("/d2"), Path("/e")]


@given(st.integers(0, 500), st.integers(0, 200), st.integers(1, 5))
def test_every_number_is_named_once_and_padded_alike(start: int, more: int, width: int) -> None:
    first = f"{start:0{width}d}"
    paths = expand(f"/d{{{first}...{start + more}}}")
    assert [int(path[2:]) for path in paths] == list(range(start, start + more + 1))
    if first.startswith("0"):
        assert {len(path[2:]) for path in paths} == {
            max(len(first), len(str(number))) for number in range(start, start + more + 1)
        }
