"""Bytes as people write and read them."""

from __future__ import annotations

import re

_TEXT = re.compile(r"(\d+(?:\.\d+)?) ?(?:([KMGTP])(i?))?B?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def size(number: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"


def parse(text: str) -> int:
    """`500`, `10 GB` (10^9) or `1.5GiB` (2^30) in bytes. Raises ValueError."""
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size such as 500, 10GB or 1.5GiB")
    number, unit, binary = found.groups(default="")
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()]) if unit else int(float(number))
