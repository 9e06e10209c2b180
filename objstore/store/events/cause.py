"""Who caused what a transaction does: told by the request, or by a job, to the events that the transaction enters.

It travels in a context variable from the request's task to the transaction function on the catalog's thread, so that no
verb of the store has to pass it on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from objstore.catalog.catalog import Catalog
    from objstore.catalog.transaction import Transaction

T = TypeVar("T")


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """Who asked (`principal`, as AWS shows it), from which address, in which request.

    `way` is how, where that makes it another event: "form" or "lifecycle".
    """

    principal: str = ""
    address: str = ""
    request_id: str = ""
    way: str = ""


NOBODY = Cause()
CAUSE: ContextVar[Cause] = ContextVar("cause", default=NOBODY)


class Caused:
    """A catalog whose transaction functions know the cause that was set where `write` was called."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.read = catalog.read
        self.require_room = catalog.require_room

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """As `Catalog.write`."""
        cause = CAUSE.get()
        if cause is NOBODY:
            return await self._catalog.write(function)

        def run(tx: Transaction) -> T:
            token = CAUSE.set(cause)
            try:
                return function(tx)
            finally:
                CAUSE.reset(token)

        return await self._catalog.write(run)
