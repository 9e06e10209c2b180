"""The plan of a run, from its seed alone: how many drives, which of them come to harm when and how, who is killed."""

from __future__ import annotations

import random
from dataclasses import dataclass

ROUND_SECONDS = 20.0
PARITY = {3: 1, 4: 2, 5: 2, 6: 3}
"""What a store of so many drives has by default."""

_STORIES = ("away", "emptied", "old", "rot", "mirror lost", "full", "away twice")
_CRASHES = (
    *("kill worker", "kill jobs", "kill supervisor", "kill all", "restart"),
    *("pause worker", "pause jobs", "pause all"),
)
_AT_REST = ("rot", "mirror flipped", "mirror lost", "mirror cut", "log cut", "old", "emptied", "swapped", "nothing")


@dataclass(frozen=True)
class Action:
    """Something done `at` so many seconds of a round, to a drive (its position) or to processes."""

    at: float
    what: str
    drive: int | None = None

    def __str__(self) -> str:
        return f"{self.at:.1f} s {self.what}" + ("" if self.drive is None else f" (drive {self.drive + 1})")


@dataclass(frozen=True)
class Round:
    """One round: clients work while `actions` happen; then the server ends (`killed` or asked to), things are done to
    drives `at_rest`, and it starts again. No more drives than the parity come to harm in a round."""

    number: int
    victims: tuple[int, ...]
    actions: tuple[Action, ...]
    killed: bool
    at_rest: tuple[Action, ...]


@dataclass(frozen=True)
class Plan:
    """A run: `rounds` of them as they come."""

    seed: int
    drives: int

    @property
    def parity(self) -> int:
        return PARITY[self.drives]

    @property
    def hung_seconds(self) -> float:
        """Half of all stores take a process that is paused for one that hangs, and kill it."""
        return random.Random(f"{self.seed}/hung").choice((2.0, 30.0))

    def round(self, number: int) -> Round:
        chance = random.Random(f"{self.seed}/round/{number}")
        victims = tuple(sorted(chance.sample(range(self.drives), chance.randint(1, self.parity))))
        actions: list[Action] = []
        for drive in victims:
            if chance.random() < 0.85:
                actions += _story(chance, drive)
        for _ in range(chance.choice((0, 1, 1, 2))):
            actions.append(Action(chance.uniform(2.0, ROUND_SECONDS - 2.0), chance.choice(_CRASHES)))
        at_rest = [Action(0.0, chance.choice(_AT_REST), drive) for drive in victims if chance.random() < 0.6]
        at_rest.sort(key=lambda one: one.what == "swapped")  # last: positions mean other drives from then on
        return Round(
            number, victims, tuple(sorted(actions, key=lambda one: one.at)), chance.random() < 0.4, tuple(at_rest)
        )


def plan(seed: int) -> Plan:
    """The plan that a seed gives."""
    return Plan(seed, random.Random(f"{seed}/drives").choice((3, 4, 4, 5, 6)))


def _story(chance: random.Random, drive: int) -> list[Action]:
    begin = chance.uniform(1.0, ROUND_SECONDS / 2)
    end = begin + chance.uniform(1.0, ROUND_SECONDS / 2)
    match chance.choice(_STORIES):
        case "away":
            return [Action(begin, "take away", drive), Action(end, "put back", drive)]
        case "away twice":
            middle = (begin + end) / 2
            return [
                Action(begin, "take away", drive), Action(middle, "put back", drive),
                Action(middle + 1.5, "take away", drive), Action(max(end, middle + 3), "put back", drive),
            ]  # fmt: skip
        case "emptied":
            return [Action(begin, "take away", drive), Action(end, "put back empty", drive)]
        case "old":
            return [Action(begin, "take away", drive), Action(end, "put back old", drive)]
        case "full":
            return [Action(begin, "fill", drive), Action(end, "make room", drive)]
        case other:
            return [Action(begin, other, drive)]
