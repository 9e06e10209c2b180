"""Counters that Prometheus scrapes, summed over all workers.

The client library shares values between processes through files in `PROMETHEUS_MULTIPROC_DIR`, which must be set before
the library is imported: the process entry does so. Labels are operations and status classes, never names of buckets or
keys: the page is open to whoever can reach the port.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily, Metric

from objstore.server.inventory import Inventory

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

requests = Counter("objstore_requests_total", "Requests answered.", ["operation", "status"])
seconds = Histogram("objstore_request_seconds", "Time from request to end of answer.", ["operation"], buckets=_SECONDS)
received = Counter("objstore_received_bytes_total", "Bytes of request bodies.")
dropped_records = Counter("objstore_dropped_access_records_total", "Lines of buckets' access logs that were lost.")
failed_signatures = Counter(
    "objstore_failed_signatures_total", "Requests that did not prove who they are from.", ["answered"]
)
rests = Counter("objstore_rests_total", "Rests of healing, moving and compacting, for clients that were there.")
sent = Counter("objstore_sent_bytes_total", "Bytes of answers' bodies.")


@cache
def requests_of(operation: str, status: int) -> Counter:
    """The counter of an operation and a status: finding it costs more than counting."""
    return requests.labels(operation, str(status))


@cache
def seconds_of(operation: str) -> Histogram:
    """The histogram of an operation."""
    return seconds.labels(operation)


class _Inventory:
    """Gauges read from the catalog and the drives at the moment of the scrape."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def collect(self) -> Iterable[Metric]:
        now = self._inventory
        yield GaugeMetricFamily("objstore_objects", "Current objects.", value=now.objects)
        yield GaugeMetricFamily("objstore_bytes", "Bytes of all object versions.", value=now.bytes)
        yield GaugeMetricFamily("objstore_buckets", "Buckets.", value=now.buckets)
        yield GaugeMetricFamily("objstore_shards_to_heal", "Shards waiting to be rebuilt.", value=now.healing.shards)
        yield from _safety(now)
        yield GaugeMetricFamily("objstore_writable", "1 while the write quorum holds.", value=int(now.writable))
        events = GaugeMetricFamily("objstore_events_waiting", "Events not yet delivered.", labels=["target"])
        for target, waiting in now.events.items():
            events.add_metric([target], waiting)
        yield events
        online = GaugeMetricFamily("objstore_drive_online", "1 for a drive that answers.", labels=["drive"])
        used = GaugeMetricFamily("objstore_drive_used_bytes", "Used space.", labels=["drive"])
        free = GaugeMetricFamily("objstore_drive_free_bytes", "Free space.", labels=["drive"])
        for drive in now.drives:
            online.add_metric([drive.path], int(drive.state == "online"))
            if drive.state != "online":  # nobody knows, and a zero would be an alarm about space
                continue
            used.add_metric([drive.path], drive.used)
            free.add_metric([drive.path], drive.free)
        yield from (online, used, free)


def _safety(now: Inventory) -> Iterable[Metric]:
    """How much is below its promise, and how far everything was looked through."""
    state = now.redundancy
    may = "Drives that may go before anything is lost."
    yield GaugeMetricFamily("objstore_drives_may_fail", may, value=now.may_fail)
    blobs = GaugeMetricFamily("objstore_blobs", "Blobs with something in them, by their parity.", labels=["parity"])
    for one in now.blobs:
        blobs.add_metric([str(one.parity)], one.count)
    yield blobs
    yield GaugeMetricFamily("objstore_blobs_below_promise", "Blobs that lack shards.", value=state.blobs_below)
    yield GaugeMetricFamily(
        "objstore_parts_below_promise", "Objects put whole, and parts of others, there.", value=state.parts_below
    )
    yield GaugeMetricFamily("objstore_shards_lacking", "Shards that these blobs lack.", value=state.shards_lacking)
    yield GaugeMetricFamily(
        "objstore_redundancy_verified", "1 while all is as safe as promised.", value=int(state.problem is None)
    )
    if now.scrub is not None:
        total, done = now.scrub.total, now.scrub.done
        yield GaugeMetricFamily("objstore_scrub_bytes", "Bytes of blobs that the round looks through.", value=total)
        yield GaugeMetricFamily("objstore_scrub_done_bytes", "Bytes that it has looked through.", value=done)
        found = now.scrub.damaged_shards
        yield GaugeMetricFamily("objstore_scrub_damaged_shards", "Shards that it found damaged or queued.", value=found)


def exposition(inventory: Inventory) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Inventory(inventory))
    return generate_latest(registry)
