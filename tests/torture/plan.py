"""The plan of a run, from its seed alone: how many drives, which of them come to harm when and how, who is killed, and
what an administrator has moved meanwhile."""

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
_LOSSES = frozenset({"rot", "old", "emptied"})
"""What loses bytes. A drive that was emptied is another one then, which may have been given what is left of a blob that
lacks a shard since: it is not made to lose that too before all has healed."""
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
    """One round: clients work while `actions` happen and an administrator asks for `moves`; then the server ends
    (`killed` or asked to), things are done to drives `at_rest`, and it starts again.

    Everything has at least `parity` as it begins. No more drives come to harm in a round than the least parity that
    anything has in it, and none of those that are to leave."""

    number: int
    parity: int
    victims: tuple[int, ...]
    actions: tuple[Action, ...]
    killed: bool
    at_rest: tuple[Action, ...]
    moves: tuple[Action, ...]
    loss: str
    """What is lost at the end, when all is whole: "catalog" (all its mirrors), "drive", or nothing."""


@dataclass(frozen=True)
class Plan:
    """A run: `rounds` of them as they come."""

    seed: int
    drives: int

    @property
    def parity(self) -> int:
        """What the store is made with: the most that its drives allow."""
        return PARITY[self.drives]

    @property
    def hung_seconds(self) -> float:
        """Half of all stores take a process that is paused for one that hangs, and kill it."""
        return random.Random(f"{self.seed}/hung").choice((2.0, 30.0))

    def round(self, number: int) -> Round:
        chance = random.Random(f"{self.seed}/round/{number}")
        victims = _victims(chance, self.drives, self.parity)
        actions: list[Action] = []
        for drive in victims:
            if chance.random() < 0.85:
                actions += _story(chance, drive)
        for _ in range(chance.choice((0, 1, 1, 2))):
            actions.append(Action(chance.uniform(2.0, ROUND_SECONDS - 2.0), chance.choice(_CRASHES)))
        at_rest = [Action(0.0, chance.choice(_AT_REST), drive) for drive in victims if chance.random() < 0.6]
        emptied = {one.drive for one in actions if one.what == "put back empty"}
        at_rest = [one for one in at_rest if one.drive not in emptied or one.what not in _LOSSES]
        at_rest.sort(key=lambda one: one.what == "swapped")  # last: positions mean other drives from then on
        parity = self.parity_of(number)
        moves = self._moves(random.Random(f"{self.seed}/moves/{number}"), victims, parity)
        return Round(
            number=number,
            parity=parity,
            victims=victims,
            actions=_in_order(actions),
            killed=chance.random() < 0.4,
            at_rest=tuple(at_rest),
            moves=_in_order([*moves, *self._rotations(number)]),
            loss=random.Random(f"{self.seed}/loss/{number}").choice(("catalog", "drive", "", "")),
        )

    def parity_of(self, number: int) -> int:
        """What everything is to have as a round begins: enough for those that come to harm in it."""
        if not number:
            return self.parity
        harmed = len(_victims(random.Random(f"{self.seed}/round/{number}"), self.drives, self.parity))
        return random.Random(f"{self.seed}/parity/{number}").randint(harmed, self.parity)

    def _moves(self, chance: random.Random, victims: tuple[int, ...], parity: int) -> list[Action]:
        """Asked of the admin API beside the clients: what moves bytes, and what reads all of them meanwhile."""
        moves = [Action(chance.uniform(1.0, ROUND_SECONDS), "restripe") for _ in range(chance.randint(1, 3))]
        looks = [what for what in ("scrub", "verify", "snapshot") if chance.random() < 0.4]
        moves += [Action(chance.uniform(1.0, ROUND_SECONDS - 2.0), what) for what in looks]
        at, highest = 0.0, parity
        for _ in range(chance.choice((1, 2, 2, 3)) if self.parity > len(victims) else 0):
            others = [one for one in range(len(victims), self.parity + 1) if one != parity]
            parity, at = chance.choice(others), at + chance.uniform(1.0, ROUND_SECONDS / 3)
            highest = max(highest, parity)
            moves += [Action(at, f"parity {parity}"), Action(at + chance.uniform(0.2, 2.0), "restripe")]
        return moves + self._drive_moves(chance, victims, highest)

    def _rotations(self, number: int) -> list[Action]:
        chance = random.Random(f"{self.seed}/keys/{number}")
        return [Action(chance.uniform(1.0, ROUND_SECONDS - 2.0), "rotate") for _ in range(chance.randint(0, 2))]

    def _drive_moves(self, chance: random.Random, victims: tuple[int, ...], parity: int) -> list[Action]:
        begin = chance.uniform(1.0, ROUND_SECONDS / 2)
        end = begin + chance.uniform(1.0, ROUND_SECONDS / 2)
        sound = chance.choice([one for one in range(self.drives) if one not in victims])
        match chance.choice(("none", "drain", "replace", "exchange")):
            case "drain" if self.drives > 2 * parity:
                drive = chance.randrange(self.drives)
                return [Action(begin, "drain", drive), Action(end, "keep", drive)]
            case "replace":
                return [Action(begin, "replace", sound)]
            case "exchange":
                return [Action(begin, "add", sound), Action(end, "let go", sound)]
            case _:
                return []


def plan(seed: int) -> Plan:
    """The plan that a seed gives."""
    return Plan(seed, random.Random(f"{seed}/drives").choice((3, 4, 4, 5, 6)))


def _victims(chance: random.Random, drives: int, most: int) -> tuple[int, ...]:
    """Who comes to harm in a round: the first that is drawn of it."""
    return tuple(sorted(chance.sample(range(drives), chance.randint(1, most))))


def _in_order(actions: list[Action]) -> tuple[Action, ...]:
    return tuple(sorted(actions, key=lambda one: one.at))


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
