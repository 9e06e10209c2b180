"""Is a history linearizable: does some order of its operations, true to their times, explain every answer?

The search is that of Wing and Gong with Lowe's refinement (just-in-time linearization): the history is walked by time
with a set of *configurations*, each a state of the model and the calls that have taken effect though their answer has
not come yet. When the answer of an operation comes, it must have taken effect; other pending calls are let take effect
before it only where that is needed. No configuration left: no order explains the history. An operation whose outcome is
unknown (`end` None) may take effect at any time after its call, or never.
https://www.cs.ox.ac.uk/people/gavin.lowe/LinearizabiltyTesting/paper.pdf
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
MOST_CONFIGURATIONS = 100_000


class Operation(Protocol):
    """What the search must know of an operation: when it was called and answered, and whether it changes anything."""

    @property
    def begin(self) -> int: ...

    @property
    def end(self) -> int | None: ...

    @property
    def pure(self) -> bool: ...


O = TypeVar("O", bound=Operation)  # noqa: E741 - the usual letter beside S
IMPOSSIBLE = object()
"""What a model answers where an operation cannot have had its answer."""


class TooHard(Exception):
    """The search grew beyond its bound: nothing is known of this history."""


@dataclass(frozen=True)
class Verdict(Generic[S]):
    """What came of it: `culprit` is the position of the first operation whose answer no order explains, `states` those
    that the model could be in before it, `ends` those that it could be in at the end."""

    culprit: int | None
    states: frozenset[S]
    ends: frozenset[S]

    @property
    def good(self) -> bool:
        return self.culprit is None


def check(history: Sequence[O], initial: S, step: Callable[[S, O], object]) -> Verdict[S]:
    """Look for an order. `step` gives the next state, or IMPOSSIBLE. Raises TooHard."""
    search = _Search(history, step)
    configurations = {(initial, 0)}
    for number, answered in _events(history):
        if not answered:
            search.pending.append(number)
            if history[number].pure:
                configurations = {search.eager(state, done, [number]) for state, done in configurations}
            continue
        after = search.until(configurations, number)
        if not after:
            return Verdict(number, frozenset(state for state, _ in configurations), frozenset())
        search.pending.remove(number)
        configurations = {(state, done & ~(1 << number)) for state, done in after}
    return Verdict(None, frozenset(), frozenset(state for state, _ in configurations))


def _events(history: Sequence[O]) -> Iterator[tuple[int, bool]]:
    """(position, whether this is the answer) by time; of one moment, calls come first: that allows more orders."""
    moments = [(one.begin, False, number) for number, one in enumerate(history)]
    moments += [(one.end, True, number) for number, one in enumerate(history) if one.end is not None]
    for _, answered, number in sorted(moments):
        yield number, answered


class _Search(Generic[S, O]):
    def __init__(self, history: Sequence[O], step: Callable[[S, O], object]) -> None:
        self._history = history
        self._step = step
        self.pending: list[int] = []

    def eager(self, state: S, done: int, candidates: Sequence[int]) -> tuple[S, int]:
        """The configuration in which every pending read that fits has taken effect: that never forbids anything."""
        for number in candidates:
            one = self._history[number]
            if one.pure and not done >> number & 1 and self._step(state, one) is not IMPOSSIBLE:
                done |= 1 << number
        return state, done

    def until(self, configurations: set[tuple[S, int]], wanted: int) -> set[tuple[S, int]]:
        """All configurations that come of these by letting pending calls take effect, up to and with `wanted`."""
        found: set[tuple[S, int]] = set()
        seen = set(configurations)
        todo = list(configurations)
        while todo:
            state, done = todo.pop()
            if done >> wanted & 1:
                found.add((state, done))
                continue
            for number in self.pending:
                one = self._history[number]
                if done >> number & 1 or (one.pure and number != wanted):
                    continue
                after: Any = self._step(state, one)
                if after is IMPOSSIBLE:
                    continue
                more = self.eager(after, done | 1 << number, self.pending)
                if more not in seen:
                    if len(seen) >= MOST_CONFIGURATIONS:
                        raise TooHard
                    seen.add(more)
                    todo.append(more)
        return found
