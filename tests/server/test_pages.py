"""The server's own pages below `/-/`, and what `objstore admin info` makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.wire import Signer, exchange, send
from tests.harness import Running, serving


def test_health(server: Running) -> None:
    for page in ("live", "ready"):
        assert server.request("GET", f"/-/health/{page}").status == 200


def test_metrics_count_over_all_workers(server: Running, s3: Any, bucket: str) -> None:
    def count() -> float:
        text = server.request("GET", "/-/metrics").data.decode()
        found = re.findall(
            r'^objstore_requests_total\{operation="PutObject",status="[^"]+"\} (\S+)$', text, re.MULTILINE
        )
        return sum(map(float, found))

    before = count()
    for number in range(20):
        server.client().put_object(Bucket=bucket, Key=str(number), Body=b"x")
    assert count() >= before + 20
    text = server.request("GET", "/-/metrics").data.decode()
    assert "objstore_writable 1.0" in text
    assert text.count("objstore_drive_online{") == 4
    assert bucket not in text


def test_every_page_has_a_request_id(server: Running) -> None:
    paths = ("/-/health/live", "/-/health/ready", "/-/metrics", "/-/admin/v1/info", "/-/nothing")
    ids = [server.request("GET", path).headers["x-amz-request-id"] for path in paths]
    assert all(ids) and len(set(ids)) == len(ids)


def test_an_unknown_page_is_not_found(server: Running) -> None:
    assert server.request("GET", "/-/nothing").status == 404


def test_the_admin_api_is_for_root(server: Running) -> None:
    host = {"host": f"127.0.0.1:{server.port}"}
    assert exchange(server, "GET", "/-/admin/v1/info", host).status == 403
    assert send(server, "GET", "/-/admin/v1/info", signer=Signer(secret="wrong")).status == 403
    assert send(server, "GET", "/-/admin/v1/info").status == 200


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on which nobody else has written anything that may bear less."""
    with serving(tmp_path_factory.mktemp("pages")) as running:
        yield running


def test_admin_info_for_machines(fresh: Running) -> None:
    server, s3 = fresh, fresh.client()
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 1000)
    done = command("admin", "--endpoint", server.endpoint, "info", "--json", environment=CLI_ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert [drive["path"] for drive in info["drives"]] == [str(path) for path in server.drives]
    assert all(drive["state"] == "online" and drive["free"] > 0 for drive in info["drives"])
    assert (info["parity"], info["may_fail"], info["writable"], info["durability"]) == (2, 2, True, "strict")
    assert info["buckets"] >= 1 and info["objects"] >= 1 and info["bytes"] >= 1000


def test_admin_info_for_people(fresh: Running) -> None:
    environment = CLI_ENVIRONMENT | {"OBJSTORE_ENDPOINT": fresh.endpoint, "COLUMNS": "200"}
    done = command("admin", "info", environment=environment)
    assert done.returncode == 0, done.stderr
    assert str(fresh.drives[0]) in done.stdout and "any 2 of 4 drives may fail" in done.stdout


def test_the_endpoint_may_stand_behind_the_command(server: Running) -> None:
    nowhere = CLI_ENVIRONMENT | {"OBJSTORE_ENDPOINT": "http://127.0.0.1:1"}
    for words in (("info", "--json"), ("quota", "list", "--json")):
        done = command("admin", *words, "--endpoint", server.endpoint, environment=nowhere)
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)


def test_admin_info_says_what_is_wrong(server: Running) -> None:
    none = command("admin", "--endpoint", "http://127.0.0.1:1", "info", environment=CLI_ENVIRONMENT)
    assert (none.returncode, "no answer from http://127.0.0.1:1" in none.stderr) == (1, True)
    wrong = CLI_ENVIRONMENT | {"OBJSTORE_ROOT_PASSWORD": "another-password"}
    refused = command("admin", "--endpoint", server.endpoint, "info", environment=wrong)
    assert (refused.returncode, "SignatureDoesNotMatch" in refused.stderr) == (1, True)
    nobody = command("admin", "--endpoint", server.endpoint, "info")
    assert (nobody.returncode, "OBJSTORE_ROOT_USER" in nobody.stderr) == (2, True)
