"""On which drives a new blob goes: distinct ones, weighted by free space, in random order.

A drive with twice the free space of another is chosen twice as often, so drives of different sizes and drives added
later fill up evenly. The order matters too: reads prefer the data shards, so which drive holds them is drawn anew for
every blob. (Weighted sampling without replacement: Efraimidis and Spirakis, Information Processing Letters 97, 2006.)
"""

import math
import random
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Space(Protocol):
    """Bytes of a file system; `spare` is what is free beside the reserve."""

    @property
    def free(self) -> int: ...
    @property
    def spare(self) -> int: ...


class HasSpace(Protocol):
    """What placement needs to know of a drive."""

    @property
    def usage(self) -> Space: ...


D = TypeVar("D", bound=HasSpace)


def roomy(drives: Sequence[D], needed: int = 0) -> list[D]:
    """The drives with room for `needed` more bytes beside the reserve."""
    return [drive for drive in drives if drive.usage.spare >= needed]


def place(drives: Sequence[D], width: int, rng: random.Random) -> list[D]:
    """`width` distinct drives by shard index. `drives` must have so many."""
    assert width <= len(drives), "a layout is no wider than the drives it was chosen for"

    def rank(drive: D) -> float:
        return -math.log(1.0 - rng.random()) / max(1, drive.usage.free)

    chosen = sorted(drives, key=rank)[:width]
    rng.shuffle(chosen)
    return chosen
