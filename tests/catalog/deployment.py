"""A deployment on folders of a test: drives that can be lost and brought back, a catalog that can be stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import apsw

from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.mirror import FILE
from objstore.catalog.schema import MIGRATIONS
from objstore.catalog.startup import start
from objstore.catalog.transaction import Transaction
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.system import System

T = TypeVar("T")
TABLES = [sql.split()[2] for migration in MIGRATIONS for sql in migration if sql.startswith("CREATE TABLE")]


class Deployment:
    """`size` drives below `root`. `strict` syncs (off by default: tests of logic need none)."""

    def __init__(
        self,
        root: Path,
        size: int,
        parity: int | None = None,
        *,
        strict: bool = False,
        system: System | None = None,
        deadline: float = 5.0,
    ) -> None:
        self.root = root
        self.parity = parity
        self.strict = strict
        self.system = system
        self.deadline = deadline
        self.paths = [root / f"drive{number}" for number in range(size)]
        self.runtime = root / "runtime"
        self.runtime.mkdir(parents=True)
        format_new_drives(inspect(self.paths))
        self.pool: Pool
        self.catalog: Catalog

    def start(self, *, accept_loss: bool = False) -> Catalog:
        about: dict[str, Any] = {"strict": self.strict, "deadline": self.deadline, "system": self.system}
        self.pool = Pool.open(self.paths, parity=self.parity, **about)
        try:
            start(self.pool, self.runtime, strict=self.strict, accept_loss=accept_loss)
            self.catalog = attach(self.pool, self.runtime, strict=self.strict, settle=0.0)
        except BaseException:
            self.pool.close()
            raise
        return self.catalog

    def stop(self) -> None:
        self.catalog.close()
        self.pool.close()

    @contextlib.contextmanager
    def running(self, *, accept_loss: bool = False) -> Iterator[Catalog]:
        catalog = self.start(accept_loss=accept_loss)
        try:
            yield catalog
        finally:
            self.stop()

    # --- what a user does to drives

    def lose(self, *slots: int) -> None:
        for slot in slots:
            self.paths[slot].rename(self.root / f"lost{slot}")

    def bring_back(self, *slots: int) -> None:
        for slot in slots:
            (self.root / f"lost{slot}").rename(self.paths[slot])

    def notice(self) -> None:
        """What the server's probes and upkeep do in a second."""

        async def look() -> None:
            await self.pool.probe()
            await self.catalog.maintain()

        asyncio.run(look())

    # --- rows

    def write(self, function: Callable[[Transaction], T]) -> T:
        return asyncio.run(self.catalog.write(function))

    def put(self, name: str, value: bytes = b"") -> None:
        self.write(lambda tx: tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", name, value))

    def names(self) -> set[str]:
        return {row[0] for row in self.catalog.read(lambda tx: tx.all("SELECT name FROM settings"))}

    # --- mirrors

    def file(self, slot: int) -> Path:
        return self.paths[slot] / FILE

    def members(self) -> list[int]:
        """The slots of the members, leader first."""
        slots = {drive.id: slot for slot, drive in enumerate(self.pool.drives)}
        return [slots[member] for member in self.catalog.status().members]

    def assert_equal(self) -> None:
        """All members hold the same, down to the redo log, and there are as many as there should be."""
        status = self.catalog.status()
        assert len(status.members) == status.wanted, status
        first, *others = [contents(self.file(slot)) for slot in self.members()]
        for other in others:
            assert other == first


def replace_new_drives(deployment: Deployment) -> None:
    """What the jobs process does with empty folders."""

    async def run() -> None:
        await deployment.pool.probe()
        for drive in list(deployment.pool.drives):
            if drive.state == "new":
                await deployment.pool.format_new(drive)
        for _ in range(3):
            await deployment.catalog.maintain()

    asyncio.run(run())


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of a mirror."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        with connection:
            return {table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES}
    finally:
        connection.close()
