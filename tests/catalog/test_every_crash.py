"""Every order of deaths, power cuts and failing drives, at every step of starts, elections, commits and copies."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator

import pytest

from objstore.drives.pool import write_quorum

from .every import MEND, TOLD, Accident, Disk, World, exchange, live, subsets


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    exchange(monkeypatch)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def first(size: int, parity: int) -> World:
    world, _ = live(World((Disk(),) * size), parity, range(size), ["first"])
    assert world.done == ("first",)
    return world


def accidents(steps: int, behind: int = 0) -> list[Accident]:
    """One at any of so many steps, `behind` some."""
    failing = [("", *one) for one in itertools.product((False, True), repeat=2)]
    kinds = [("process", False, False), ("host", False, False), *failing]
    return [Accident(at, *kind) for at in range(behind + 1, steps + 1) for kind in kinds]


class Worlds:
    """All worlds in which lives may end, each of them once."""

    def __init__(self, parity: int, *worlds: World) -> None:
        self._parity = parity
        self._worlds: dict[str, World] = {}
        for world in worlds:
            self.add(world)

    def add(self, world: World) -> None:
        self._worlds[repr(world)] = world

    def __len__(self) -> int:
        return len(self._worlds)

    def after(self, name: str, *, two: int = 0, wanted: int | None = None, each: int = 1) -> Worlds:
        """Those after one more life with one accident, of which each so manieth is tried, whichever drives are there;
        with each so manieth of the pairs of `two`."""
        found = Worlds(self._parity)

        def lived(world: World, there: tuple[int, ...], *accidents: Accident) -> int:
            names = (f"{name}0", MEND, f"{name}1")
            ended, steps = live(world, self._parity, there, names, accidents, wanted=wanted)
            found.add(ended)
            return steps

        for world in self._worlds.values():
            for there in subsets(len(world.disks), len(world.disks)):
                for one in accidents(lived(world, there))[::each]:
                    more = lived(world, there, one)
                    if two and one.end != "host":
                        for other in accidents(more, one.at)[one.at % two :: two]:
                            lived(world, there, one, other)
        return found

    def check(self) -> None:
        """Whichever drives are there next, what was done is there too, or it does not start. And when all have been
        there, any parity of them may be gone, and where there are enough it goes on."""
        for world in self._worlds.values():
            size = len(world.disks)
            for there in subsets(size, size):
                live(world, self._parity, there, ["next"])
            healed, _ = live(world, self._parity, range(size), ["healed"])
            assert healed.done == (*world.done, "healed")
            (parity,) = {disk.ballot.parity for disk in healed.disks if disk.ballot is not None}
            for there in subsets(size, size):
                ended, _ = live(healed, self._parity, there, ["last"])
                goes_on = len(there) >= write_quorum(size, parity)
                assert ended.done == ((*healed.done, "last") if goes_on else healed.done), (world, there)


CASES = [(1, 0, 2, 1), (2, 1, 1, 1), (2, 1, 2, 11), (3, 1, 1, 1), (4, 2, 1, 11)]


@pytest.mark.parametrize(("size", "parity", "lives", "each"), CASES)
def test_one_accident_in_each_life(size: int, parity: int, lives: int, each: int) -> None:
    worlds = Worlds(parity, first(size, parity))
    for number in range(lives):
        worlds = worlds.after("abc"[number], each=each)
    worlds.check()


def test_two_accidents_in_one_life() -> None:
    Worlds(1, first(3, 1)).after("a", two=37).check()


@pytest.mark.parametrize(("size", "parity", "wanted"), [(2, 1, 0), (3, 0, 1), (3, 1, 0), (4, 1, 2), (4, 2, 1)])
def test_an_accident_while_the_parity_is_changed(size: int, parity: int, wanted: int) -> None:
    Worlds(parity, first(size, parity)).after("a", wanted=wanted, each=2 if size < 4 else 11).check()


@pytest.mark.parametrize("seed", range(4))
def test_many_accidents_at_random(seed: int) -> None:
    rng = random.Random(seed)
    kinds = [
        ("process", False, False),
        ("host", False, False),
        *(("", *one) for one in itertools.product((False, True), repeat=2)),
    ]
    for _ in range(100):
        size = rng.randint(2, 6)
        parity = rng.randint(0, size // 2)
        world = first(size, parity)
        for life in range(rng.randint(1, 4)):
            there = [drive for drive in range(size) if rng.random() < 0.8]
            names = [
                rng.choice((f"{life}{number}", f"{life}{number}", MEND, TOLD)) for number in range(rng.randint(1, 5))
            ]
            sudden = [Accident(rng.randint(1, 60), *rng.choice(kinds)) for _ in range(rng.randint(0, 4))]
            wanted = rng.choice((None, rng.randint(0, size // 2)))
            world, _ = live(world, parity, there, names, sudden, wanted=wanted)
        Worlds(parity, world).check()


def test_members_that_fail_one_after_the_other_while_they_vote_and_then_the_power() -> None:
    """Nothing is committed without a member that the ballot in force names: it may be the one that is left."""
    size, parity = 5, 2
    world = first(size, parity)
    names = ("before", TOLD, "during", "after")
    _, steps = live(world, parity, range(size), names)
    ended = Worlds(parity)
    for one in (Accident(at, done=done) for at in range(1, steps + 1) for done in (False, True)):
        acknowledged, more = live(world, parity, range(size), names[:-1], [one])
        if "during" in acknowledged.done:
            ended.add(live(world, parity, range(size), names, [one, Accident(more + 1, "host")])[0])
    assert len(ended) > 10
    ended.check()
