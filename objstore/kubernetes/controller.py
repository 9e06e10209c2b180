"""What a controller is: it brings what is there to what an object asks for, whatever happened in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from objstore.kubernetes.kinds import Body, Key, Kind


class Refused(Exception):
    """What an object asks for cannot be, and trying again will not help. `reason` is one CamelCase word.

    Controllers report it on the object; it never leaves `reconcile`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Controller(Protocol):
    """Reconciles the objects of one kind. It looks at what is there now, never at what an event said."""

    @property
    def kind(self) -> Kind:
        """What it reconciles."""

    @property
    def watches(self) -> Mapping[Kind, Callable[[Body], Iterable[Key]]]:
        """Other kinds, and the keys of this controller's objects that a change of one concerns."""

    async def reconcile(self, key: Key) -> float | None:
        """Make it so. Seconds after which to look again without being told, None for never.

        What it raises is logged, and tried again later and later.
        """
