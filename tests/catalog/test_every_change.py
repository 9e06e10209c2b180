"""Drives join, are replaced and leave, processes act at once, catalogs are made again from snapshots: with every
accident at every step, and every other process at every moment.

A few of all are tried each time, `EVERY=1` in the environment tries them all, which takes minutes.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.catalog import startup
from objstore.catalog.errors import CatalogError, ReadOnly
from objstore.drives.errors import DriveError
from objstore.drives.pool import start_quorum, write_quorum
from objstore.jobs.restore import restore as restoring
from objstore.jobs.restore.restore import RestoreRefused, Wishes
from objstore.store import membership

from .every import FOLLOW, WATCH, Accident, Disk, Host, Killed, Life, Pool, World, exchange, latest, readable, subsets

ALL = "EVERY" in os.environ
KINDS = [
    ("process", False, False),
    ("host", False, False),
    *(("", *o) for o in itertools.product((False, True), repeat=2)),
]


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    exchange(monkeypatch)
    monkeypatch.setattr(restoring, "start", lambda pool, _: startup.start(pool, pool.host))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def begun(size: int, parity: int, spare: int = 0) -> World:
    """A deployment that has run, and empty folders beside it."""
    world = Life(World((Disk(),) * size), parity, range(size)).run(["first"])
    assert world.done == ("first",)
    return replace(world, disks=(*world.disks, *(Disk(formatted=False),) * spare))


def add(number: int, replaces: str = "") -> Callable[[Any], None]:
    return lambda tx: membership.join(tx, f"d{number}", f"/d{number}", 0, replaces)


def drain(number: int) -> Callable[[Any], None]:
    return lambda tx: membership.drain(tx, f"d{number}", f"/d{number}", 0, leave=True)


def remove(number: int) -> Callable[[Any], None]:
    """As one that is lost."""
    return lambda tx: membership.leave(tx, f"d{number}", f"/d{number}", 0, empty=False)


CHANGES = {
    "add": (3, 1, [add(3)]),
    "add-two": (2, 1, [add(2), add(3)]),
    "add-two-for-one": (2, 1, [add(2), add(3), drain(0)]),
    "replace": (3, 1, [add(3, "d0")]),
    "drain": (4, 1, [drain(0)]),
    "remove-a-member": (4, 1, [remove(0)]),
    "remove-another": (4, 1, [remove(3)]),
    "remove-without-parity": (3, 0, [remove(0)]),
    "add-and-remove": (3, 1, [add(3), remove(1)]),
}
ROUNDS = 7  # that any of them needs


def script(steps: Collection[Any]) -> list[Any]:
    return ["a0", *steps, WATCH, "a1", WATCH, WATCH, FOLLOW, "a2", *[WATCH] * (ROUNDS - 3), FOLLOW, "a3"]


def check(world: World, parity: int, *, deep: bool = True) -> None:
    """Whichever drives are there next, what was done is there too, or it does not start. When all have been there, any
    parity of those that vote may be gone, it is served, and where there are enough it goes on."""
    size = len(world.disks)
    everybody = subsets(size, size)
    for there in everybody if deep else everybody[:: 1 + size]:
        Life(world, parity, there).run(["next"])
    healed = Life(world, parity, range(size)).run([*[WATCH] * ROUNDS, FOLLOW, "healed"])
    assert healed.done == (*world.done, "healed")
    who = latest(healed)
    voters = {int(one[1:]) for one in who.drives}
    assert who.before is None and len(who.members) >= min(who.parity + 1, len(voters))
    for there in everybody:
        life = Life(healed, parity, there)
        ended = life.run(["last"])
        left = len(voters.intersection(there))
        goes_on = left >= write_quorum(len(voters), who.parity)
        assert ended.done == ((*healed.done, "last") if goes_on else healed.done), (world, there)
        assert life.serves or left < len(voters) - who.parity, (world, there)


class Checked:
    """Worlds, each checked once."""

    def __init__(self, parity: int) -> None:
        self._parity = parity
        self._seen: set[str] = set()

    def add(self, world: World) -> None:
        if (key := repr(world)) not in self._seen:
            self._seen.add(key)
            check(world, self._parity, deep=ALL or len(self._seen) % 8 == 0)

    def __len__(self) -> int:
        return len(self._seen)


@pytest.mark.parametrize("change", CHANGES)
def test_an_accident_while_the_pool_changes(change: str) -> None:
    size, parity, steps = CHANGES[change]
    world = begun(size, parity, 4 - size)
    life = Life(world, parity, range(4))
    ended = life.run(script(steps))
    assert ended.done == ("first", "a0", "a1", "a2", "a3")
    assert {*latest(ended).drives} != {*latest(world).drives}
    checked = Checked(parity)
    checked.add(ended)
    accidents = [Accident(at, *kind) for at in range(1, life.host.steps + 1) for kind in KINDS]
    for one in accidents[:: 1 if ALL else 5 if parity == 0 else 17]:
        checked.add(Life(world, parity, range(4), [one]).run(script(steps)))
    assert len(checked) > 10


@pytest.mark.parametrize(("size", "parity"), [(2, 1), (3, 1), (4, 1), (4, 2)])
def test_an_accident_while_new_drives_take_the_places_of_lost_ones(size: int, parity: int) -> None:
    checked = Checked(parity)
    for lost in list(itertools.combinations(range(size), parity))[:: 1 if ALL else 2]:
        world = begun(size, parity, parity)
        there = [number for number in range(size + parity) if number not in lost]
        steps = ["a0", WATCH, FOLLOW, "a1", WATCH, "a2"]
        life = Life(world, parity, there, new_ones=True)
        life.run(steps)
        accidents = [Accident(at, *kind) for at in range(1, life.host.steps + 1) for kind in KINDS]
        for one in accidents[:: 1 if ALL else 13]:
            broken = Life(world, parity, there, [one], new_ones=True).run(steps)
            ended = Life(broken, parity, there, new_ones=True).run([WATCH, WATCH, FOLLOW, "b"])
            assert ended.done == (*broken.done, "b")
            for number in lost:
                assert f"d{number}" not in latest(ended).drives
            thrown_away = [Disk(formatted=False) if at in lost else disk for at, disk in enumerate(ended.disks)]
            checked.add(replace(ended, disks=tuple(thrown_away)))
    assert len(checked) > 3


class Beside:
    """What another process does at one moment, which looked at the pool when it began, and never since."""

    def __init__(self, life: Life, shunned: int | None) -> None:
        self._life, self._shunned = life, shunned

    def __call__(self) -> None:
        life = self._life
        if not hasattr(life, "other"):
            return
        if self._shunned is not None:
            for drive in life.other.pool.drives:
                drive.shunned = drive.device.name == f"d{self._shunned}"
        try:
            life.other.commit("beside")
            life.done.append("beside")
        except ReadOnly:
            pass


@pytest.mark.parametrize("change", CHANGES)
def test_another_process_acts_at_any_moment_of_a_change(change: str) -> None:
    size, parity, steps = CHANGES[change]
    world = begun(size, parity, 4 - size)
    life = Life(world, parity, range(4))
    life.run(script(steps))
    moments = life.host.moments
    checked = Checked(parity)
    cases = list(itertools.product(range(1, moments + 1), (None, 0, 1, size - 1)))
    for at, shunned in cases[:: 1 if ALL else 7]:
        life = Life(world, parity, range(4))
        life.host.beside = at, Beside(life, shunned)
        ended = life.run(script(steps))
        assert [name for name in ended.done if name != "beside"] == ["first", "a0", "a1", "a2", "a3"]
        checked.add(ended)
    assert len(checked) > 5


@pytest.mark.parametrize("seed", range(40) if ALL else range(2))
def test_changes_accidents_and_processes_at_random(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        size = rng.randint(2, 4)
        parity = rng.randint(0, size // 2)
        total = size + rng.randint(0, 2)
        world = begun(size, parity, total - size)
        leaves = rng.randrange(size)
        for number in range(rng.randint(1, 3)):
            there = [drive for drive in range(total) if rng.random() < 0.85]
            steps: list[Any] = [WATCH]
            for index in range(rng.randint(2, 9)):
                joining = add(rng.randrange(size, total), rng.choice(("", f"d{leaves}"))) if total > size else WATCH
                leaving = rng.choice((drain, remove))(leaves) if size > max(2, 2 * parity) else WATCH
                steps.append(rng.choice((f"{number}{index}", WATCH, WATCH, FOLLOW, joining, leaving)))
            sudden = [Accident(rng.randint(1, 90), *rng.choice(KINDS)) for _ in range(rng.randint(0, 3))]
            life = Life(world, parity, there, sudden)
            if rng.random() < 0.5:
                life.host.beside = rng.randint(1, 80), Beside(life, rng.choice((None, *range(total))))
            world = life.run(steps)
            world = replace(
                world,
                done=tuple(f"{name}-{number}" if name == "beside" else name for name in world.done),
                disks=tuple(_renamed(one, number) for one in world.disks),
            )
        check(world, parity, deep=False)


def _renamed(disk: Disk, life: int) -> Disk:
    """What another process wrote has a name for each life."""
    if disk.history is None:
        return disk
    return replace(disk, history=tuple((f"beside-{life}" if n == "beside" else n, epoch) for n, epoch in disk.history))


# --- catalogs that are made again


class Making:
    """A catalog made again of what is `kept`."""

    kept: tuple[str, ...] = ()

    def __init__(self, pool: Any, blobs: Any, candidate: Any, wishes: Any, epoch: int, target: Any, step: Any) -> None:
        self.report = SimpleNamespace(snapshot=SimpleNamespace(passed_over=[]))
        self.history = tuple((name, epoch) for name in (f"restored-{epoch}", *self.kept))
        self.fill = self


def restore(
    world: World, parity: int, there: Collection[int], accidents: Collection[Accident], wishes: Wishes, to: int
) -> tuple[World, bool, int]:
    """A restore, whose target is a certain drive: the world after it, whether it came to its end, and its steps."""
    host = Host(world.disks, parity, there, accidents)
    known = [one.ballot for number, one in enumerate(world.disks) if number in there and one.ballot is not None]
    pool: Any = Pool(host, host.devices, max(known, key=lambda one: one.epoch).parity if known else parity)
    for drive in pool.drives:
        drive.free = int(drive.device.name == f"d{to}")
    done = False
    with contextlib.suppress(Killed, RestoreRefused, CatalogError, DriveError):
        restoring._restore(pool, wishes, lambda *_: None)
        done = True
    return World(host.disks, (), world.failed), done, host.steps


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> type[Making]:
    monkeypatch.setattr(restoring, "survey", lambda *_: {})
    monkeypatch.setattr(restoring, "sources", SimpleNamespace(candidates=lambda _: [object()]))
    monkeypatch.setattr(restoring, "_Making", Making)
    monkeypatch.setattr(restoring.copying, "build", lambda target, fill: target.make(fill.history))
    return Making


def lose_mirrors(world: World, but: Collection[int] = ()) -> World:
    """All mirrors but those of some drives are gone; and so is what nobody acknowledges any more."""
    disks = tuple(
        one if number in but else replace(one, history=None, inode=one.inode + 1)
        for number, one in enumerate(world.disks)
    )
    return World(disks, (), (*world.failed, *world.done))


def restored(world: World) -> tuple[str, ...]:
    """What the latest catalog that was made again has to show."""
    shown = [one.history for one in world.disks if one.history and str(one.history[0][0]).startswith("restored")]
    return tuple(name for name, _ in max(shown, key=lambda one: one[0][1]))


@pytest.mark.parametrize(("size", "parity"), [(1, 0), (2, 1), (3, 1), (4, 2)])
def test_a_restore_is_cut_short_at_any_step_and_run_again(size: int, parity: int, made: type[Making]) -> None:
    world = lose_mirrors(Life(begun(size, parity), parity, range(size)).run(["second"]))
    everybody = range(size)
    checked = Checked(parity)
    for to in everybody:
        _, done, steps = restore(world, parity, everybody, (), Wishes(), to)
        assert done
        for at, kind in list(itertools.product(range(1, steps + 1), KINDS))[:: 1 if ALL else size]:
            broken, done, _ = restore(world, parity, everybody, [Accident(at, *kind)], Wishes(), to)
            if not done:
                again, done, _ = restore(broken, parity, everybody, (), Wishes(), (to + 1) % size)
                broken = again if done else broken  # or it was done but for the last step, which a start does
            checked.add(replace(broken, done=restored(broken)))


@pytest.mark.parametrize(("size", "parity"), [(1, 0), (3, 1), (4, 2)])
def test_a_catalog_that_is_to_be_given_up_is_there_or_the_one_instead_of_it(
    size: int, parity: int, made: type[Making]
) -> None:
    """However a restore with `--replace` is cut short; and the one with which a start goes on is the one for ever."""
    world = Life(begun(size, parity), parity, range(size)).run(["second"])
    anew, done, steps = restore(world, parity, range(size), (), Wishes(replace=True), 0)
    assert done
    both = {world.done, restored(anew)}
    checked = Checked(parity)
    for at, kind in list(itertools.product(range(1, steps + 1), KINDS))[:: 1 if ALL else size]:
        broken, _, _ = restore(world, parity, range(size), [Accident(at, *kind)], Wishes(replace=True), 0)
        for there in subsets(size, parity)[:: 1 if ALL else 2]:
            life = Life(World(broken.disks), parity, there)
            after = life.run(["third"])
            if not life.serves:  # the old one is gone, the other not yet there, and no other mirror is
                assert restore(broken, parity, range(size), (), Wishes(replace=True), 0)[1]
                continue
            shown = tuple(name for name, _ in readable(life.host) or () if name != "third")
            assert shown in both, (broken, there)
            if not after.done:  # below the write quorum it only shows what it has
                continue
            (given_up,) = both - {shown}
            checked.add(World(after.disks, (*shown, *after.done), tuple({*given_up}.difference(shown))))


OLD = [(3, 1, (0,)), (3, 1, (0, 1)), (4, 1, (0, 1)), (4, 2, (0,)), (4, 2, (0, 1))]


def old_ones_turn_up(world: World, size: int, here: Collection[int]) -> None:
    """A start that knows one of those who went on shows what they wrote, whoever else is there."""
    voters = {int(one[1:]) for one in latest(world).drives}
    assert voters <= {*here}
    needed = start_quorum(len(voters), latest(world).parity)
    for there in subsets(size, size):
        if len(voters.intersection(there)) >= needed:
            life = Life(world, 0, there)
            life.run([WATCH, WATCH, "later"])
            known = latest(World(tuple(world.disks[number] for number in there)))
            assert life.serves or not {f"d{number}" for number in there}.intersection(known.members)


@pytest.mark.parametrize(("size", "parity", "here"), OLD)
def test_an_old_mirror_that_turns_up_after_a_restore_never_wins(
    size: int, parity: int, here: tuple[int, ...], made: type[Making]
) -> None:
    """Those on which it ran were away while the others went on without them."""
    gone = [number for number in range(size) if number not in here]
    world = begun(size, parity)
    for life in range(3):  # the others hear of more elections
        world = Life(world, parity, gone).run([f"without-{life}"])
    world = lose_mirrors(world, gone)
    _, done, steps = restore(world, parity, here, (), Wishes(accept_loss=True), here[0])
    assert done
    for at, kind in [(0, KINDS[0]), *itertools.product(range(1, steps + 1), KINDS)]:
        after, done, _ = restore(
            world, parity, here, [Accident(at, *kind)] if at else [], Wishes(accept_loss=True), here[0]
        )
        if not done:
            again, done, _ = restore(after, parity, here, (), Wishes(accept_loss=True, replace=True), here[-1])
            assert done
            after = again
        old_ones_turn_up(replace(after, done=restored(after)), size, here)


@pytest.mark.parametrize(("size", "parity", "here"), OLD)
def test_an_old_mirror_that_turns_up_after_its_loss_was_accepted_never_wins(
    size: int, parity: int, here: tuple[int, ...]
) -> None:
    """Those on which it went on, with new drives in the place of the others, were away while the others went on."""
    gone = [number for number in range(size) if number not in here]
    world = begun(size, parity, len(gone))
    for life in range(3):
        world = Life(world, parity, gone).run([f"without-{life}"])
    known = [one for number, one in enumerate(world.disks) if number in here and one.history is not None]
    if not known:  # nothing is left to go on with
        return
    kept = tuple(name for name, _ in known[0].history or ())
    accepted = World(world.disks, kept, tuple(name for name in world.done if name not in kept))
    there = (*here, *range(size, len(world.disks)))
    went_on = Life(accepted, parity, there, accept_loss=True).run([WATCH, WATCH, FOLLOW, "alone"])
    assert went_on.done[-1] == "alone"
    old_ones_turn_up(went_on, len(world.disks), there)
