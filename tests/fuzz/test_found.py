"""What fuzzing once found stays mended, and every seed of every target is still taken: without the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

FOUND = Path(__file__).parent / "found"


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_input_is_taken(name: str) -> None:
    target = TARGETS[name]
    found = [path.read_bytes() for path in sorted((FOUND / name).glob("*"))]
    for data in (*target.seeds, *found):
        assert len(data) <= target.longest
        target.run(data)


def test_what_is_kept_belongs_to_a_target() -> None:
    assert {path.name for path in FOUND.glob("*")} <= TARGETS.keys()
