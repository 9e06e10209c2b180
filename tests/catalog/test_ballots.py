"""Ballots, as arithmetic and as files: what is in force meets whatever else may be, and no epoch is given twice."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from objstore.catalog import ballots
from objstore.drives.errors import BallotSuperseded
from objstore.drives.format import Ballot, Electorate
from objstore.drives.pool import start_quorum, write_quorum
from tests.drives.faults import FaultySystem


@pytest.mark.parametrize(("drives", "parity"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (6, 3), (8, 4)])
def test_a_ballot_is_in_force_when_its_quorum_took_it(drives: int, parity: int) -> None:
    voters = tuple("abcdefgh"[:drives])
    after = Ballot(2, voters[:1], voters, parity)
    needed = write_quorum(drives, parity)
    for count in range(drives + 1):
        for took in itertools.combinations(voters, count):
            assert ballots.enough(after, took) == (count >= needed)
            assert ballots.may_start(after, took) == (count >= start_quorum(drives, parity))
    assert needed + start_quorum(drives, parity) > drives, "whoever may start meets it"


def test_drives_that_are_not_voters_do_not_count() -> None:
    after = Ballot(2, ("a",), ("a", "b", "c", "d"), 2)
    assert not ballots.enough(after, {"a", "b", "x", "y"})


def test_drives_that_were_added_do_not_vote_for_the_past() -> None:
    after = Ballot(2, ("a",), tuple("abcdef"), 3, before=Electorate(tuple("abc"), 1))
    assert not ballots.enough(after, set("adef"))
    assert ballots.enough(after, set("abde"))


def test_a_drive_promises_an_epoch_once(tmp_path: Path) -> None:
    ballots._promise(tmp_path, 5)
    for epoch in (5, 4):
        with pytest.raises(BallotSuperseded):
            ballots._promise(tmp_path, epoch)
    ballots._promise(tmp_path, 6)
    assert ballots._promised(tmp_path, ballots.SYSTEM) == 6


@pytest.mark.parametrize("call", ["open", "pwritev", "fsync", "rename"])
def test_a_promise_that_hangs_does_not_take_back_a_later_one(tmp_path: Path, call: str) -> None:
    hanging, other = FaultySystem(), FaultySystem()
    entered, met, go = threading.Event(), threading.Event(), threading.Event()

    def hang(*arguments: Any) -> Any:
        if call != "open" or str(arguments[0]).endswith(".tmp"):
            entered.set()
            go.wait(60)
        return really(*arguments)

    def meet(path: Any, *arguments: int) -> Any:
        if Path(path) == tmp_path:  # it would wait here, or has it done
            met.set()
        return opens(path, *arguments)

    really, opens = hanging.hook(call, hang), other.hook("open", meet)
    ballots._promise(tmp_path, 4)
    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(ballots._promise, tmp_path, 5, hanging)
        assert entered.wait(60)
        newer = pool.submit(ballots._promise, tmp_path, 6, other)
        assert met.wait(60)
        go.set()
        wait([older, newer])
    assert newer.exception() is None
    assert ballots._promised(tmp_path, ballots.SYSTEM) == 6
