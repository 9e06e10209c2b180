"""One deliberate bug."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """`old` in `file` becomes `new`; `tests` are what pytest is given."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
