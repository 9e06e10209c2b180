"""Any `parity` drives may vanish, running or stopped, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.catalog import ballots
from objstore.catalog.errors import CatalogError, ReadOnly, StartRefused
from objstore.drives.format import Ballot, Electorate, format_drive
from objstore.drives.pool import default_parity, start_quorum, write_quorum
from objstore.server.slots import find_slots

from .deployment import Deployment, replace_new_drives

SIZES = range(2, 9)


def losses(size: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(range(size), default_parity(size)))


def expect_writable(deployment: Deployment, lost: tuple[int, ...]) -> bool:
    size = len(deployment.paths)
    return size - len(lost) >= write_quorum(size, default_parity(size))


@pytest.mark.parametrize("size", SIZES)
def test_any_parity_drives_lost_while_stopped(tmp_path: Path, size: int) -> None:
    deployment = Deployment(tmp_path, size)
    written = set()
    with deployment.running():
        deployment.put("first")
        written.add("first")
    for lost in losses(size):
        deployment.lose(*lost)
        with deployment.running():
            assert deployment.names() == written
            name = "without " + repr(lost)
            if expect_writable(deployment, lost):
                deployment.put(name)
                written.add(name)
                assert deployment.names() == written
            else:
                with pytest.raises(ReadOnly):
                    deployment.put(name)
                with pytest.raises(ReadOnly):
                    asyncio.run(deployment.catalog.certain(lambda _: {"nobody refers to it"}))
        deployment.bring_back(*lost)
    with deployment.running():
        assert deployment.names() == written
        deployment.put("last")
        deployment.assert_equal()


@pytest.mark.parametrize("size", SIZES)
def test_any_parity_drives_lost_while_running(tmp_path: Path, size: int) -> None:
    deployment = Deployment(tmp_path, size)
    written = set()
    with deployment.running():
        for number, lost in enumerate(losses(size)):
            name = f"with {lost}"
            deployment.put(name)
            written.add(name)
            deployment.lose(*lost)
            name = f"without {lost}"
            if number % 2:
                deployment.notice()
            try:
                deployment.put(name)
                written.add(name)
                assert expect_writable(deployment, lost)
            except ReadOnly:
                assert not expect_writable(deployment, lost)
                assert deployment.catalog.status().read_only
            assert deployment.names() == written
            deployment.bring_back(*lost)
            deployment.notice()
            deployment.notice()
            assert deployment.names() == written
            deployment.assert_equal()
            assert deployment.catalog.status().read_only is None


@pytest.mark.parametrize("size", [4, 5])
def test_more_drives_lost_than_parity_refuses_to_start_and_names_them(tmp_path: Path, size: int) -> None:
    deployment = Deployment(tmp_path, size)
    with deployment.running():
        deployment.put("a")
    lost = tuple(range(size - start_quorum(size, default_parity(size)) + 1))
    deployment.lose(*lost)
    with pytest.raises(StartRefused) as refused:
        deployment.start()
    for slot in lost:
        assert str(deployment.paths[slot]) in str(refused.value)
    deployment.bring_back(*lost)
    with deployment.running():
        assert deployment.names() == {"a"}


@given(st.integers(1, 16), st.integers(0, 8), st.data())
def test_who_may_start_has_always_met_the_latest_ballot(size: int, parity: int, data: st.DataObject) -> None:
    drives = [f"d{number}" for number in range(size)]
    ballot = Ballot(1, ("d0",), tuple(drives), min(parity, size - 1))
    took = data.draw(st.sets(st.sampled_from(drives)))
    there = data.draw(st.sets(st.sampled_from(drives)))
    if ballots.enough(ballot, took) and ballots.may_start(ballot, there):
        assert took & there


@given(st.integers(1, 8), st.integers(0, 4), st.integers(0, 8), st.data())
def test_a_ballot_for_more_drives_is_in_force_for_the_old_ones_too(
    size: int, parity: int, more: int, data: st.DataObject
) -> None:
    before = Ballot(1, (), tuple(f"d{number}" for number in range(size)), min(parity, size - 1))
    drives = tuple(f"d{number}" for number in range(size + more))
    after = Ballot(2, (), drives, min(parity, size - 1), before=Electorate(before.drives, before.parity))
    took = data.draw(st.sets(st.sampled_from(drives)))
    there = data.draw(st.sets(st.sampled_from(before.drives)))
    if ballots.enough(after, took) and ballots.may_start(before, there):
        assert took & there


def test_two_drives_go_are_replaced_and_healed_then_the_other_two_go(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
        deployment.lose(0, 1)
        deployment.notice()
        with pytest.raises(ReadOnly):
            deployment.put("b")
        assert deployment.names() == {"a"}
        for slot in (0, 1):
            deployment.paths[slot].mkdir()
        replace_new_drives(deployment)
        deployment.put("c")
        deployment.assert_equal()
        deployment.lose(2)
        (tmp_path / "lost2").rename(tmp_path / "away2")
        deployment.put("d")
        deployment.lose(3)
        assert deployment.names() == {"a", "c", "d"}
    with deployment.running():
        assert deployment.names() == {"a", "c", "d"}
        with pytest.raises(ReadOnly):
            deployment.put("e")


def test_drives_that_were_replaced_while_stopped_do_not_vote_for_the_past(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    deployment.lose(0, 1, 2)
    for slot in (0, 1, 2):
        deployment.paths[slot].mkdir()
    with pytest.raises(StartRefused):
        deployment.start()


def test_a_drive_replaced_while_stopped_is_taken_in(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    deployment.lose(0)
    deployment.paths[0].mkdir()
    with deployment.running():
        deployment.put("b")
        replace_new_drives(deployment)
        deployment.put("c")
        deployment.assert_equal()
    deployment.lose(1)
    deployment.lose(2)
    with deployment.running():
        assert deployment.names() == {"a", "b", "c"}


def test_a_new_drive_whose_host_stopped_before_it_got_a_vote_takes_the_place_of_the_lost_one(tmp_path: Path) -> None:
    """At another path than that one's; with two drives nothing could be written without it."""
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
        ours = deployment.pool.deployment
    assert ours is not None
    deployment.lose(0)
    format_drive(tmp_path / "new", ours)
    deployment.paths = find_slots([tmp_path / "new", deployment.paths[1]], 5.0).paths
    assert deployment.paths[0] == tmp_path / "new"
    with deployment.running():
        deployment.notice()
        deployment.put("b")
        deployment.assert_equal()
    (tmp_path / "drive1").rename(tmp_path / "away")
    with deployment.running():
        assert deployment.names() == {"a", "b"}


def test_a_stale_mirror_never_leads(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("old")
    deployment.lose(0)
    with deployment.running():
        deployment.put("new")
    deployment.bring_back(0)
    deployment.lose(1, 2)
    with deployment.running():  # the one left that is up to date must lead
        assert deployment.names() == {"old", "new"}
    deployment.lose(3)
    with pytest.raises(StartRefused):
        deployment.start()


def test_a_loss_can_be_accepted(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("old")
    deployment.lose(0)
    with deployment.running():
        deployment.put("new")
    deployment.bring_back(0)
    deployment.lose(1, 2, 3)
    with pytest.raises(StartRefused, match="--accept-loss"):
        deployment.start()
    with deployment.running(accept_loss=True):
        assert deployment.names() == {"old"}
        with pytest.raises(ReadOnly):
            deployment.put("x")
        for slot in (1, 2, 3):
            deployment.paths[slot].mkdir()
        replace_new_drives(deployment)
        deployment.put("next")
        deployment.assert_equal()
    with deployment.running():
        assert deployment.names() == {"old", "next"}


def test_fewer_drives_than_the_deployment_has_are_refused(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    last = deployment.paths.pop()
    with pytest.raises(StartRefused, match="4"):
        deployment.start()
    deployment.paths.append(last)
    with deployment.running():
        assert deployment.names() == {"a"}


def test_one_drive_serves_alone(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 1)
    with deployment.running():
        deployment.put("a")
        deployment.lose(0)
        with pytest.raises(CatalogError):
            deployment.put("b")
        deployment.bring_back(0)
        deployment.notice()
        deployment.put("c")
        assert deployment.names() == {"a", "c"}
