"""Parity for administrators: `/-/admin/v1/parity`.

GET tells which parity new objects get. PUT with `parity` asks for another one: the answer says that it is wanted. It is
in force when GET says so, and within a second of that in every process.
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.counting import number_of
from objstore.server.accounts import missing
from objstore.server.admin_api import Parameters
from objstore.server.node import Node
from objstore.store import membership, parity

MOST = 8


class ParityPages:
    """What the admin API answers of parity."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, method: str, given: Parameters) -> Any:
        node = self._node
        if method == "PUT":
            await node.catalog.write(lambda tx: parity.want(tx, self._possible(tx, given.get("parity"))))
        await node.follow()
        return {"parity": node.pool.parity, "wanted": node.catalog.read(parity.wanted)}

    def _possible(self, tx: Transaction, text: str | None) -> int:
        """The parity asked for. Raises AwsError where it cannot be: with drives that are asked to leave just now."""
        if text is None:
            raise missing("parity")
        node, told = self._node, self._node.settings.parity
        drives = len(membership.staying(tx, node.catalog.ballot().drives))
        most = min(MOST, drives // 2)
        if not text.isdecimal() or int(text) > most:
            raise AwsError(
                "InvalidRequest", f"parity is from 0 to {most}, half of the {number_of(drives, 'drive')} to stay."
            )
        if told is not None and told != int(text):
            raise AwsError(
                "InvalidRequest",
                f"The settings of the server say parity {told}: change it there and start it again, or leave it out"
                " there and let the store keep it.",
            )
        return int(text)
