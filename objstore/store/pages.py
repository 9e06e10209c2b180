"""Reads of the catalog that take longer than the event loop may wait: pages of listings, counts of all there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from objstore.catalog.transaction import Transaction

if TYPE_CHECKING:
    from objstore.store.events.cause import Caused

T = TypeVar("T")


class Pages:
    """A few threads on which a catalog is read."""

    def __init__(self, catalog: Caused) -> None:
        self._catalog = catalog
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pages")

    async def read(self, look: Callable[[Transaction], T]) -> T:
        """What `look` finds, in one snapshot."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._catalog.read, look)
