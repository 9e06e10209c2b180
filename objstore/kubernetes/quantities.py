"""Kubernetes quantities such as `2G`, `1Ti` and `100k`, exactly, as whole numbers.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

PATTERN: Final = r"^[+]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)(([KMGTPE]i)|[munkMGTPE]|([eE][+-]?[0-9]+))?$"
"""What a quantity of something that is not negative looks like, for schemas."""

MOST: Final = 2**63 - 1
MOST_CHARACTERS: Final = 256

_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY: Final = re.compile(
    r"""(?P<sign>[+-]?)
        (?P<whole>[0-9]*) (?:\.(?P<part>[0-9]*))?
        (?: [eE](?P<exponent>[+-]?[0-9]+) | (?P<suffix>[KMGTPE]i|[numkMGTPE]?) )""",
    re.VERBOSE,
)
_MOST_POWER: Final = 4 * MOST_CHARACTERS  # beyond it either way, the answer is the largest number or the smallest


class QuantityError(ValueError):
    """A text that is no quantity."""


def parse(text: str | int) -> int:
    """The whole number that a quantity stands for: fractions are rounded away from zero, and what is beyond 2^63 - 1 is
    that, as `resource.Quantity.Value()` has it. Raises QuantityError.
    """
    text = str(text)
    match = _QUANTITY.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if match is None or not (match["whole"] or match["part"]):
        raise QuantityError(f"{text[:64]!r} is no quantity such as 1000, 2G or 1Ti")
    part = match["part"] or ""
    mantissa = int((match["whole"] or "0") + part)
    size = min(-(-mantissa * _scale(match["exponent"], match["suffix"], len(part)) // 1), MOST)
    return -size if match["sign"] == "-" else size


def _scale(exponent: str | None, suffix: str | None, decimals: int) -> Fraction:
    """What the digits, read without their point, are multiplied by."""
    if suffix in _BINARY:
        return Fraction(1024 ** _BINARY[suffix], 10**decimals)
    power = (_DECIMAL[suffix or ""] if exponent is None else int(exponent)) - decimals
    power = max(-_MOST_POWER, min(_MOST_POWER, power))
    return Fraction(10**power) if power >= 0 else Fraction(1, 10**-power)
