"""What a running store tells of itself, and what it is told: its drives, its health, new drives to take in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from objstore.client import ADMIN, Connection, StoreError, StoreRefused, ask
from objstore.kubernetes.kinds import Key

FRESH_S: Final = 2.0
"""An answer is good for so long: a status that it changes sets off another look at once."""
_JOINING: Final = ("joining",)


@dataclass(frozen=True)
class Health:
    """The answer of a store, or why there is none."""

    info: dict[str, Any] | None
    problem: str = ""

    @property
    def unsafe(self) -> str:
        """What is not as safe as promised, "" for nothing."""
        return ((self.info or {}).get("redundancy") or {}).get("problem") or ""

    @property
    def drives(self) -> list[dict[str, Any]]:
        return self.info["drives"] if self.info else []

    @property
    def joined(self) -> set[str]:
        """The paths of the drives in the pool."""
        return {one["path"] for one in self.drives if one["stage"] not in _JOINING}

    @property
    def joining(self) -> list[str]:
        """The paths of drives on their way into the pool."""
        return [one["path"] for one in self.drives if one["stage"] in _JOINING]


class Inquiries:
    """Asks stores, each no more often than an answer stays good."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Key, tuple[float, Health]] = {}

    async def health(self, key: Key, connection: Connection) -> Health:
        """How the store is."""
        asked, known = self._known.get(key, (0.0, None))
        if known is not None and self._clock() - asked < FRESH_S:
            return known
        try:
            found = Health(await asyncio.to_thread(ask, connection, f"{ADMIN}/info"))
        except StoreError as error:
            found = Health(None, str(error))
        self._known[key] = (self._clock(), found)
        return found

    def forget(self, key: Key) -> None:
        self._known.pop(key, None)

    async def grow(self, key: Key, connection: Connection, health: Health, paths: Sequence[str]) -> tuple[str, bool]:
        """Have the first of `paths` taken into the pool that is not in it, when no other is on its way: what is under
        way, "" for nothing, and whether that began now.

        The server takes an empty folder only that is a mount point as its other drives are: one whose volume is not
        there yet is refused.
        """
        if health.joining:
            return f"the store takes in {', '.join(health.joining)}", False
        missing = [path for path in paths if path not in health.joined]
        if not missing:
            return "", False
        try:
            await asyncio.to_thread(ask, connection, f"{ADMIN}/drives?{urlencode({'path': missing[0]})}", "POST")
        except StoreRefused as error:
            return f"{missing[0]} is not taken in yet: {error.message}", False
        except StoreError as error:
            return f"{missing[0]} is not taken in yet: {error}", False
        self.forget(key)
        return f"the store takes in {missing[0]}", True
