"""Drives that come back, as one process sees them: each return is looked through once, whoever notices it.

Every process of a server looks at every drive, and each notices a return for itself. The catalog counts how often a
drive was begun to be looked through. A process that sees a drive away notes that number; when the drive is back it has
it looked through only if the number is still the same, which is decided in the transaction. So what stood on the drive
while anybody saw it away is looked through from a beginning behind that moment, and others who saw no more add nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import CatalogError
from objstore.drives.drive import Drive
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import census
from objstore.store import repair

_THERE = (DriveState.ONLINE, DriveState.FAULTY)  # one that fails calls is still the drive that it was


class Returns:
    """What one process has seen of its drives; all of it on its event loop. `doubted` names those that another process
    has found faulty."""

    def __init__(self, pool: Pool, catalog: Catalog, doubted: Callable[[], Collection[str]] = tuple) -> None:
        self._pool, self._catalog, self._doubted = pool, catalog, doubted
        self._first = self._begun()
        # by slot, when a drive was last seen to be away from it
        self._away = {drive.path: self._first for drive in pool.drives if drive.state is not DriveState.ONLINE}
        self._waiting: dict[str, int | None] = {}  # None: to be looked through whatever was begun
        pool.on_change(self._changed)

    async def probe(self) -> None:
        """Look at all drives once."""
        await self._pool.probe(self._doubted())
        gone = [drive.path for drive in self._pool.drives if drive.state not in _THERE]
        if gone:
            self._away |= dict.fromkeys(gone, self._begun())

    def doubt(self, drives: Iterable[tuple[str, int]]) -> None:
        """Have drives looked through as if they had been away when each had been begun so many times."""
        self._waiting.update(drives)

    async def enter(self) -> None:
        """Have drives that are back looked through. Raises CatalogError; then they wait for the next time."""
        for drive, known in list(self._waiting.items()):
            await self._catalog.write(lambda tx, drive=drive, known=known: census.begin(tx, drive, known))  # type: ignore[misc]
            if self._waiting.get(drive) == known:  # else it was away once more
                self._waiting.pop(drive, None)

    def unverified(self) -> set[str]:
        """Drives that are back, on which something should be, and for which that is not entered yet."""
        waiting = list(self._waiting)  # this may be another thread
        return set(self._catalog.read(lambda tx: repair.holding(tx, waiting)))

    def _changed(self, drive: Drive, old: DriveState, new: DriveState) -> None:
        if new not in _THERE:
            self._away[drive.path] = self._begun()
        elif (
            new is DriveState.ONLINE
            and drive.id is not None
            and (old is not DriveState.FAULTY or drive.path in self._away)
        ):
            begun = self._away.pop(drive.path, self._first)
            self._waiting[drive.id] = None if begun is None else begun.get(drive.id, 0)

    def _begun(self) -> Mapping[str, int] | None:
        """How often each drive was begun to be looked through; None where that cannot be read."""
        try:
            return self._catalog.read(census.begun)
        except CatalogError:
            return None
