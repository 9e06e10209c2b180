"""Names that Kubernetes makes longer than a store takes them."""

from __future__ import annotations

import hashlib
from typing import Final

MOST_ACCOUNT: Final = 128
MOST_USER: Final = 64
MOST_SID: Final = 64
MOST_BUCKET: Final = 63
_DIGITS: Final = 12


def fitting(name: str, most: int) -> str:
    """The name, or where it is longer its beginning and a hash of all of it: as unique, and the same every time."""
    if len(name) <= most:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{name[: most - _DIGITS - 1].rstrip('-.')}-{digest}"
