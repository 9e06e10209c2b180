"""A plan asks for nothing that a store does not promise to bear, and is the same for the same seed."""

from __future__ import annotations

import pytest

from tests.torture.plan import plan


@pytest.mark.parametrize("seed", range(40))
def test_no_more_drives_come_to_harm_than_any_byte_bears(seed: int) -> None:
    run = plan(seed)
    for number in range(12):
        now = run.round(number)
        parities = [now.parity, *(int(one.what.split()[1]) for one in now.moves if one.what.startswith("parity"))]
        assert len(now.victims) <= min(parities) and max(parities) <= run.drives // 2
        assert {one.drive for one in (*now.actions, *now.at_rest)} - {None} <= set(now.victims)
        assert now == plan(seed).round(number)
        emptied = {one.drive for one in now.actions if one.what == "put back empty"}
        assert not any(one.drive in emptied and one.what in ("rot", "old", "emptied") for one in now.at_rest)
        leaving = {one.drive for one in now.moves if one.what in ("replace", "add", "let go")}
        assert len(leaving) <= 1 and not leaving & set(now.victims)


def test_a_plan_has_bytes_moved_in_every_round_and_drives_in_many() -> None:
    rounds = [plan(seed).round(number) for seed in range(40) for number in range(4)]
    assert all(any(one.what == "restripe" for one in now.moves) for now in rounds)
    for what in ("parity", "drain", "keep", "replace", "add", "let go", "scrub", "verify", "snapshot", "rotate"):
        assert sum(any(one.what.startswith(what) for one in now.moves) for now in rounds) > 5, what
    assert {now.loss for now in rounds} == {"catalog", "drive", ""}
