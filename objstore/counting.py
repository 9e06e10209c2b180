"""Numbers of things as people write them: `1 drive is`, `2 drives are`."""

from __future__ import annotations


def number_of(number: int, noun: str, plural: str = "") -> str:
    """`1 drive`, `1,024 drives`; the plural of `noun` has an s behind it, unless another one is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def are(number: int) -> str:
    """The verb that goes with so many."""
    return "is" if number == 1 else "are"
