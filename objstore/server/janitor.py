"""The jobs process: watches the drives, and does the long work that no request should wait for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from objstore.blobs import running
from objstore.blobs.errors import BlobError
from objstore.catalog.errors import CatalogError, NoMirror, ReadOnly
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.state import DriveState
from objstore.iam import service_access
from objstore.jobs import (
    catalog_snapshots,
    census,
    inventory,
    lifecycle,
    log_delivery,
    membership,
    mirror_checks,
    scrub,
)
from objstore.jobs.compact import compact
from objstore.jobs.deliver import Deliveries
from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.pace import Budget, Pace
from objstore.jobs.reap import clear, reap
from objstore.jobs.relocate import balance, empty, homeless
from objstore.jobs.restripe import restripe
from objstore.jobs.seal import collect_orphans, seal_abandoned
from objstore.server import metrics
from objstore.server.children import Orders
from objstore.server.node import Node, open_node
from objstore.server.runtime import dead_instances, hold_instance, instance_lives, reads
from objstore.server.traffic import Clients
from objstore.store import balancing, parity, repair
from objstore.store.catalog_snapshots import Schedule, asked
from objstore.store.events.cause import Caused
from objstore.store.membership import Stage
from objstore.store.membership import courses as courses_of
from objstore.store.membership import emptying as emptying_of
from objstore.store.store import now_us
from objstore.store.types import Bucket, Owner
from objstore.targets.opening import open_target

_log = logging.getLogger(__name__)
_WATCH, _REAP, _LIFECYCLE, _COUNT, _DELIVER = 1.0, 5.0, 2.0, 1.0, 0.25
_MOVE, _MOVE_SECONDS = 1.0, 1.0  # shards are moved for so long, then everything is looked at anew
_SNAPSHOT, _SNAPSHOT_REST = 0.5, 60.0
_INVENTORY, _LOGS, _SCRUB, _HEAL, _COMPARE = 1.0, 1.0, 1.0, 1.0, 1.0
_SCRUB_REST = 4  # so many times as long as it took to look through a blob, at least
_SOONEST = 0.25
_MENDING = 8  # attempts to mend what a scrub found
_LONGEST_WAIT = 10  # rounds of watching


class Janitor:
    """The loops of the jobs process over one node. `clients` tells whether any are there, for whom it rests."""

    def __init__(self, node: Node, runtime: Path, grace: float, *, clients: Callable[[], bool] = lambda: True) -> None:
        self._node = node
        self._runtime = runtime
        self._grace = grace
        self._waited = 0
        # a start, or what made a snapshot fail, has other things to do first than what can wait a minute
        self._quiet_until = time.monotonic() + min(_SNAPSHOT_REST, node.settings.catalog_snapshots.interval)
        self._compacted = b""  # the blob that the walk over all of them has come to
        # of all that moves bytes beside requests
        budget = Budget(node.settings.heal_share, clients=clients, told=metrics.rests.inc)
        self._healing, self._mending, self._moving, self._restriping, self._compacting = (
            Pace(budget) for _ in range(5)
        )
        # while a shard is made and not yet recorded: nothing of its blob is given back, nothing taken for an orphan
        self._placing = asyncio.Lock()
        settings = node.settings
        self._deliveries = Deliveries(
            node.catalog,
            settings.targets,
            lambda entry: open_target(entry, settings.outbound_allow),
            outbound=settings.outbound_allow,
            region=settings.region,
            keep=settings.events_kept,
        )
        self._dead: set[bytes] = set()
        self._unswept: set[Drive] = set(node.pool.online())
        self._not_healed: dict[tuple[bytes, int], str] = {}
        node.pool.on_change(self._drive_changed)

    def _lives(self, instance: bytes) -> bool:
        return instance_lives(self._runtime, instance)

    def _drive_changed(self, drive: Drive, _: DriveState, new: DriveState) -> None:
        if new is DriveState.ONLINE:
            self._unswept.add(drive)

    async def watch(self) -> bool:
        """Drives: take in new ones. Catalog: recruit mirrors, move logs. Queue what lost drives held. Whether a drive
        came a step further: then the next one follows at once."""
        node = self._node
        before = self._steps()
        await node.returns.probe()
        await node.reports.flush()
        await node.follow()
        if node.read_only_reason() is None:
            await membership.carry_out(node.pool, node.catalog, node.holds.hold, node.settings.parity)
        promised = membership.joining(node.catalog)
        new = [drive for drive in node.pool.drives if drive.state is DriveState.NEW]
        for drive in [drive for drive in new if str(drive.path) not in promised]:
            made = await node.pool.format_new(drive)
            node.holds.hold(made)
            with contextlib.suppress(CatalogError):  # then it is looked through for nothing
                await node.catalog.write(lambda tx, made=made: census.fresh(tx, made.id or ""))  # type: ignore[misc]
        for drive in node.pool.online():
            with contextlib.suppress(DriveError):
                await drive.keep_ballast()
        await node.catalog.maintain()
        if node.read_only_reason() is None:
            await queue_lost(node.pool, node.catalog)
            await node.returns.enter()
        return self._steps() != before

    def _steps(self) -> tuple[object, ...]:
        """How far drives have come that join or leave, and another parity."""
        catalog = self._node.catalog
        return catalog.ballot().epoch, catalog.read(courses_of), catalog.read(parity.wanted)

    async def heal(self) -> None:
        """Make again what shards lack, and look through drives that came back, for a share of the time."""
        node = self._node
        if node.read_only_reason() is None and not self._mirrors_come_first():
            self._healing.begin()
            await heal(
                node.pool, node.catalog, node.blobs, placing=self._placing, pace=self._healing, told=self._not_healed
            )
            await census.look_through(node.catalog, node.blobs, self._healing)

    def _mirrors_come_first(self) -> bool:
        """Whether healing waits: the catalog is mirrored again first, unless that takes long."""
        status = self._node.catalog.status()
        short = len(status.members) < min(status.wanted, len(self._node.pool.online()))
        self._waited = self._waited + 1 if short else 0
        return 0 < self._waited <= _LONGEST_WAIT

    async def sweep(self) -> None:
        """Seal what dead instances left, collect orphans of drives that are new here, give space back."""
        node = self._node
        if node.read_only_reason() is not None:
            return
        await node.catalog.settled()  # who made files before this process may have died in the commit that enters them
        if await seal_abandoned(node.catalog, node.blobs, self._lives) or self._somebody_died():
            self._unswept.update(node.pool.online())
        drives, self._unswept = self._unswept, set()
        try:
            async with self._placing:
                await collect_orphans(node.catalog, drives, self._lives)
        except BaseException:
            self._unswept |= drives
            raise
        await reap(node.catalog, node.blobs, self._grace, self._oldest_read, placing=self._placing)
        async with self._placing:
            await clear(node.catalog, node.pool)
        self._compacting.begin()
        age = node.settings.compact_age
        self._compacted, _ = await compact(
            node.pool, node.catalog, node.blobs, self._compacted, old_seconds=age, pace=self._compacting
        )

    def _oldest_read(self) -> int | None:
        return running.oldest(reads(self._runtime), self._lives)

    def _somebody_died(self) -> bool:
        """Whether an instance has ended since the last call: what it never published is left on the drives."""
        before, self._dead = self._dead, dead_instances(self._runtime)
        return bool(self._dead - before)

    async def compare(self) -> None:
        """Compare the catalog's mirrors: at once where they contradict each other, and otherwise every day."""
        catalog = self._node.catalog
        due = time.monotonic() >= self._quiet_until and catalog.read(lambda tx: mirror_checks.due(tx, now_us()))
        if catalog.doubted or (due and self._node.read_only_reason() is None):
            await mirror_checks.compare(catalog, now_us())

    async def scrub(self) -> None:
        """Look through one blob after the other, so that a round takes its period, or at once where that is wanted."""
        node, period = self._node, self._node.settings.scrub_period
        while node.read_only_reason() is None:
            began = time.monotonic()
            if await scrub.scrub(node.catalog, node.blobs, now_us(), period, self._mend) is None:
                return
            earliest = began + (time.monotonic() - began) * (1 + _SCRUB_REST)
            while (rest := self._ahead(earliest, period)) > 0:  # noqa: ASYNC110 - an order in the catalog ends it
                await asyncio.sleep(min(rest, _SCRUB))

    def _ahead(self, earliest: float, period: float) -> float:
        """Seconds for which a scrub has time; none where a round is wanted now."""
        at, want = self._node.catalog.read(lambda tx: (scrub.standing(tx), scrub.wanted(tx)))
        if at is None or want >= at.began_us:
            return 0.0
        return max(earliest - time.monotonic(), at.ahead(now_us(), period))

    async def _mend(self) -> None:
        """Mend what a scrub found: mirrors, and shards. A blob that is open is sealed by its worker first, soon."""
        node = self._node
        await node.reports.flush()  # a heal may have met the same damage: told later, it would be queued once more
        for _ in range(_MENDING):
            await node.catalog.maintain()
            self._mending.begin()
            await heal(node.pool, node.catalog, node.blobs, placing=self._placing, pace=self._mending)
            status = node.catalog.status()
            short = len(status.members) < min(status.wanted, len(node.pool.online()))
            if not short and not node.catalog.read(lambda tx: repair.missing_shards(tx, limit=1, sealed=False)):
                break
            await asyncio.sleep(_WATCH)

    async def move(self) -> bool:
        """Empty drives that are to leave, bring blobs to drives that hold fewer, a while at a time, for a share of it;
        whether there may be more to do."""
        node = self._node
        if node.read_only_reason() is not None:
            return False
        await node.follow()  # else what leaves a drive that is to be emptied might be laid out on it again
        self._moving.begin()
        end = time.monotonic() + _MOVE_SECONDS

        def proceed() -> bool:
            return time.monotonic() < end

        courses = node.catalog.read(courses_of)
        draining = [drive for drive, course in courses.items() if course.stage is Stage.DRAINING]
        rooms = (node.pool, node.catalog, node.blobs)
        for drive in [*draining, *homeless(node.pool, node.catalog)]:
            moved = await empty(*rooms, drive, proceed, placing=self._placing, pace=self._moving)
            await membership.tell_problem(node.catalog, drive, moved.problem)
        emptying = node.catalog.read(emptying_of)
        while not emptying and proceed() and node.catalog.read(balancing.standing) is not None:
            await balance(*rooms, proceed, placing=self._placing, pace=self._moving)
        return not proceed()

    async def restripe(self) -> bool:
        """Bring what is stored to the geometry of today, a while at a time, for a share of it; whether there may be
        more to do."""
        node, end = self._node, time.monotonic() + _MOVE_SECONDS
        if node.read_only_reason() is not None:
            return False
        self._restriping.begin()
        classes, pace = node.store.storage_classes, self._restriping
        await restripe(node.pool, node.catalog, node.blobs, classes, lambda: time.monotonic() < end, pace=pace)
        return time.monotonic() >= end

    async def snapshot(self) -> None:
        """Take a snapshot of the catalog where one is due."""
        node, kept = self._node, self._node.settings.catalog_snapshots
        if node.read_only_reason() is not None:
            return
        if time.monotonic() < self._quiet_until and not node.catalog.read(asked):
            return
        self._quiet_until = time.monotonic() + min(_SNAPSHOT_REST, kept.interval)
        try:
            await catalog_snapshots.run(node.catalog, node.blobs, Schedule(kept.interval, kept.hourly, kept.daily))
            self._quiet_until = 0.0
        except (BlobError, CatalogError, DriveError) as error:
            _log.warning("no snapshot of the catalog was taken: %s", error)

    async def lifecycle(self) -> None:
        """Do what the rules of buckets let become due."""
        if self._node.read_only_reason() is None:
            await lifecycle.run(Caused(self._node.catalog), self._node.store)

    async def deliver(self) -> None:
        """See to it that events leave for their targets."""
        if self._node.read_only_reason() is None:
            await self._deliveries.start_pumps()

    async def close(self) -> None:
        """Stop what runs beside the loops."""
        await self._deliveries.close()

    async def count(self) -> None:
        """Count what there is for quotas that are new, and give back what deleted snapshots kept, some at a time beside
        all other commits."""
        while self._node.read_only_reason() is None and await self._node.store.count_quotas():
            pass
        while self._node.read_only_reason() is None and await self._node.store.views.purge():
            pass

    async def inventory(self) -> None:
        """Make the inventory lists that are due."""
        if self._node.read_only_reason() is None:
            await inventory.run(self._node.store, self._node.envelopes, self._may_write_list, self._owns)

    def _owns(self, account: str, bucket: Bucket) -> bool:
        return account in (bucket.owner.id, self._account_of(bucket.owner))

    def _may_write_list(self, source: Bucket, target: Bucket, key: str) -> bool:
        account = self._account_of(source.owner)
        return service_access.may_write(service_access.INVENTORY, source, account, target, [key])

    async def deliver_logs(self) -> None:
        """Write out the lines of access logs that have waited long enough."""
        node = self._node
        if node.read_only_reason() is None:
            await log_delivery.deliver(
                node.catalog,
                node.store,
                node.envelopes,
                interval_us=int(node.settings.log_delivery * 1_000_000),
                region=node.settings.region,
                account_of=self._account_of,
            )

    def _account_of(self, owner: Owner) -> str:
        return self._node.identities.account_of(owner.id) or owner.id


async def work(orders: Orders) -> None:
    """Run the loops until cancelled."""
    runtime = orders.runtime
    node = await open_node(orders.settings, runtime, orders.commits)
    hold_instance(runtime, node.instance)
    node.returns.doubt(orders.doubtful)
    janitor = Janitor(node, runtime, orders.settings.reap_grace, clients=Clients(orders.traffic))
    try:
        await asyncio.gather(
            _forever(janitor.watch, _WATCH),
            _forever(janitor.heal, _HEAL),
            _forever(janitor.sweep, min(_REAP, max(_SOONEST, orders.settings.reap_grace))),
            _forever(janitor.compare, _COMPARE),
            _forever(janitor.scrub, _SCRUB),
            _forever(janitor.move, _MOVE),
            _forever(janitor.restripe, _MOVE),
            _forever(janitor.snapshot, _SNAPSHOT),
            _forever(janitor.lifecycle, _LIFECYCLE),
            _forever(janitor.count, _COUNT),
            _forever(janitor.deliver, _DELIVER),
            _forever(janitor.inventory, _INVENTORY),
            _forever(janitor.deliver_logs, _LOGS),
        )
    finally:
        await janitor.close()
        await node.close()


async def _forever(job: Callable[[], Awaitable[bool | None]], seconds: float) -> None:
    """Again and again, `seconds` after it ended, or at once where it says that there is more to do."""
    waited_for = ""
    while True:
        try:
            if await job():
                continue
            waited_for = ""
        except asyncio.CancelledError:
            raise
        except (NoMirror, ReadOnly) as error:  # no fault of the job's
            if str(error) != waited_for:
                _log.warning("a job waits: %s", error)
            waited_for = str(error)
        except Exception:
            _log.exception("a job failed; it is tried again")
        await asyncio.sleep(seconds)
