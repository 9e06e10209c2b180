"""`make image` makes what docs/images.md says, twice the same, and the server in it stores objects.

buildah builds without an engine, in a stand-in for the base image (tests/images/base.py).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests import oci
from tests.front.test_inventory import read
from tests.harness import free_port
from tests.images import base
from tests.images.container import Container
from tests.images.names import ROOT, locked

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

NAME = "localhost/objstore:test"
NEEDED = ("buildah", "skopeo", "debootstrap", "unshare", "setpriv")
SBOM = "opt/objstore/share/objstore/objstore.cdx.json"
COMPRESSED = 120 << 20  # bytes that the image may add to its base


@dataclass
class Built:
    image: oci.Layout
    inspected: dict[str, Any]  # by skopeo
    docker: dict[str, Any]  # the configuration in Docker's form, which has the health check
    beside: bytes  # the list of what is in the image, as it was written beside it

    @cached_property
    def added(self) -> bytes:
        """The layer that came on top of the base, uncompressed."""
        (_, ours) = self.image.layers("test")
        return ours


def _cannot() -> str | None:
    absent = [program for program in NEEDED if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (.ci/run installs them)"
    if os.geteuid() != 0:
        return "building without an engine needs root"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        return "no namespace for mounts is to be had here"
    return None


@pytest.fixture(scope="module", autouse=True)
def able() -> None:
    if (why := _cannot()) is not None:
        pytest.skip(why)


def build(folder: Path, base_image: str) -> Built:
    """`make image` with buildah, its storage below `folder`; nothing is reused of another build."""
    folder.mkdir()
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
    )
    (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    environment = os.environ | {
        "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf",
        "BUILDAH_ISOLATION": "chroot",
        "TMPDIR": str(folder),
    }

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    skopeo = ("skopeo", "--policy", str(folder / "policy.json"))
    run(*skopeo, "copy", "--quiet", base_image, "containers-storage:localhost/base:latest")
    # How this machine reaches the package index, if it has a way of its own.
    mounts = [f"--volume {path}:{path}:ro" for path in ("/etc/pip.conf", "/etc/ssl/certs") if Path(path).exists()]
    arguments = " ".join(["--pull-never", "--build-arg BASE=localhost/base:latest", *mounts])
    run("make", "image", "ENGINE=buildah", f"IMAGE={NAME}", f"BUILD={arguments}")
    run(*skopeo, "copy", "--quiet", f"containers-storage:{NAME}", f"oci:{folder}/image:test")
    inspected = json.loads(run(*skopeo, "inspect", f"oci:{folder}/image:test"))
    docker = json.loads(run("buildah", "inspect", "--type", "image", NAME))["Docker"]["config"]
    shutil.rmtree(folder / "storage")
    return Built(oci.Layout(folder / "image"), inspected, docker, (ROOT / "dist" / "objstore.cdx.json").read_bytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("image")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def built(folder: Path) -> Built:
    return build(folder / "first", base.make())


@pytest.fixture(scope="module")
def files(built: Built) -> dict[str, tarfile.TarInfo]:
    """What the image adds to its base, by path."""
    with tarfile.open(fileobj=io.BytesIO(built.added)) as tar:
        return {member.name.rstrip("/"): member for member in tar}


@pytest.fixture(scope="module")
def root(built: Built, folder: Path) -> Path:
    """The image's files, unpacked."""
    root = folder / "root"
    root.mkdir()
    for one in built.image.layers("test"):
        subprocess.run(["tar", "-x", "-C", str(root)], input=one, check=True)
    return root


@pytest.fixture(scope="module")
def container(built: Built, root: Path, folder: Path) -> Iterator[Container]:
    """The server, started as `docker run` does, on four drives that belong to its user."""
    drives = [folder / "drives" / str(number) for number in range(1, 5)]
    for drive in drives:
        drive.mkdir(parents=True)
        os.chown(drive, 10001, 10001)
    port = free_port()
    environment = {
        "OBJSTORE_ADDRESS": f"127.0.0.1:{port}",
        "OBJSTORE_ENDPOINT": f"http://127.0.0.1:{port}",
        "OBJSTORE_ROOT_USER": "test-root-user",
        "OBJSTORE_ROOT_PASSWORD": "test-root-password",
    }
    config = built.image.config("test")["config"]
    running = Container(drives, folder / "server.log", port, (), environment, root=root, config=config)
    try:
        yield running.start()
    finally:
        running.kill()


def test_two_builds_are_the_same(built: Built, folder: Path) -> None:
    again = build(folder / "second", base.make())
    assert again.image.config("test") == built.image.config("test")
    assert again.image.manifest("test") == built.image.manifest("test")
    assert again.beside == built.beside


def test_what_skopeo_tells_of_it(built: Built) -> None:
    config = built.image.config("test")["config"]
    assert config["User"] == "10001:10001"
    assert (config["Entrypoint"], config["Cmd"]) == (["objstore"], ["server", "/drives/{1...4}"])
    assert config["ExposedPorts"] == {"9000/tcp": {}}
    assert "Volumes" not in config
    revision = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "objstore"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["revision"] == revision.stdout.strip()
    assert labels["base.name"] == "localhost/base:latest"
    assert built.inspected["Labels"] == config["Labels"]
    assert len(built.inspected["Layers"]) == 2
    assert not any("PASSWORD" in name or "SECRET" in name for name in config["Env"])
    assert built.docker["Healthcheck"]["Test"][0] == "CMD"


def test_it_is_small(built: Built) -> None:
    assert built.image.manifest("test")["layers"][-1]["size"] < COMPRESSED


def test_nothing_that_is_not_needed_to_run(files: dict[str, tarfile.TarInfo]) -> None:
    packages = {path.split("/")[5] for path in files if path.startswith("opt/objstore/lib/python3.11/site-packages/")}
    assert "objstore" in packages
    assert not packages & {"pip", "setuptools", "hatchling", "pytest", "boto3", "cyclonedx"}
    below = {path.split("/")[0] for path in files}
    assert below <= {"opt", "drives", "etc", "usr", "run", "var"}, below
    assert not [
        path
        for path in files
        if path.startswith(("usr/", "var/")) and "__pycache__" not in path and files[path].isfile()
    ]
    assert not [path for path in files if "/.wh." in path or path.startswith((".wh.", "root/", "source/", "tmp/"))]


def test_nobody_but_root_may_change_it(files: dict[str, tarfile.TarInfo]) -> None:
    ours = {path for path, member in files.items() if member.uid == 10001}
    assert ours == {f"drives/{number}" for number in range(1, 5)}
    others = [path for path, member in files.items() if not member.issym() and member.mode & 0o022]
    assert others == []
    assert [path for path, member in files.items() if member.mode & 0o6000] == []


def test_modules_are_compiled_and_know_no_time(built: Built, files: dict[str, tarfile.TarInfo]) -> None:
    """The second word of a compiled module says how it is checked: 1 is by hash, and never (PEP 552)."""
    with tarfile.open(fileobj=io.BytesIO(built.added)) as tar:
        compiled = {path for path in files if path.endswith(".pyc")}
        for path in compiled:
            content = tar.extractfile(files[path])
            assert content is not None
            assert content.read(8)[4:] == b"\1\0\0\0", path
    sources = [path for path in files if path.startswith("opt/objstore/lib/") and path.endswith(".py")]
    assert len(sources) > 1000
    for path in sources:
        folder, _, name = path.rpartition("/")
        assert f"{folder}/__pycache__/{name[:-3]}.cpython-311.pyc" in compiled, path


def test_the_list_of_what_is_in_it(built: Built, root: Path) -> None:
    assert (root / SBOM).read_bytes() == built.beside
    told = json.loads(built.beside)
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "objstore")
    listed = {one["purl"].removeprefix("pkg:pypi/") for one in told["components"] if "purl" in one}
    installed = {
        f"{name.lower().replace('_', '-').replace('.', '-')}@{version}"
        for path in (root / "opt/objstore/lib/python3.11/site-packages").glob("*.dist-info")
        for name, _, version in [path.name.removesuffix(".dist-info").rpartition("-")]
    }
    assert listed | {f"objstore@{told['metadata']['component']['version']}"} == installed
    assert listed <= locked("requirements.lock")


def test_every_module_is_there_with_what_it_asks_for(container: Container) -> None:
    script = (
        "import importlib, pkgutil, objstore, erasure\n"
        "for package in (objstore, erasure):\n"
        "    for one in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not one.name.endswith('__main__'):\n"
        "            importlib.import_module(one.name)\n"
        "            print(one.name)\n"
    )
    done = container.run("python", "-c", script)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 300


def test_every_command_is_there(container: Container) -> None:
    """Server, operator and driver are one image."""
    told = container.run("objstore", "--help").stdout
    commands = re.findall(r"(?m)^    ([a-z]+) ", told)
    assert {"server", "admin", "operator"} <= set(commands)
    for command in commands:
        done = container.run("objstore", command, "--help")
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: objstore {command}")


def test_objects_there_and_back(container: Container) -> None:
    s3 = container.client()
    s3.create_bucket(Bucket="album")
    body = os.urandom(9 << 20)
    s3.put_object(Bucket="album", Key="large", Body=body, ServerSideEncryption="AES256", ChecksumAlgorithm="CRC64NVME")
    s3.put_object(Bucket="album", Key="small", Body=b"small")
    assert s3.get_object(Bucket="album", Key="large")["Body"].read() == body
    assert s3.get_object(Bucket="album", Key="small")["Body"].read() == b"small"
    owners = {path.stat().st_uid for drive in container.drives for path in drive.rglob("*")}
    assert owners == {10001}


def test_an_inventory_is_written_as_parquet(container: Container) -> None:
    s3 = container.client()
    for name in ("source", "lists"):
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket="source", Key="one", Body=b"1")
    allow = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "s3:PutObject"}
    policy = {"Version": "2012-10-17", "Statement": [allow | {"Resource": "arn:aws:s3:::lists/*"}]}
    s3.put_bucket_policy(Bucket="lists", Policy=json.dumps(policy))
    document = {
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::lists", "Format": "Parquet"}},
        "IsEnabled": True,
        "Id": "all",
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Daily"},
        "OptionalFields": ["LastModifiedDate"],
    }
    s3.put_bucket_inventory_configuration(Bucket="source", Id="all", InventoryConfiguration=document)
    done = container.run("objstore", "admin", "inventory", "run", "source", "all", "--timeout", "60")
    assert done.returncode == 0, done.stderr
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="lists")["Contents"]]
    data = next(key for key in keys if key.endswith(".parquet"))
    assert [row["key"] for row in read(s3.get_object(Bucket="lists", Key=data)["Body"].read())] == ["one"]


def test_the_health_check_and_the_end(container: Container, built: Built) -> None:
    """Last, for it stops the server: SIGTERM to the first process ends it in order, and the check then fails."""
    check = built.docker["Healthcheck"]["Test"][1:]
    assert container.run(*check).returncode == 0
    assert container.run("touch", "/opt/objstore/written").returncode != 0
    assert container.stop() == 0, container.output()
    assert container.run(*check).returncode != 0
    container.start()
    body = container.client().get_object(Bucket="album", Key="small")["Body"].read()
    assert body == b"small"
