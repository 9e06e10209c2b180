"""When what is settled is looked at again, though nobody said that anything changed.

The cluster tells of every change of its objects; a store does not tell who changed a quota or a policy there by hand.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from objstore.kubernetes.kinds import Key


def spread(seconds: float) -> float | None:
    """Seconds until the next look: about so many, so that objects which were settled at once are not looked at again
    at once. None for never, where that is 0."""
    return seconds * random.uniform(0.75, 1.25) if seconds > 0 else None


@dataclass(frozen=True)
class _Look:
    version: Any
    due: float


class Settled:
    """Which objects were found to be as they should, in which version, and when each is to be looked at again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[Key, _Look] = {}

    def note(self, key: Key, version: Any) -> float | None:
        """It is as it should in this version; seconds until it is to be looked at again."""
        again = spread(self._seconds)
        self._known[key] = _Look(version, float("inf") if again is None else time.monotonic() + again)
        return again

    def holds(self, key: Key, version: Any) -> bool:
        """Whether it is of that version still, and not to be looked at yet."""
        known = self._known.get(key)
        return known is not None and known.version == version and time.monotonic() < known.due

    def left(self, key: Key) -> float | None:
        """Seconds until it is to be looked at again, None for never."""
        known = self._known.get(key)
        return None if known is None or known.due == float("inf") else max(0.0, known.due - time.monotonic())

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)
