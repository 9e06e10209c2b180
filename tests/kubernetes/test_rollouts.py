"""Upgrades and growth as a cluster does them: by Kubernetes' own StatefulSet controller, in pods with a real server."""

from __future__ import annotations

import datetime
import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    EVENT,
    OBJECT_STORE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SECRET,
    STATEFUL_SET,
)
from objstore.kubernetes.stores.rollout import stuck
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.kubernetes.api import Api, Operator
from tests.kubernetes.installing import install, operating, until
from tests.kubernetes.kubelet import SERVER, Node, node, stateful_sets

ENDING = (sys.executable, "-c", "import sys; sys.exit('this release does not start')")
WAITING = (
    "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.05)\nos.execv(sys.argv[2], sys.argv[2:])"
)
BROKEN, SLOW, FIRST, SECOND = "objstore:broken", "objstore:slow", "objstore:first", "objstore:second"
_numbers = itertools.count(1)
in_full = pytest.mark.skipif(not os.environ.get("OBJSTORE_KUBERNETES_FULL"), reason="only in `make test-kubernetes`")


def drives(count: int) -> dict[str, Any]:
    return {"name": "disk", "count": count, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}


@dataclass
class Site:
    """A store in a cluster with a node."""

    api: Api
    operator: Operator
    node: Node
    namespace: str
    gate: Path
    """The image SLOW starts when this is there."""

    def store(self) -> Any:
        return self.api.get(OBJECT_STORE, self.namespace, "main")

    def change(self, **spec: Any) -> None:
        self.api.patch(OBJECT_STORE, self.namespace, "main", {"spec": spec})

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Its status, reason and message."""
        for one in (self.store().get("status") or {}).get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"], one["message"]
        return "", "", ""

    def pod(self) -> Any:
        return self.api.get(POD, self.namespace, "main-0")

    def image(self) -> str:
        """The pod's."""
        pod = self.pod()
        return "" if pod is None else str(pod["spec"]["containers"][0]["image"])

    def phase(self) -> str:
        return str((self.store().get("status") or {}).get("phase"))

    def settled(self) -> None:
        """Until the store is as its spec says and serves."""

        def look() -> bool:
            found = self.store()
            status = found.get("status") or {}
            return status.get("phase") == "Ready" and status["observedGeneration"] == found["metadata"]["generation"]

        self.until(look, "a store that is ready")

    def until(self, look: Any, what: str) -> Any:
        try:
            return until(look, what, self.operator)
        except AssertionError:
            pod = (self.pod() or {}).get("status")
            sys.stderr.write(f"{self.store().get('status')}\n{pod}\n{self.node.output()}\n")
            raise

    def joined(self) -> int:
        """How many drives are in the pool, as the status says."""
        return int(((self.store().get("status") or {}).get("drives") or {}).get("joined", 0))

    def settings(self) -> str:
        return str(self.api.get(CONFIG_MAP, self.namespace, "main-settings")["data"]["objstore.toml"])

    def restart(self) -> None:
        """End the pod by hand, and wait for the next one."""
        before = self.until(self.pod, "a pod")["metadata"]["uid"]  # the one before may be going just now
        self.api.delete(POD, self.namespace, "main-0")

        def look() -> bool:
            pod = self.pod()
            conditions = ((pod or {}).get("status") or {}).get("conditions") or ()
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
            return ready and pod["metadata"]["uid"] != before

        self.until(look, "another pod that is ready")

    def client(self) -> Any:
        return Running(drives=[], log=self.node.folder, port=self.node.port).client()

    def write(self) -> bytes:
        """An object, and what is in it."""
        body = b"written before " * 1000
        self.client().create_bucket(Bucket="kept")
        self.client().put_object(Bucket="kept", Key="a", Body=body)
        return body

    def read(self) -> bytes:
        return bytes(self.client().get_object(Bucket="kept", Key="a")["Body"].read())


@pytest.fixture(scope="module")
def cluster(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Operator]]:
    install(api)
    folder = tmp_path_factory.mktemp("rollouts")
    with stateful_sets(api, folder), operating(api, folder) as operator:
        yield api, operator


@pytest.fixture
def site(cluster: tuple[Api, Operator], tmp_path: Path) -> Iterator[Site]:
    """A store with two drives that serves, in a namespace of its own."""
    api, operator = cluster
    namespace, gate = api.namespace(f"roll-{next(_numbers)}"), tmp_path / "gate"
    images = {BROKEN: ENDING, SLOW: (sys.executable, "-c", WAITING, str(gate), *SERVER)}
    api.create(
        SECRET,
        {
            "metadata": {"namespace": namespace, "name": "given"},
            "stringData": {"username": ROOT_USER, "password": ROOT_PASSWORD},
        },
    )
    with node(api, namespace, tmp_path / "node", images) as here:
        spec = {
            "image": FIRST,
            "volumeClaimTemplates": [drives(2)],
            "credentials": {"name": "given"},
            "mountPath": str(here.folder / "drives"),
            "gateway": {"workers": 1},
            "hosting": {"advertiseEndpoint": {"dnsName": "127.0.0.1", "port": here.port, "useTls": False}},
            "healthCheck": {"intervalSeconds": 2},
        }
        api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": spec})
        made = Site(api, operator, here, namespace, gate)
        made.settled()
        yield made


def test_an_upgrade_waits_until_the_new_release_is_healthy(site: Site) -> None:
    body = site.write()
    before = site.pod()["metadata"]["uid"]
    site.change(image=SLOW)
    site.until(lambda: site.image() == SLOW, "another pod")
    assert site.pod()["metadata"]["uid"] != before
    site.until(lambda: site.condition("Ready")[:2] == ("False", "NoAnswer"), "a store that is not ready")
    assert site.phase() == "Progressing" and site.condition("Progressing")[:2] == ("True", "Rolling")
    site.gate.touch()
    site.settled()
    assert site.condition("Ready")[:2] == ("True", "Serving")
    assert site.read() == body
    assert site.node.started == [FIRST, SLOW]

    site.change(region="eu-central-1", image=FIRST)
    site.settled()
    assert site.node.started == [FIRST, SLOW, FIRST], "one start for both"
    assert site.client().meta.region_name and site.read() == body


@in_full
def test_a_release_that_does_not_start_is_told_of_and_can_be_taken_back(site: Site) -> None:
    body = site.write()
    site.change(image=BROKEN)
    site.until(lambda: site.condition("Progressing")[1] == "Stalled", "a roll that is stopped")
    told = f"pod main-0 of image {BROKEN} does not get ready: CrashLoopBackOff: it ended with exit code 1 (Error)"
    assert site.condition("Progressing") == ("False", "Stalled", told)
    assert site.phase() == "Degraded" and site.condition("Ready")[0] == "False"
    events = [one["message"] for one in site.api.list(EVENT, site.namespace) if one["reason"] == "RolloutStalled"]
    assert events == [told]
    site.change(image=SECOND)
    site.settled()
    assert site.read() == body and site.node.started[-1] == SECOND


@in_full
def test_a_pool_grows_by_a_drive(site: Site) -> None:
    body = site.write()
    made = site.api.get(STATEFUL_SET, site.namespace, "main")["metadata"]["uid"]
    site.change(volumeClaimTemplates=[drives(3)])
    site.until(lambda: site.joined() == 3, "three drives in the pool")
    site.settled()
    assert site.api.get(STATEFUL_SET, site.namespace, "main")["metadata"]["uid"] != made
    assert site.node.started == [FIRST, FIRST], "one start, with all volumes"
    assert site.api.get(PERSISTENT_VOLUME_CLAIM, site.namespace, "disk-3-main-0")
    assert site.read() == body
    site.until(lambda: "disk-3" in site.settings(), "the drive in the list that a start is given")
    site.restart()
    site.until(lambda: site.joined() == 3, "all drives again")
    assert site.read() == body


def test_the_settings_are_lost_while_a_pool_grows(site: Site) -> None:
    """A start on the new drive too would be refused, and without a start the drive is never taken in."""
    body = site.write()
    foreign = site.node.folder / "drives" / "disk-3" / "of somebody else"
    foreign.parent.mkdir()
    foreign.touch()
    site.change(volumeClaimTemplates=[drives(3)])
    site.until(lambda: "not taken in yet" in site.condition("Progressing")[2], "a drive that is not taken in")
    site.api.delete(CONFIG_MAP, site.namespace, "main-settings")
    site.until(lambda: site.api.get(CONFIG_MAP, site.namespace, "main-settings"), "the settings again")
    assert "disk-2" in site.settings() and "disk-3" not in site.settings()
    site.restart()
    assert site.read() == body
    foreign.unlink()
    site.settled()
    assert site.joined() == 3 and site.read() == body


def waiting(why: str, message: str = "", **ended: Any) -> dict[str, Any]:
    """The status of a container that its kubelet has wait."""
    told = {"state": {"waiting": {"reason": why} | ({"message": message} if message else {})}}
    return told | ({"lastState": {"terminated": ended}} if ended else {})


@pytest.mark.parametrize(
    ("container", "conditions", "minutes", "expected"),
    [
        (waiting("ContainerCreating"), {}, 9, ""),
        ({"state": {"running": {}}}, {}, 9, ""),
        ({"state": {"running": {}}}, {}, 11, "it is not ready since 2026-01-02T03:04:05Z"),
        (waiting("CrashLoopBackOff"), {}, 0, "CrashLoopBackOff"),
        (
            waiting("CrashLoopBackOff", "back-off 20s", exitCode=137, reason="OOMKilled"),
            *({}, 0, "CrashLoopBackOff: it ended with exit code 137 (OOMKilled)"),
        ),
        (waiting("ImagePullBackOff", 'no "a"'), {}, 0, 'ImagePullBackOff: no "a"'),
        (
            {},
            {"PodScheduled": {"status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}},
            *(0, "no node takes it: 0/3 nodes"),
        ),
        (waiting("CrashLoopBackOff"), {"Ready": {"status": "True"}}, 99, ""),
    ],
    ids=["new", "starts", "starts for ever", "crashes", "crashed", "no image", "no node", "ready"],
)
def test_why_a_pod_does_not_get_ready(
    container: dict[str, Any], conditions: dict[str, Any], minutes: int, expected: str
) -> None:
    since = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    ready = {"status": "False", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    kinds = {"Ready": ready} | conditions
    pod = {
        "metadata": {"name": "main-0", "labels": {"controller-revision-hash": "new"}},
        "spec": {"containers": [{"image": "objstore:1"}]},
        "status": {
            "conditions": [{"type": kind, **one} for kind, one in kinds.items()],
            "containerStatuses": [container],
        },
    }
    owner = {"metadata": {"generation": 2}, "status": {"observedGeneration": 2, "updateRevision": "new"}}
    now = since + datetime.timedelta(minutes=minutes)
    told = stuck(owner, pod, now)
    assert told == (f"pod main-0 of image objstore:1 does not get ready: {expected}" if expected else "")
    newer = {"metadata": {"generation": 3}, "status": owner["status"]}
    assert stuck(newer, pod, now) == "", "it is to be replaced"
    assert stuck({**owner, "status": {**owner["status"], "updateRevision": "newer"}}, pod, now) == ""
