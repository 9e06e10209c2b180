"""A process that writes to a started deployment until it is killed: `python -m tests.catalog.writer ROOT NAME COUNT`.

It prints the number of each write once it is acknowledged, several at a time in flight.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from objstore.catalog.catalog import attach
from objstore.catalog.transaction import Transaction
from objstore.drives.pool import Pool

IN_FLIGHT = 8


async def write_all(root: Path, name: str, count: int) -> None:
    pool = Pool.open(sorted(root.glob("drive*")), strict=False)
    catalog = attach(pool, root / "runtime", strict=False)
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:

            def put(tx: Transaction, number: int = number) -> None:
                tx.run("INSERT INTO settings VALUES (?, ?)", f"{name}:{number}:a", os.urandom(500))
                tx.run("INSERT OR IGNORE INTO usage (bucket) VALUES (1)")
                tx.run("UPDATE usage SET objects = objects + 1 WHERE bucket = 1")
                tx.run("INSERT INTO settings VALUES (?, ?)", f"{name}:{number}:b", b"")

            await catalog.write(put)
            os.write(1, b"%d\n" % number)

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    catalog.close()
    pool.close()


if __name__ == "__main__":
    asyncio.run(write_all(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
