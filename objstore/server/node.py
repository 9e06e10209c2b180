"""What every process of a server opens: the drives, the catalog, the blobs and the store over them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import objstore.iam.api.operations
from objstore import __version__
from objstore.aws.attempts import Attempts
from objstore.aws.delivery import Limits as WireLimits
from objstore.aws.endpoint import Endpoint
from objstore.aws.exchange import Exchange
from objstore.aws.operation import Call
from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.blobs.running import Running
from objstore.catalog.ballots import residents
from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.counting import are, number_of
from objstore.drives.drive import Drive
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.iam import ownership
from objstore.iam.context import Context
from objstore.iam.destinations import Destinations
from objstore.iam.federation.federation import Federation
from objstore.iam.federation.issuers import Issuers
from objstore.iam.gate import authorise
from objstore.iam.identities.resolver import Identities
from objstore.iam.users import Users
from objstore.jobs import census, membership, relocate, scrub
from objstore.kms import keyring, master
from objstore.outbound.addresses import AllowList
from objstore.s3 import cross_origin
from objstore.s3.website.hosts import Hosts
from objstore.s3.website.site import Site
from objstore.server import credentials, engines, metrics
from objstore.server.access import AccessLog
from objstore.server.faults import Faults
from objstore.server.holds import Holds
from objstore.server.inventory import BlobsView, DriveView, Healing, Inventory, RedundancyView, Restriping, ScrubView
from objstore.server.recorder import Recorder
from objstore.server.refusals import Refusals
from objstore.server.returns import Returns
from objstore.server.runtime import reads
from objstore.server.settings import Settings, SettingsError
from objstore.store import catalog_snapshots, extents, redundancy, repair, restriping, settling
from objstore.store.events import outbox
from objstore.store.events.cause import CAUSE, Cause
from objstore.store.redundancy import Redundancy
from objstore.store.reports import Reports
from objstore.store.store import Store, now_us
from objstore.store.types import Version

import objstore.iam.sts.operations  # isort: skip - importing them registers the operations
import objstore.s3.operations

import objstore.sns.operations  # noqa: F401  isort: skip


# Longer than any process takes to notice a drive that came back.
_SETTLE_SECONDS = 2.0


class Node:
    """The rooms of one process, opened and joined. Make it with `open_node`."""

    def __init__(self, settings: Settings, pool: Pool, catalog: Catalog, runtime: Path) -> None:
        self.settings = settings
        self.pool = pool
        self.catalog = catalog
        self.runtime = runtime
        self.instance = new_instance()
        self.holds = Holds(pool)
        self._tasks: set[asyncio.Task[None]] = set()
        self._following = asyncio.Lock()
        self.reports = Reports(catalog)
        self.blobs = Blobs(
            pool,
            instance=self.instance,
            lookup=lambda blob: catalog.read(lambda tx: repair.blob(tx, blob)),
            damaged=self.reports.damaged,
            opened=lambda info: catalog.write(lambda tx: extents.enter(tx, info)),
            sealed=self.reports.sealed,
            left=self.reports.left,
            unpublished=self.reports.unpublished,
            running=Running(reads(runtime), self.instance),
            moved=lambda extent: catalog.read(lambda tx: extents.moved(tx, extent)),
            meet=self._meet,
        )
        self.returns = Returns(pool, catalog, Faults(pool, runtime).heard)
        pool.on_change(self._drive_changed)
        self.store = Store(catalog, self.blobs, classes=settings.storage_classes, unpublished=self.reports.unpublished)
        key = master.parse(settings.master_key) if settings.master_key else catalog.read(master.stored)
        if key is None:
            raise SettingsError("the catalog holds no master key: the supervisor makes one")
        self.master_key = key
        user, password = credentials.given(settings) or catalog.read(credentials.stored(key)) or ("", "")
        if not user:
            raise SettingsError("the catalog holds no root credentials: the supervisor makes them")
        self.users = Users(user, password, settings.users)
        self.keyring = keyring.of_catalog(catalog.read, key)
        self.envelopes, self._vault = engines.assembled(settings.kms, self.keyring)
        self.identities = Identities(catalog, key, self.users)
        self.federation = _federation(settings)
        limits = settings.limits
        self.attempts = Attempts(limits.failed_signatures, limits.failed_signatures_burst, told=Refusals())
        self.recorder = Recorder(catalog, self.store)

    def context(self, settings: Settings) -> Context:
        """What every handler is given."""
        # New buckets are ObjectWriter's without saying so, unless told otherwise.
        controls = "" if settings.object_ownership == ownership.WRITER else settings.object_ownership
        return Context(
            self.store,
            self.users,
            settings.region,
            controls,
            identities=self.identities,
            lifecycle_day=settings.lifecycle_day,
            events=Destinations(settings.targets, settings.outbound_allow),
            envelopes=self.envelopes,
            keys_over_http=settings.sse_c_over_http,
            federation=self.federation,
            attempts=self.attempts,
            redundancy=self.redundancy_of,
        )

    def endpoint(self, settings: Settings, log: AccessLog) -> Endpoint:
        """AWS's wire over this node's store."""
        idle, hosts = settings.limits.idle_seconds, Hosts(settings.website_domains, settings.website_hosts)
        return Endpoint(
            self.context(settings),
            credentials=self.identities.credential,
            sessions=self.identities.session,
            attempts=self.attempts,
            gate=_admit,
            cors=cross_origin.answering(self.store),
            site=Site(self.store, hosts) if hosts else None,
            domains=settings.domains,
            region=settings.region,
            limits=WireLimits(receive_idle=idle, send_idle=idle),
            on_done=lambda exchange: self._done(exchange, log),
        )

    def _done(self, exchange: Exchange, log: AccessLog) -> None:
        who = exchange.principal
        if who is not None and who.access_key is not None:
            self.identities.used(who.access_key, exchange.service, self.settings.region)
        self.recorder.note(exchange)
        _record(exchange, log)

    async def ask_for_snapshot(self) -> int:
        """Have the jobs process take a snapshot of the catalog soon; the time that it is known by at the earliest, in
        microseconds."""
        now = now_us()
        return await self.catalog.write(lambda tx: catalog_snapshots.ask(tx, now))

    def snapshots(self, tx: Transaction) -> list[dict[str, int]]:
        """The snapshots of the catalog, newest first."""
        return [{"taken_us": one.taken_us, "seq": one.seq, "size": one.size} for one in catalog_snapshots.listed(tx)]

    def read_only_reason(self) -> str | None:
        """Why nothing can be written now; None when all is well."""
        return self.catalog.status().read_only

    async def inventory(self) -> Inventory:
        """The store at a glance."""
        with contextlib.suppress(CatalogError):
            await self.follow()  # whoever saw that a drive joined or left sees it in every answer from then on
        await self.returns.probe()
        status = self.catalog.status()
        counters = await self.store.counters()
        pool = self.pool
        whose: Mapping[Drive, str | None] = residents(pool, self.catalog.ballot())
        known = [drive for drive in whose.values() if drive is not None]
        healing = await asyncio.to_thread(self.catalog.read, lambda tx: redundancy.to_heal(tx, known))
        standing = [drive.id for drive in pool.online() if drive.id is not None]
        promises = await asyncio.to_thread(self.catalog.read, lambda tx: redundancy.promises(tx, standing))
        mirrors = len(set(standing).intersection(status.members))
        under_way = await asyncio.to_thread(self.catalog.read, lambda tx: relocate.under_way(tx, pool))
        drives = tuple(
            DriveView(
                path=str(drive.path),
                id=name,
                state=drive.state.value,
                used=drive.used if drive.state is DriveState.ONLINE else 0,
                free=drive.free if drive.state is DriveState.ONLINE else 0,
                mirror=name in status.members,
                problem=drive.problem or _limit(drive) or under_way.problem(name),
                **under_way.of(name),
            )
            for drive, name in ((drive, whose.get(drive)) for drive in pool.drives)
            if name not in under_way.removed  # this process may not have followed yet
        )
        return Inventory(
            version=__version__,
            deployment=pool.deployment or "",
            drives=drives,
            parity=pool.parity,
            durability=self.settings.durability,
            may_fail=max(0, min([mirrors - 1, *(one.may_fail for one in promises)])),
            blobs=tuple(BlobsView(one.parity, one.blobs, max(0, one.may_fail)) for one in promises),
            writable=status.read_only is None,
            read_only_reason=status.read_only,
            buckets=counters.buckets,
            objects=counters.objects,
            versions=counters.versions,
            bytes=counters.bytes,
            events=await asyncio.to_thread(self.catalog.read, outbox.waiting),
            rebalancing=under_way.rebalancing,
            restriping=self.restriping(),
            healing=Healing(*healing, max(0, status.wanted - len(status.members))),
            redundancy=await asyncio.to_thread(self.redundancy),
            scrub=_scrubbed(self.catalog.read(scrub.standing)),
        )

    def redundancy(self) -> RedundancyView:
        """What is below its promise now. Blocks, for as long as what is missing takes to count."""
        there = {drive.id for drive in self.pool.online() if drive.id is not None}
        below, unverified = self.catalog.read(lambda tx: (redundancy.below(tx, there), {*census.waiting(tx)}))
        unverified |= self.returns.unverified()
        status = self.catalog.status()
        problems = []
        if below.blobs:
            lacking = (
                f"{number_of(below.shards, 'shard')} of {number_of(below.blobs, 'blob')} {are(below.shards)} lacking"
            )
            problems.append(f"{lacking}, of {number_of(below.parts, 'object or part', 'objects or parts')}")
        if (short := status.wanted - len(status.members)) > 0:
            problems.append(f"the catalog lacks {number_of(short, 'mirror')}")
        paths = []
        for name in sorted(unverified):
            drive = self.pool.by_id(name)
            paths.append(str(drive.path) if drive is not None else f"drive {name}")
        if paths:
            problems.append(f"what is on {', '.join(paths)} is being verified")
        return RedundancyView(below.blobs, below.shards, below.parts, tuple(paths), "; ".join(problems) or None)

    def redundancy_of(self, version: Version) -> Redundancy:
        """How safe the bytes of a whole version are now."""
        there = {drive.id for drive in self.pool.online() if drive.id is not None}
        status = self.catalog.status()
        mirrors = sum(mirror.problem is None for mirror in status.mirrors)
        catalog = Redundancy(mirrors - 1, status.wanted - 1, mirrors, status.wanted)
        stored = self.catalog.read(lambda tx: redundancy.of_extents(tx, version.extents, there))
        if stored is None:
            return catalog
        return min(stored, catalog) if version.content else stored

    def restriping(self) -> Restriping | None:
        """How far restriping is; None while it does not run."""
        walk = self.catalog.read(restriping.standing)
        return None if walk is None else Restriping(walk.seen, walk.total, walk.moved, walk.problem)

    async def follow(self) -> None:
        """Let the pool be what was decided about its drives. Open blobs end when one is to be emptied, and with
        their parity."""
        async with self._following:
            parity = self.pool.parity
            begun = await membership.follow(self.pool, self.catalog)
        if begun or parity != self.pool.parity:
            await self._seal()

    async def _meet(self, drive: str) -> None:
        """Follow at once where a drive has joined that this process does not know yet."""
        with contextlib.suppress(CatalogError):
            if any(drive in one.drives for one in self.catalog.ballot().electorates):
                await self.follow()

    async def watch(self, seconds: float) -> None:
        """Look at the drives again and again, enter what waits to be reported of blobs, and let go of damaged ones."""
        while True:
            await self.returns.probe()
            with contextlib.suppress(CatalogError):  # it is tried again in the next round
                if self.catalog.read(lambda tx: settling.open_and_damaged(tx, self.instance)):
                    await self._seal()
                await self.returns.enter()
            with contextlib.suppress(CatalogError):
                await self.follow()
            await self.reports.flush()
            await self.identities.flush()
            await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Seal what is open and let all threads end."""
        for info in await self.blobs.seal_open():
            self.reports.sealed(info)
        await self.reports.flush()
        await self.identities.flush(at_once=True)
        await self.recorder.flush()
        if self._vault is not None:
            await self._vault.close()
        await asyncio.to_thread(self.catalog.close)
        self.pool.close()
        self.holds.close()

    def _drive_changed(self, drive: Drive, old: DriveState, new: DriveState) -> None:
        """Open blobs end with the drive that failed, so that their shards can be healed."""
        if old is DriveState.ONLINE:
            task = asyncio.get_running_loop().create_task(self._seal())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _seal(self) -> None:
        for info in await self.blobs.seal_open():
            self.reports.sealed(info)


def _scrubbed(at: scrub.Round | None) -> ScrubView | None:
    if at is None:
        return None
    return ScrubView(at.began_us / 1_000_000, at.ended, at.done, at.total, at.damaged, len(at.mirrors), tuple(at.left))


def _federation(settings: Settings) -> Federation:
    """Who may vouch for others. An issuer that is listed may be connected to, unless it is this machine or its link."""
    hosts = tuple(filter(None, (urlsplit(issuer).hostname for issuer in settings.oidc_issuers)))
    allowed = AllowList((*settings.outbound_allow, *hosts))
    issuers = Issuers(settings.oidc_issuers, allowed, ca_file=settings.oidc_ca_file)
    if settings.ldap is None:
        return Federation(issuers)
    from objstore.iam.federation.ldap import Directory  # its imports would slow every other start

    return Federation(issuers, Directory(settings.ldap))


def _limit(drive: Drive) -> str | None:
    """What an online drive cannot do."""
    if drive.state is not DriveState.ONLINE:
        return None
    return "read-only" if drive.read_only else "full" if drive.full else None


async def _admit(call: Call, context: Context) -> None:
    """The gate; and whoever passes it is the cause of what the store will do."""
    await authorise(call, context)
    who, request = call.principal, call.request
    way = "form" if request.method == "POST" and call.operation.name == "PutObject" else ""
    CAUSE.set(Cause(f"AWS:{who.user_id or who.id}", request.client or "", call.request_id, way))


async def open_node(settings: Settings, runtime: Path, lock: IO[bytes] | None = None) -> Node:
    """Open everything for one process. The supervisor has started the catalog before, and opened the commit `lock`."""
    strict = settings.durability == "strict"
    pool = await asyncio.to_thread(
        Pool.open,
        [Path(path) for path in settings.drives],
        parity=settings.parity,
        strict=strict,
        deadline=settings.drive_deadline,
    )
    node = Node(settings, pool, attach(pool, runtime, strict=strict, settle=_SETTLE_SECONDS, lock=lock), runtime)
    await node.returns.probe()  # what others know to hang, nobody is to wait for here
    with contextlib.suppress(CatalogError):
        await node.follow()
    return node


def _record(exchange: Exchange, log: AccessLog) -> None:
    operation = exchange.operation or "none"
    duration = (exchange.finished or exchange.started) - exchange.started
    metrics.requests_of(operation, exchange.status).inc()
    metrics.seconds_of(operation).observe(duration)
    if exchange.sent:
        metrics.sent.inc(exchange.sent)
    request, who = exchange.request, exchange.principal
    if request is not None and (length := request.headers.get("content-length", "")).isdigit():
        metrics.received.inc(int(length))
    if not log.wanted:
        return
    log.add(
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request_id": exchange.request_id,
            "client": request.client if request else None,
            "access_key": who.access_key if who else None,
            "principal": who.arn if who and not who.anonymous else None,
            "secure": request.secure if request else None,
            "method": exchange.method,
            "operation": exchange.operation,
            "bucket": request.bucket if request else None,
            "key": request.key if request else None,
            "version_id": dict(request.query).get("versionId") if request and request.query else None,
            "status": exchange.status,
            "error": exchange.error,
            "sent": exchange.sent,
            "seconds": round(duration, 6),
        }
    )
