"""The driver under COSI's own controller and sidecar: a claim is bound, an access yields its Secret, and both go again.

COSI has these programs as images only. Whoever has built them says where: `OBJSTORE_COSI_V1ALPHA1` (v0.2) and
`OBJSTORE_COSI_V1ALPHA2` each name a folder with a `controller` and a `sidecar`.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from objstore.kubernetes.kinds import SECRET, Kind
from tests.harness import Running
from tests.kubernetes.api import Api
from tests.kubernetes.installing import until
from tests.kubernetes.test_cosi import Driver, code
from tests.kubernetes.test_cosi_manifests import COSI, CRDS, NAMESPACE, documents

GROUP = "objectstorage.k8s.io"
ARGUMENTS = {
    "v1alpha1": {"controller": (), "sidecar": ("--driver-addr={socket}",)},
    "v1alpha2": {
        "controller": ("--health-probe-bind-address=0",),
        "sidecar": ("--health-probe-bind-address=0",),
    },
}


@dataclass
class Installed:
    """COSI of one version, with the driver."""

    api: Api
    version: str
    namespace: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]]

    def kind(self, name: str) -> Kind:
        plural = f"{name.lower()}{'es' if name.endswith('s') else 's'}"
        return Kind(GROUP, self.version, plural, name, name in ("BucketClaim", "BucketAccess"))

    def get(self, name: str, called: str) -> Any:
        kind = self.kind(name)
        return self.api.get(kind, self.namespace if kind.namespaced else "", called)

    def until(self, look: Callable[[], Any], what: str) -> Any:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended:\n{self.log(name)}"
        try:
            return until(look, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(map(self.log, self.processes))) from None

    def release(self) -> None:
        """Let go what nobody is there for any more who would."""
        for name in ("BucketAccess", "BucketClaim", "Bucket"):
            for one in self.api.list(self.kind(name)):
                where, called = one["metadata"].get("namespace", ""), one["metadata"]["name"]
                self.api.patch(self.kind(name), where, called, {"metadata": {"finalizers": None}})

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]


@pytest.fixture(params=["v1alpha1", "v1alpha2"])
def cosi(api: Api, server: Running, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Installed]:
    version = request.param
    variable = f"OBJSTORE_COSI_{version.upper()}"
    if not (programs := os.environ.get(variable)):
        pytest.skip(f"{variable} names no folder with COSI's controller and sidecar")
    names = [f"customresourcedefinition/{one['metadata']['name']}" for one in documents(CRDS / f"{version}.yaml")]
    api.kubectl("apply", "-k", str(COSI))
    api.kubectl("apply", "--server-side", "-f", str(CRDS / f"{version}.yaml"))
    api.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    driver = Driver(tmp_path, server.endpoint, OBJSTORE_COSI_DRIVER="cosi.objstore.io")
    installed = Installed(api, version, api.namespace(f"cosi-{version}"), tmp_path, {})
    configs = {"controller": api.admin, "sidecar": api.kubeconfig(NAMESPACE, NAMESPACE)}
    try:
        for name, kubeconfig in configs.items():
            arguments = [one.format(socket=driver.socket) for one in ARGUMENTS[version][name]]
            with (tmp_path / f"{name}.log").open("ab") as log:
                installed.processes[name] = subprocess.Popen(
                    [f"{programs}/{name}", f"--kubeconfig={kubeconfig}", *arguments],
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "COSI_ENDPOINT": driver.socket, "POD_NAMESPACE": NAMESPACE},
                )
        yield installed
        for process in installed.processes.values():
            assert process.poll() is None
    finally:
        for process in installed.processes.values():
            process.kill()
            process.wait()
        driver.kill()
        installed.release()
        api.kubectl("delete", *names)


def samples(version: str, namespace: str) -> list[dict[str, Any]]:
    """What an administrator and a developer apply, in a namespace of their own."""
    found = documents(COSI / "samples" / f"{version}.yaml")
    for one in found:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
        if one["kind"] == "BucketClass":
            (one if version == "v1alpha1" else one["spec"])["parameters"]["deleteObjects"] = "true"
    return found


def application(cosi: Installed, server: Running) -> tuple[Any, str]:
    """A client with what the access's Secret says alone, and its bucket."""
    found = cosi.api.get(SECRET, cosi.namespace, "photos-bucket")
    data = {name: base64.b64decode(value).decode() for name, value in found["data"].items()}
    if cosi.version == "v1alpha1":
        told = json.loads(data["BucketInfo"])["spec"]
        s3 = told["secretS3"]
        assert s3["endpoint"] == server.endpoint
        return server.client(access=s3["accessKeyID"], secret=s3["accessSecretKey"]), told["bucketName"]
    assert data["COSI_S3_ENDPOINT"] == server.endpoint
    client = server.client(access=data["COSI_S3_ACCESS_KEY_ID"], secret=data["COSI_S3_ACCESS_SECRET_KEY"])
    return client, data["COSI_S3_BUCKET_ID"]


def test_a_claim_is_bound_and_an_access_has_its_secret(cosi: Installed, server: Running) -> None:
    given = samples(cosi.version, cosi.namespace)
    cosi.api.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(given))
    ready = "bucketReady" if cosi.version == "v1alpha1" else "readyToUse"
    cosi.until(
        lambda: (cosi.get("BucketClaim", "photos").get("status") or {}).get(ready), "a bucket claim that is ready"
    )
    granted = "accessGranted" if cosi.version == "v1alpha1" else "readyToUse"
    cosi.until(lambda: (cosi.get("BucketAccess", "photos").get("status") or {}).get(granted), "an access")
    s3, bucket = application(cosi, server)
    s3.put_object(Bucket=bucket, Key="a", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"hello"
    assert server.client().get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    if cosi.version == "v1alpha2":
        return  # its controller deletes nothing yet

    cosi.api.delete(cosi.kind("BucketAccess"), cosi.namespace, "photos")
    cosi.until(lambda: cosi.get("BucketAccess", "photos") is None, "no access")
    assert code(s3.get_object, Bucket=bucket, Key="a") == "InvalidAccessKeyId"
    cosi.api.delete(cosi.kind("BucketClaim"), cosi.namespace, "photos")
    cosi.until(lambda: cosi.get("BucketClaim", "photos") is None, "no claim")
    cosi.until(lambda: code(server.client().head_bucket, Bucket=bucket) == "404", "no bucket")
