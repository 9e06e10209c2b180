"""Reads that give something else than what was written there last, while the disk says that all is well.

`old`: what stood there before; `astray`: what lies at another place of the file; `rot`: a flipped bit; `short`: less.
"""

from __future__ import annotations

from random import Random

from tests.faults.medium import Cached

FRAME, LOG_HEADER = 24 + 4096, 32
"""Of SQLite's log: https://www.sqlite.org/fileformat2.html#walformat"""
PAGE = 4096


def rotten(data: bytes, chance: Random) -> bytes:
    """One bit flipped."""
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def stale(node: Cached, data: bytes, offset: int) -> bytes:
    """What stood there before the last write of each byte; what is there, where nothing did."""
    older = node.before[offset : offset + len(data)]
    return bytes(older) if len(older) == len(data) else data


def astray(data: bytes, offset: int, content: bytes, step: int, chance: Random) -> bytes:
    """What lies a whole number of `step` bytes away in a file that holds `content`."""
    places = range(offset % step, len(content) - len(data) + 1, step)
    if not places:
        return data
    start = chance.choice(places)
    return content[start : start + len(data)]


def short(data: bytes, chance: Random) -> bytes:
    """The beginning."""
    return data[: chance.randrange(len(data))]
