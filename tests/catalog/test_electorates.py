"""Drives come and go one after another, elections are cut short anywhere, any drives may be there at a start: who may
start always knows the latest ballot that took effect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.catalog import ballots
from objstore.drives.format import Ballot, Electorate

DRIVES = [f"d{number}" for number in range(7)]


def pool_of(*drives: str) -> Any:
    """A pool of drives that are all there, each in a slot named like itself."""
    slots = {one: SimpleNamespace(id=one, path=Path("/", one)) for one in drives}
    return SimpleNamespace(
        drives=list(slots.values()), online=lambda: list(slots.values()), by_id=slots.get, removed=frozenset(), parity=1
    )


@dataclass
class Model:
    """What each drive knows, what the running server believes, and the latest epoch that took effect."""

    known: dict[str, Ballot]
    believed: Ballot | None
    epoch: int = 1
    in_force: int = 1

    def elect(self, wanted: Electorate, took: list[set[str]]) -> None:
        """An election as `Members.change` holds it; `took` are the drives that each of its ballots reaches."""
        assert self.believed is not None
        if not self._cast(ballots.succeeding(pool_of(*DRIVES), self.believed, (), wanted), took[0]):
            return
        if self.believed.before is not None:
            self._cast(msgspec.structs.replace(self.believed, before=None), took[1])

    def _cast(self, ballot: Ballot, took: set[str]) -> bool:
        self.epoch += 1
        new = msgspec.structs.replace(ballot, epoch=self.epoch)
        self.known |= dict.fromkeys(took, new)
        if not ballots.enough(new, took):
            return False
        self.believed, self.in_force = new, new.epoch
        return True

    def start(self, there: set[str]) -> None:
        """Everything stops, and a server starts with the drives that are `there`, if it may."""
        self.believed = None
        latest = max((self.known[one] for one in there if one in self.known), key=lambda one: one.epoch, default=None)
        if latest is None or not ballots.may_start(latest, there):
            return
        assert latest.epoch >= self.in_force, "a start that does not know the latest ballot"
        self.believed = latest


sets = st.sets(st.sampled_from(DRIVES))
reached = st.lists(sets, min_size=2, max_size=2)
changes = st.one_of(st.tuples(st.integers(0, 6), reached), st.tuples(st.sampled_from(("0", "1", "2", "3")), reached))
steps = st.lists(st.one_of(sets, changes), max_size=12)


@given(st.integers(1, 5), st.integers(0, 2), steps)
@settings(max_examples=400)
def test_whoever_may_start_knows_the_latest_ballot(size: int, parity: int, history: list[Any]) -> None:
    voters = tuple(DRIVES[:size])
    first = Ballot(1, (), voters, min(parity, size // 2))
    model = Model(dict.fromkeys(voters, first), first)
    for step in history:
        if isinstance(step, set):
            model.start(step)
        elif model.believed is not None and isinstance(step[0], str):  # another parity
            drives = model.believed.drives
            model.elect(Electorate(drives, min(int(step[0]), len(drives) // 2)), step[1])
        elif model.believed is not None:
            number, took = step
            drives = model.believed.drives
            drive = DRIVES[number]
            after = tuple(one for one in drives if one != drive) if drive in drives else (*drives, drive)
            if after:
                model.elect(Electorate(after, min(model.believed.parity, len(after) // 2)), took)


def test_another_parity_needs_the_quorum_of_the_one_before() -> None:
    five = tuple(DRIVES[:5])
    model = Model(dict.fromkeys(five, Ballot(1, (), five, 0)), Ballot(1, (), five, 0))
    reached = set(five[:3])  # enough for parity 2; and with parity 0 any drive may start alone
    model.elect(Electorate(five, 2), [reached, reached])
    model.start(set(five[3:]))
    model.believed = Ballot(1, (), five, 0)
    model.elect(Electorate(five, 2), [set(five), reached])
    assert model.believed.parity == 2 and model.believed.before is None
    model.start(set(five[2:]))
    assert model.believed is not None


def test_a_replaced_drive_votes_in_the_old_ones_place_and_a_new_one_has_to_be_let_in() -> None:
    places = {one: f"/{one}" for one in "abc"}
    before = Ballot(3, ("a",), ("a", "b", "c"), 1, places)
    pool = pool_of("a", "b", "x", "y")
    pool.drives[2].path = Path("/c")
    assert ballots.replacements(pool, before) == {"c": "x"}
    replaced = ballots.succeeding(pool, before, ("a",), epoch=4)
    assert (replaced.drives, replaced.before, replaced.places) == (
        ("a", "b", "x"),
        None,
        {"a": "/a", "b": "/b", "x": "/c"},
    )
    wanted = ballots.next_electorate(pool, replaced)
    assert wanted == Electorate(("a", "b", "x", "y"), 1)
    joint = ballots.succeeding(pool, replaced, ("a",), wanted, epoch=5)
    assert joint.before == Electorate(("a", "b", "x"), 1)
    assert ballots.enough(joint, {"a", "b", "x"})
    assert not ballots.enough(joint, {"a", "b", "z"})
    pool.removed = frozenset({"a"})
    assert ballots.succeeding(pool, joint, ("b",), ballots.next_electorate(pool, joint), epoch=6).drives == joint.drives
    settled = msgspec.structs.replace(joint, before=None)
    assert ballots.next_electorate(pool, settled).drives == joint.drives, "its mirror goes before its vote"
    moved = msgspec.structs.replace(settled, members=("b",))
    assert ballots.next_electorate(pool, moved) == Electorate(("b", "x", "y"), 1)


def test_whoever_does_not_lead_takes_no_drive_that_left_for_one_that_replaces_another() -> None:
    """A process that has not yet heard that one drive left and another joined votes a member out."""
    ballot = Ballot(9, ("a", "b"), ("a", "b", "c", "e"), 1, {one: f"/{one}" for one in "abce"})
    late = pool_of("a", "b", "c", "d")
    assert ballots.succeeding(late, ballot, ("a",), epoch=10, leads=False).drives == ballot.drives
    leading = pool_of("a", "b", "c", "d")
    leading.removed = frozenset({"d"})
    assert ballots.succeeding(leading, ballot, ("a",), epoch=10).drives == ballot.drives


def test_an_epoch_of_those_who_go_on_alone_is_above_all_that_others_may_come_to_by_voting() -> None:
    assert ballots.next_era(3) - 3 > 60 * 60 * 24 * 365, "elections that find no quorum pause for a second"
    assert ballots.next_era(ballots.next_era(3)) > ballots.next_era(3)


def test_a_voter_that_is_away_is_not_replaced_by_one_that_is_added() -> None:
    before = Ballot(3, ("a",), ("a", "b", "c"), 1, {one: f"/{one}" for one in "abc"})
    pool = pool_of("a", "b", "x")
    pool.drives.append(SimpleNamespace(id=None, path=Path("/c")))
    assert ballots.replacements(pool, before) == {}
    assert ballots.next_electorate(pool, before).drives == ("a", "b", "c", "x")
