"""MinIO's ellipses: `/mnt/disk{1...8}` names eight drives.

`{START...END}` counts upwards in decimal, or in hexadecimal when a bound has a letter (`{a...f}`). A START with leading
zeros pads all numbers to its width (`{01...16}`). Several ellipses in one argument give every combination, the
leftmost turning slowest, so slots come in the order in which a person reads them.
https://min.io/docs/minio/linux/reference/minio-server/minio-server.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

MOST_DRIVES = 1024

_ELLIPSIS = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9a-fA-F]+)\.\.\.([0-9a-fA-F]+)\Z")


class ExpansionError(ValueError):
    """The argument cannot be expanded; the message says where and why."""


def expand(argument: str) -> list[str]:
    """All the paths that `argument` names, in order; an argument without braces names itself."""
    pieces = _ELLIPSIS.split(argument)
    if any(brace in piece for piece in pieces[::2] for brace in "{}"):
        raise ExpansionError(f"{argument!r}: a brace has no partner; ellipses look like {{1...8}}")
    choices = [[piece] if even else _count(piece, argument) for piece, even in _parity(pieces)]
    total = 1
    for choice in choices:
        total *= len(choice)
        if total > MOST_DRIVES:
            raise ExpansionError(f"{argument!r} names more than {MOST_DRIVES} drives")
    return ["".join(combination) for combination in itertools.product(*choices)]


def expand_all(arguments: Iterable[str]) -> list[Path]:
    """The drives' absolute paths for a command line. Raises ExpansionError, also for a path named twice."""
    paths: list[Path] = []
    for argument in arguments:
        if not argument:
            raise ExpansionError("a drive's path is empty")
        paths += [Path(path).absolute() for path in expand(argument)]
    for path in paths:
        if paths.count(path) > 1:
            raise ExpansionError(f"{path} is named twice: every drive needs a folder of its own")
    if not paths:
        raise ExpansionError("name at least one drive: a folder for each disk, for example /mnt/disk{1...4}")
    return paths


def _parity(pieces: list[str]) -> list[tuple[str, bool]]:
    return [(piece, number % 2 == 0) for number, piece in enumerate(pieces)]


def _count(text: str, argument: str) -> list[str]:
    match = _RANGE.match(text)
    if match is None:
        raise ExpansionError(f"{argument!r}: {{{text}}} is not a range; ellipses have three dots, as in {{1...8}}")
    first, last = match.groups()
    hexadecimal = not (first.isdigit() and last.isdigit())
    base, letter = (16, "x") if hexadecimal else (10, "d")
    start, end = int(first, base), int(last, base)
    if start > end:
        raise ExpansionError(f"{argument!r}: {{{text}}} counts down; write {{{last}...{first}}}")
    if end - start >= MOST_DRIVES:
        raise ExpansionError(f"{argument!r} names more than {MOST_DRIVES} drives")
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}{letter}}" if width else f"{number:{letter}}" for number in range(start, end + 1)]
