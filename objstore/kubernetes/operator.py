"""`objstore operator`: watches stores, users and claims, and has each reconciled by its controller.

kopf does the watching, and nothing else: its handlers only put keys into work queues, so it leaves no finalizer,
annotation or state of its own on anybody's objects.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import kopf
from aiohttp import web
from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from objstore.kubernetes.claims import names as claim_names
from objstore.kubernetes.claims.controller import claim_controller
from objstore.kubernetes.cluster import Cluster
from objstore.kubernetes.controller import Controller
from objstore.kubernetes.kinds import Body, Key, Kind, key_of
from objstore.kubernetes.leader import Leader
from objstore.kubernetes.options import OperatorOptions
from objstore.kubernetes.stores.controller import Stores
from objstore.kubernetes.users.controller import Users
from objstore.kubernetes.workqueue import Workqueue

CONNECTIONS: Final = 64  # to the API server

_log = logging.getLogger(__name__)


async def run(options: OperatorOptions) -> None:
    """Operate until a signal ends it, whenever this replica leads."""
    await _configure()
    settings = Configuration.get_default_copy()
    settings.connection_pool_maxsize = CONNECTIONS
    async with ApiClient(settings) as client:
        cluster = Cluster(client)
        leader = Leader(cluster, Key(options.namespace, options.lease), options.identity)
        metrics = Metrics(leader)
        async with _listening(options.health_address, metrics):
            await leader.run(lambda: _operate(_controllers(cluster, options), options.workers, metrics))


def _controllers(cluster: Cluster, options: OperatorOptions) -> Sequence[Controller]:
    """Everything that the operator does."""
    provisioner = claim_names.provisioner(options.namespace)
    return [
        Stores(cluster, image=options.image, provisioner=provisioner, namespace=options.namespace),
        Users(cluster, options.recheck_s),
        claim_controller(cluster, options),
    ]


async def _configure() -> None:
    """Find the API server: the pod's service account, or else a kubeconfig."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config()


class Metrics:
    """What the operator tells of itself at `/metrics`."""

    def __init__(self, leader: Leader) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram("objstore_operator_reconcile_seconds", "One reconcile.", ["kind"], registry=None)
        self.failures = Counter(
            "objstore_operator_reconcile_failures", "Reconciles to try again.", ["kind"], registry=None
        )
        self.waiting = Gauge("objstore_operator_queue", "Objects that wait or are worked on.", ["kind"], registry=None)
        leading = Gauge("objstore_operator_leading", "Whether this replica leads.", registry=None)
        leading.set_function(lambda: float(leader.leading))
        for metric in (self.seconds, self.failures, self.waiting, leading):
            self.registry.register(metric)


async def _operate(controllers: Sequence[Controller], workers: int, metrics: Metrics) -> None:
    """Watch and reconcile, until a signal ends the watching."""
    queues = {one.kind: Workqueue(one.kind.name, _measured(one, metrics), workers) for one in controllers}
    for kind, queue in queues.items():
        metrics.waiting.labels(kind.name).set_function(partial(len, queue))
    working = [asyncio.ensure_future(queue.run()) for queue in queues.values()]
    watching = asyncio.ensure_future(
        kopf.operator(registry=_watches(controllers, queues), settings=_settings(), standalone=True, clusterwide=True)
    )
    try:
        await asyncio.wait({watching, *working}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watching, *working):
            if task.done():
                await task
    finally:
        for task in (watching, *working):
            task.cancel()
        await asyncio.gather(watching, *working, return_exceptions=True)


def _measured(controller: Controller, metrics: Metrics) -> Callable[[Key], Any]:
    seconds = metrics.seconds.labels(controller.kind.name)
    failures = metrics.failures.labels(controller.kind.name)

    async def work(key: Key) -> float | None:
        begun = time.perf_counter()
        try:
            return await controller.reconcile(key)
        except Exception:
            failures.inc()
            raise
        finally:
            seconds.observe(time.perf_counter() - begun)

    return work


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # our own events are told once, not with every try
    settings.networking.error_backoffs = [0.2, 0.5, 1, *[2] * 1000]  # who no longer leads is stopped long before
    settings.watching.reconnect_backoff = 0.2
    return settings


def _watches(controllers: Sequence[Controller], queues: dict[Kind, Workqueue]) -> kopf.OperatorRegistry:
    """Handlers that put into the queues whatever a change concerns."""
    concerned: dict[Kind, list[tuple[Workqueue, Callable[[Body], Iterable[Key]]]]] = defaultdict(list)
    for controller in controllers:
        queue = queues[controller.kind]
        concerned[controller.kind].append((queue, lambda body: [key_of(body)]))
        for kind, keys in controller.watches.items():
            concerned[kind].append((queue, keys))
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_async_client)
    for kind, targets in concerned.items():
        _watch(registry, kind, targets)
    return registry


def _watch(
    registry: kopf.OperatorRegistry, kind: Kind, targets: list[tuple[Workqueue, Callable[[Body], Iterable[Key]]]]
) -> None:
    async def changed(body: kopf.Body, **_: Any) -> None:
        for queue, keys in targets:
            for key in keys(body):
                queue.add(key)

    which: dict[str, str] = {"group": kind.group, "version": kind.version, "plural": kind.plural}
    kopf.on.event(**which, id=f"{kind.plural}.{kind.group}", registry=registry)(changed)  # type: ignore[arg-type]


class _listening:
    """Serves `/healthz` and `/metrics` at HOST:PORT while it is entered."""

    def __init__(self, address: str, metrics: Metrics) -> None:
        self._address, self._metrics = address, metrics

    async def __aenter__(self) -> None:
        application = web.Application()
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/metrics", self._tell)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        await self._runner.setup()
        host, _, port = self._address.rpartition(":")
        await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _tell(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics.registry), content_type="text/plain")
