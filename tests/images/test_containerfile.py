"""The Containerfile and compose file themselves: what can be said of them without building."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.harness import Running, free_port
from tests.images.names import ROOT

TEXT = (ROOT / "docker" / "Containerfile").read_text()


def healthcheck(endpoint: str) -> int:
    command = [sys.executable, "-I", str(ROOT / "docker" / "healthcheck.py")]
    return subprocess.run(
        command, env={"OBJSTORE_ENDPOINT": endpoint}, stderr=subprocess.DEVNULL, timeout=30
    ).returncode


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is not installed (make setup-dev installs it)")
    done = subprocess.run([str(hadolint), str(ROOT / "docker" / "Containerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_base_is_pinned_and_used_alone() -> None:
    (base,) = re.findall(r"(?m)^ARG BASE=(\S+)$", TEXT)
    assert re.fullmatch(r"docker\.io/library/python:3\.11-slim-\w+@sha256:[0-9a-f]{64}", base)
    stages = re.findall(r"(?m)^FROM (\S+)", TEXT)
    assert stages == ["${BASE}", "${BASE}"]


def test_its_version_is_the_project_s() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert re.findall(r"(?m)^ARG VERSION=(\S+)$", TEXT) == [project["version"]]


def test_what_is_copied_is_sent_to_the_build_and_nothing_else() -> None:
    copied = {path for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", TEXT) for path in line.split()}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    assert copied == sent
    assert all((ROOT / path).exists() for path in copied)


def test_the_health_check(server: Running) -> None:
    assert healthcheck(server.endpoint) == 0
    assert healthcheck(f"http://127.0.0.1:{free_port()}") != 0


def test_the_composed_server_has_a_volume_for_each_drive_and_may_do_little() -> None:
    composed = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    (service,) = composed["services"].values()
    targets = [volume.rpartition(":")[2] for volume in service["volumes"]]
    assert targets == [f"/drives/{number}" for number in range(1, 5)]
    assert service["command"] == ["server", "/drives/{1...4}"]
    names = {re.match(r"\$\{\w+:-(\w+)\}", volume)[1] for volume in service["volumes"]}  # type: ignore[index]
    assert names == set(composed["volumes"])
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {f"/run/secrets/{name}" for name in service["secrets"]} == set(service["environment"].values())
    assert set(service["secrets"]) == set(composed["secrets"])
    assert (ROOT / service["build"]["dockerfile"]).exists()
