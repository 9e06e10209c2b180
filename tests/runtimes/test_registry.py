"""A registry of container images keeps them here: Debian's `docker-registry`, images pushed and pulled by skopeo.

What containerd and CRI-O pull is what skopeo pulls: the library is CRI-O's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import oci
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, free_port
from tests.runtimes.conftest import Run, installed


@dataclass
class Registry:
    program: str
    configuration: Path
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(params=["redirected", "through"])
def registry(request: pytest.FixtureRequest, server: Running, bucket: str, tmp_path: Path) -> Iterator[Registry]:
    """A registry on a bucket; pulls are redirected to presigned URLs of the store, or go through the registry."""
    program = installed("docker-registry")
    port = free_port()
    configuration = tmp_path / "registry.yaml"
    storage = {
        "regionendpoint": server.endpoint,
        "region": "us-east-1",
        "bucket": bucket,
        "accesskey": ROOT_USER,
        "secretkey": ROOT_PASSWORD,
        "secure": False,
        "v4auth": True,
        "rootdirectory": "/registry",
        "chunksize": 5 << 20,
        "multipartcopychunksize": 5 << 20,
        "multipartcopythresholdsize": 8 << 20,
    }
    document = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "s3": storage,
            "delete": {"enabled": True},
            "redirect": {"disable": request.param == "through"},
        },
        "http": {"addr": f"127.0.0.1:{port}", "secret": "shared by all instances"},
    }
    configuration.write_text(yaml.safe_dump(document))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REGISTRY_"))}
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(configuration)], stdout=log, stderr=log, env=environment)
    running = Registry(program, configuration, port)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "registry.log").read_text()
            try:
                running.get("/v2/")
                break
            except urllib.error.URLError:
                time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def stored(s3: Any, bucket: str) -> set[str]:
    """The digests of the blobs whose data is in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="registry/docker/registry/v2/blobs/")
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {f"sha256:{key.split('/')[-2]}" for key in keys if key.endswith("/data")}


def test_images_are_pushed_pulled_deleted_and_collected(
    registry: Registry, run: Run, s3: Any, bucket: str, tmp_path: Path
) -> None:
    skopeo = installed("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def copy(source: str, target: str) -> None:
        insecure = ("--src-tls-verify=false", "--dest-tls-verify=false")
        run(skopeo, "--policy", str(policy), "copy", "--quiet", *insecure, source, target)

    # Layers as images have them: one of many small files, one beyond a part, one that is moved in parts.
    shared = oci.layer({f"usr/share/files/{number}": os.urandom(number) for number in range(300)})
    large, larger = (oci.layer({"opt/data.bin": os.urandom(size << 20)}) for size in (6, 18))
    images = oci.Layout(tmp_path / "images")
    digests = {"1": images.add("1", [shared, larger], {"User": "10001"}), "2": images.add("2", [shared, large])}
    for tag in digests:
        copy(f"oci:{images.folder}:{tag}", f"docker://{registry.address}/team/app:{tag}")
    assert registry.get("/v2/_catalog") == {"repositories": ["team/app"]}
    assert registry.get("/v2/team/app/tags/list")["tags"] == ["1", "2"]
    assert stored(s3, bucket) == images.digests()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)

    # Pulled by tag, and by digest, is what was pushed, bit for bit.
    pulled = oci.Layout(tmp_path / "pulled")
    copy(f"docker://{registry.address}/team/app:1", f"oci:{pulled.folder}:1")
    copy(f"docker://{registry.address}/team/app@{digests['2']}", f"oci:{pulled.folder}:2")
    assert pulled.digests() == images.digests()
    assert all(pulled.blob(digest) == images.blob(digest) for digest in images.digests())

    # An image is copied inside the registry, then the first is deleted, and what only it had is collected.
    copy(f"docker://{registry.address}/team/app:2", f"docker://{registry.address}/other/app:latest")
    run(skopeo, "--policy", str(policy), "delete", "--tls-verify=false", f"docker://{registry.address}/team/app:1")
    run(registry.program, "garbage-collect", str(registry.configuration))
    only_the_first = {
        digests["1"],
        images.manifest("1")["config"]["digest"],
        images.manifest("1")["layers"][1]["digest"],
    }
    assert stored(s3, bucket) == images.digests() - only_the_first
    again = oci.Layout(tmp_path / "again")
    copy(f"docker://{registry.address}/other/app:latest", f"oci:{again.folder}:2")
    assert again.layers("2") == [shared, large]
    with pytest.raises(AssertionError, match="manifest unknown"):
        copy(f"docker://{registry.address}/team/app:1", f"oci:{tmp_path}/gone:1")
