"""Drives for administrators: `/-/admin/v1/drives`.

GET tells of all drives. POST adds the empty folder at `path`, in the place of the drive `replaces` where that is given.
PUT with `action` drain has `drive` (an id, or a path) emptied, and removed then where `remove` is true; keep lets it
stay. DELETE removes a drive that is empty, or, with `accept_loss`, one that is lost. Answers say what is under way: it
is in the catalog then, and goes on by itself.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.counting import number_of
from objstore.drives.format import new_id
from objstore.drives.inspection import inspect
from objstore.drives.state import DriveState
from objstore.server.accounts import flag, missing
from objstore.server.admin_api import Parameters
from objstore.server.inventory import DriveView
from objstore.server.node import Node
from objstore.store import membership, redundancy, repair
from objstore.store import parity as parity_of
from objstore.store.membership import Refused, Stage
from objstore.store.store import now_us

_FALSE: Final = {"remove": "false", "accept_loss": "false"}


class DrivePages:
    """What the admin API answers of drives."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, method: str, given: Parameters) -> Any:
        given = _FALSE | dict(given)
        try:
            if method == "POST":
                await self._add(given)
            elif method == "PUT":
                await self._change(given)
            elif method == "DELETE":
                await self._remove(given)
        except Refused as error:
            raise AwsError("InvalidRequest", f"{error}.") from None
        return await overview(self._node)

    async def _add(self, given: Parameters) -> None:
        path, replaces = given.get("path"), given.get("replaces")
        if path is None:
            raise missing("path")
        if not Path(path).is_absolute():
            raise Refused(f"{path} is not an absolute path")
        replaced = self._known(replaces)[0] if replaces is not None else ""
        place = str(Path(os.path.normpath(path)))
        await self._require_empty(Path(place))
        drive, now = new_id(), now_us()

        def join(tx: Transaction) -> None:
            if replaced:
                self._require_enough(tx, replaced, more=1)
            membership.join(tx, drive, place, now, replaced)

        await self._node.catalog.write(join)

    async def _require_empty(self, path: Path) -> None:
        """Raise Refused unless the folder can be made a drive."""
        pool = self._node.pool
        if path in [drive.path for drive in pool.drives]:
            raise Refused(f"{path} is a drive of this deployment already")
        paths = [*(drive.path for drive in pool.drives), path]
        found = await asyncio.to_thread(
            inspect, paths, deployment=pool.deployment, deadline=self._node.settings.drive_deadline
        )
        if found[-1].state is not DriveState.NEW:
            raise Refused(f"{path} {found[-1].problem or 'is a drive already'}")

    async def _change(self, given: Parameters) -> None:
        drive, path = self._known(given.get("drive"))
        action, now = given.get("action"), now_us()
        if action == "keep":
            await self._node.catalog.write(lambda tx: membership.keep(tx, drive, path))
        elif action == "drain":
            leave = flag(given, "remove")
            await self._require_room(drive, path)

            def drain(tx: Transaction) -> None:
                _require_restriped(tx, self._require_enough(tx, drive))
                membership.drain(tx, drive, path, now, leave=leave)

            await self._node.catalog.write(drain)
        else:
            raise AwsError("InvalidArgument", "action is drain or keep.", ArgumentName="action")

    async def _remove(self, given: Parameters) -> None:
        drive, path = self._known(given.get("drive"), joining=True)
        loss, node, now = flag(given, "accept_loss"), self._node, now_us()
        ballot = node.catalog.ballot()
        if drive in ballot.drives and drive in ballot.members and not loss:
            raise Refused(f"{path} holds a mirror of the catalog: drain it first")
        if loss:
            there = {one.id for one in node.pool.online() if one.id}
            lost = await asyncio.to_thread(node.catalog.read, lambda tx: repair.uncovered(tx, drive, there))
            if lost:
                raise Refused(
                    f"{number_of(lost, 'container')} of bytes could not be read without {path}, or not before other"
                    " drives come back or are healed: bring them back, wait until nothing is to be healed, or drain it"
                )

        def leave(tx: Transaction) -> None:
            if drive in node.catalog.ballot().drives:  # it may have joined meanwhile
                self._require_enough(tx, drive)
            membership.leave(tx, drive, path, now, empty=not loss)

        await node.catalog.write(leave)

    def _known(self, named: str | None, *, joining: bool = False) -> tuple[str, str]:
        """A drive of this deployment by its id or path, as (id, path)."""
        if named is None:
            raise missing("drive")
        places = dict(self._node.catalog.ballot().places)
        places |= {drive.id: str(drive.path) for drive in self._node.pool.drives if drive.id in places}
        if joining:
            courses = self._node.catalog.read(membership.courses)
            places |= {drive: one.path for drive, one in courses.items() if one.stage is Stage.JOINING}
        for drive, path in places.items():
            if drive is not None and named in (drive, path):
                return drive, path
        raise AwsError("NoSuchEntity", f"{named} is no drive of this deployment.")

    def _require_enough(self, tx: Transaction, drive: str, more: int = 0) -> int:
        """How many drives would stay. Raises Refused where these are too few. In the transaction that enters what is
        asked for, or of two drives at a time each would stay for the other."""
        node = self._node
        ballot = node.catalog.ballot()
        stay = len(membership.staying(tx, ballot.drives) - {drive}) + more
        wanted = parity_of.wanted(tx) or 0
        parity = max(ballot.parity, wanted, *node.store.storage_classes.values())
        if stay < max(1, 2 * parity):
            raise Refused(
                f"{number_of(stay, 'drive')} would stay, parity {parity} needs {max(1, 2 * parity)}: add a drive first,"
                " or lower it (objstore admin parity)"
            )
        return stay

    async def _require_room(self, drive: str, path: str) -> None:
        """Raise Refused where the other drives have not the room for what it holds."""
        held = await asyncio.to_thread(self._node.catalog.read, lambda tx: membership.held(tx, drive))
        spare = sum(max(0, one.usage.spare) for one in self._node.pool.writable() if one.id != drive)
        if spare < held.bytes:
            raise Refused(
                f"{path} holds {held.bytes} bytes and the other drives have room for {spare}: add drives first"
            )


def _require_restriped(tx: Transaction, stay: int) -> None:
    """Raise Refused where something was stored with so much parity, before that was lowered, that the drives that stay
    are too few for it."""
    parity = redundancy.greatest(tx)
    if stay <= parity:
        raise Refused(
            f"{number_of(stay, 'drive')} would stay, what was stored with parity {parity} needs {parity + 1}: bring it"
            " to today's first (objstore admin restripe --wait)"
        )


async def overview(node: Node) -> dict[str, Any]:
    """All drives, those that are about to join or leave too, whichever process answers; and how many bytes are about to
    be moved between them."""
    inventory = await node.inventory()
    known = {drive.id for drive in inventory.drives}
    courses = node.catalog.read(membership.courses)
    waiting = [
        DriveView(course.path, drive, DriveState.NEW, 0, 0, False, course.problem or None, course.stage)
        for drive, course in courses.items()
        if course.stage in (Stage.JOINING, Stage.LEAVING) and drive not in known
    ]
    return {"drives": [*inventory.drives, *waiting], "rebalancing": inventory.rebalancing}
