"""A stand-in for a node: it runs the pods of one namespace as processes, with what they mount as folders.

Kubernetes' own controllers see what a kubelet tells: pods that are Running, and ready as their probes say, that crash
and are started again, and that take their time to end. What is in a pod's spec decides: arguments, environment,
ConfigMaps, Secrets, volumes by their claims, probes by HTTP. Paths of the container are those of a folder here, and
probes are asked as often as the node looks.

Which program an image is says `images`: a server of this checkout, unless it is told otherwise.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from objstore.kubernetes.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD, SECRET
from tests.harness import free_port
from tests.kubernetes import binaries
from tests.kubernetes.api import Api, Refusal

SERVER: Final = (sys.executable, "-m", "objstore")
LOOK_S: Final = 0.1
CRASHES_BEFORE_WAITING: Final = 2


@dataclass
class Container:
    """The one container of a pod."""

    pod: Any
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    exit_code: int | None = None
    started: bool = False
    ready: bool = False
    told: Any = None

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])


@dataclass
class Node:
    """`port` is where the server of the pod listens, as there is one network only."""

    api: Api
    namespace: str
    folder: Path
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    started: list[str] = field(default_factory=list)
    """The image of every container that was started, in order."""

    def __post_init__(self) -> None:
        self._containers: dict[str, Container] = {}
        self._ended = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Look after pods until `stop`."""
        try:
            while not self._ended.wait(LOOK_S):
                self._look()
        except Exception as error:
            self._failure = error

    def stop(self) -> None:
        """End all that runs. Raises what this node failed with."""
        self._ended.set()
        for one in self._containers.values():
            if one.process is not None:
                one.process.kill()
                one.process.wait()
        if self._failure is not None:
            raise self._failure

    def output(self) -> str:
        """What the containers wrote."""
        return "\n".join(path.read_text(errors="replace")[-4000:] for path in sorted(self.folder.glob("*.log")))

    def _look(self) -> None:
        pods = {one["metadata"]["uid"]: one for one in self.api.list(POD, self.namespace)}
        for uid in self._containers.keys() - pods.keys():
            self._end(self._containers.pop(uid), kill=True)
        for uid, pod in pods.items():
            with contextlib.suppress(Refusal):  # changed or gone meanwhile: the next look sees it
                self._tend(uid, pod)

    def _tend(self, uid: str, pod: Any) -> None:
        if not pod["spec"].get("nodeName"):
            self._bind(pod)
            return
        container = self._containers.setdefault(uid, Container(pod))
        if pod["metadata"].get("deletionTimestamp"):
            if self._end(container):
                self.api.ask("DELETE", POD.path(self.namespace, pod["metadata"]["name"]), {"gracePeriodSeconds": 0})
            return
        if container.process is not None and (code := container.process.poll()) is not None:
            container.process, container.exit_code = None, code
            container.restarts, container.started, container.ready = container.restarts + 1, False, False
        if container.process is None and self._may_start(container):
            self._start(container)
        if container.process is not None:
            self._probe(container)
        self._tell(container)

    def _bind(self, pod: Any) -> None:
        """What the scheduler does."""
        name = pod["metadata"]["name"]
        target = {"apiVersion": "v1", "kind": "Node", "name": "here"}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        self.api.ask("POST", POD.path(self.namespace, name, "binding"), body)

    def _may_start(self, container: Container) -> bool:
        """Whether there is everything that it mounts, and it has not crashed so often that it waits."""
        if container.restarts >= CRASHES_BEFORE_WAITING:
            return False
        named = {"persistentVolumeClaim": PERSISTENT_VOLUME_CLAIM, "configMap": CONFIG_MAP, "secret": SECRET}
        for volume in container.pod["spec"]["volumes"]:
            for source, kind in named.items():
                given = volume.get(source) or {}
                name = given.get("claimName") or given.get("secretName") or given.get("name")
                if name and self.api.get(kind, self.namespace, name) is None:
                    return False
        return True

    def _start(self, container: Container) -> None:
        spec = container.pod["spec"]["containers"][0]
        volumes = {one["name"]: one for one in container.pod["spec"]["volumes"]}
        self.folder.mkdir(parents=True, exist_ok=True)
        for mount in spec["volumeMounts"]:
            self._mount(volumes[mount["name"]], self._here(mount["mountPath"], spec))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OBJSTORE_", "AWS_", "KUBERNETES_"))}
        environment |= {one["name"]: self._here(one["value"], spec) for one in spec["env"]}
        program = self.images.get(spec["image"], SERVER)
        arguments = [*(self._here(one, spec) for one in spec["args"]), "--address", f"127.0.0.1:{self.port}"]
        with (self.folder / f"{container.uid}.log").open("ab") as log:
            container.process = subprocess.Popen([*program, *arguments], stdout=log, stderr=log, env=environment)
        self.started.append(spec["image"])

    def _here(self, path: str, container: Any) -> str:
        """A path of the container on this machine. The drives' are the same in both: they are in the settings."""
        mounts = [one["mountPath"] for one in container["volumeMounts"]]
        inside = any(path == one or path.startswith(f"{one}/") for one in mounts)
        return f"{self.folder}/root{path}" if inside and not path.startswith(f"{self.folder}/") else path

    def _mount(self, volume: Any, where: str) -> None:
        place = Path(where)
        place.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            given = self.api.get(CONFIG_MAP, self.namespace, volume["configMap"]["name"])["data"]
            for name, text in given.items():
                (place / name).write_text(text)
        elif "secret" in volume:
            given = self.api.get(SECRET, self.namespace, volume["secret"]["secretName"])["data"]
            for one in volume["secret"]["items"]:
                (place / one["path"]).write_bytes(base64.b64decode(given[one["key"]]))

    def _probe(self, container: Container) -> None:
        spec = container.pod["spec"]["containers"][0]
        container.started = container.started or self._answers(spec, "startupProbe")
        container.ready = container.started and self._answers(spec, "readinessProbe")

    def _answers(self, container: Any, probe: str) -> bool:
        asked = container[probe]["httpGet"]
        try:
            url = f"{asked['scheme'].lower()}://127.0.0.1:{self.port}{asked['path']}"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status < 400)
        except OSError:
            return False

    def _tell(self, container: Container) -> None:
        """The pod's status, as a kubelet has it."""
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        if container.process is not None:
            state = {"running": {}}
        elif container.restarts:
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
        spec = container.pod["spec"]["containers"][0]
        status: dict[str, Any] = {
            "name": spec["name"],
            "image": spec["image"],
            "imageID": "",
            "ready": container.ready,
            "started": container.started,
            "restartCount": container.restarts,
            "state": state,
        }
        if container.exit_code is not None:
            status["lastState"] = {"terminated": {"exitCode": container.exit_code, "reason": "Error"}}
        if container.told == (state, status["ready"], status["started"]):
            return
        ready = str(container.ready)
        conditions = [
            {"type": kind, "status": holds, "lastTransitionTime": now}
            for kind, holds in (
                *(("PodScheduled", "True"), ("Initialized", "True")),
                *(("ContainersReady", ready), ("Ready", ready)),
            )
        ]
        told = {"phase": "Running", "conditions": conditions, "containerStatuses": [status], "podIP": "127.0.0.1"}
        self.api.patch(POD, self.namespace, container.pod["metadata"]["name"], {"status": told}, "status")
        container.told = (state, status["ready"], status["started"])

    def _end(self, container: Container, *, kill: bool = False) -> bool:
        """Ask it to end; whether it has."""
        if container.process is None:
            return True
        if kill:
            container.process.kill()
            container.process.wait()
        else:
            container.process.terminate()
        return container.process.poll() is not None


@contextlib.contextmanager
def node(api: Api, namespace: str, folder: Path, images: Mapping[str, Sequence[str]] | None = None) -> Iterator[Node]:
    """A node for the pods of a namespace while the block runs."""
    started = Node(api, namespace, folder, images or {})
    thread = threading.Thread(target=started.run, name="node", daemon=True)
    thread.start()
    try:
        yield started
    finally:
        started._ended.set()
        thread.join()
        started.stop()


@contextlib.contextmanager
def stateful_sets(api: Api, folder: Path) -> Iterator[None]:
    """Kubernetes' own controller of StatefulSets, while the block runs; other tests say themselves what it would."""
    with (folder / "statefulsets.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(str(binaries.folder() / "kube-controller-manager"), f"--kubeconfig={api.admin}"),
                *("--controllers=statefulset-controller", "--leader-elect=false", "--secure-port=0"),
                # What other tests have left is tended too, and must not use up the few requests of a default.
                *("--kube-api-qps=1000", "--kube-api-burst=1000", "--concurrent-statefulset-syncs=20"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()
