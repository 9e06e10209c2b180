"""Keys by `objstore admin kms`: made, rotated, disabled, and what they sealed before; and another master key.

One server is started again and again over the same drives, with what each start is told.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.wire import refused, send
from tests.harness import Running, serving
from tests.kms.test_master import refusal

KMS = {"ServerSideEncryption": "aws:kms"}


def kms(server: Running, *arguments: str, fails: str = "") -> Any:
    """What `objstore admin kms key` prints for machines; or that it fails and says so."""
    asked = ("admin", "--endpoint", server.endpoint, "kms", "key", *arguments, "--json")
    done = command(*asked, environment=CLI_ENVIRONMENT)
    if fails:
        assert done.returncode == 1 and fails in done.stderr, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ask(server: Running, action: str, name: str) -> Any:
    """The same by the API itself: a command takes a second to begin."""
    answer = send(server, "POST", f"/-/admin/v1/kms/keys?name={name}&action={action}")
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def rewrapped(server: Running, name: str) -> int:
    """How many records a walk over all of them seals anew, by the API itself."""
    done, after = 0, ""
    while True:
        page = send(server, "POST", f"/-/admin/v1/kms/rewrap?name={name}{after}")
        assert page.status == 200, page.body
        answer = json.loads(page.body)
        done += answer["rewrapped"]
        if answer["next"] is None:
            return done
        after = f"&after={answer['next']}"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """A server of the test's own: what it does to keys concerns nobody else."""
    with serving(tmp_path / "own", drives=2) as running:
        yield running


def objects(s3: Any, scheme: dict[str, Any]) -> dict[str, bytes]:
    """A bucket with an object of each kind under a scheme, and an upload that has begun; what reads must give."""
    s3.create_bucket(Bucket="bucket")
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    bodies = {f"k{number}": os.urandom(size) for number, size in enumerate((100, 20_000, 300_000))}
    for key, body in bodies.items():
        s3.put_object(Bucket="bucket", Key=key, Body=body, **scheme)
    s3.put_object(Bucket="bucket", Key="k0", Body=b"newer")
    bodies["k0"] = b"newer"
    return bodies


def check(s3: Any, bodies: dict[str, bytes]) -> None:
    for key, body in bodies.items():
        assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == body


def test_a_key_is_made_rotated_and_takes_its_objects_along(own: Running) -> None:
    s3 = own.client()
    kms(own, "create", "team")
    kms(own, "create", "team", fails="exists already")
    team, plain = {**KMS, "SSEKMSKeyId": "team"}, {"ServerSideEncryption": "AES256"}
    bodies = objects(s3, team) | {"s3": b"x" * 9000}
    s3.put_object(Bucket="bucket", Key="s3", Body=bodies["s3"], **plain)
    s3.create_bucket(Bucket="seen")
    s3.put_object(Bucket="seen", Key="k", Body=b"kept by a snapshot alone", **team)
    assert send(own, "PUT", "/-/admin/v1/snapshots?bucket=seen&name=one").status == 200
    s3.delete_object(Bucket="seen", Key="k")
    # versions, what a snapshot keeps, and an upload
    for name, scheme, sealed in (("team", team, 5), ("SSE-S3", plain, 2)):
        upload = s3.create_multipart_upload(Bucket="bucket", Key="parts", **scheme)["UploadId"]
        assert rewrapped(own, name) == 0
        assert ask(own, "rotate", name)["versions"] == 2
        check(s3, bodies)
        assert kms(own, "rewrap", name)["rewrapped"] == sealed
        assert rewrapped(own, name) == 0
        check(s3, bodies)
        part = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(Bucket="bucket", Key="parts", UploadId=upload, MultipartUpload=parts)
        assert s3.get_object(Bucket="bucket", Key="parts")["Body"].read() == b"part"
    assert s3.get_object(Bucket="seen--one--snap", Key="k")["Body"].read() == b"kept by a snapshot alone"
    old = s3.list_object_versions(Bucket="bucket", Prefix="k0")["Versions"][1]["VersionId"]
    assert s3.get_object(Bucket="bucket", Key="k0", VersionId=old)["ContentLength"] == 100
    listed = kms(own, "list")
    assert listed["engine"] == "keyring"
    assert {key["name"]: key["versions"] for key in listed["keys"]} == {"SSE-S3": 2, "alias/aws/s3": 1, "team": 2}
    own.stop()
    own.start()
    check(own.client(), bodies)


def test_a_disabled_key_neither_seals_nor_opens_and_comes_back(own: Running) -> None:
    s3 = own.client()
    assert send(own, "PUT", "/-/admin/v1/kms/keys?name=team").status == 200
    assert send(own, "PUT", "/-/admin/v1/kms/keys?name=two%20words").status == 400
    bodies = objects(s3, {**KMS, "SSEKMSKeyId": "team"})
    assert ask(own, "disable", "team")["enabled"] is False
    with refused("KMS.DisabledException", 400):
        s3.get_object(Bucket="bucket", Key="k1")
    with refused("KMS.DisabledException", 400):
        s3.put_object(Bucket="bucket", Key="k9", Body=b"x", SSEKMSKeyId="team", **KMS)
    assert s3.head_object(Bucket="bucket", Key="k1")["SSEKMSKeyId"] == "team"
    kms(own, "rewrap", "team", fails="disabled")
    ask(own, "enable", "team")
    check(s3, bodies)
    for name, action, code in (("SSE-S3", "disable", b"InvalidState"), ("nobody", "rotate", b"NotFound")):
        answer = send(own, "POST", f"/-/admin/v1/kms/keys?name={name}&action={action}")
        assert (answer.status, code in answer.body) == (400, True)


def test_keys_are_roots_alone(server: Running) -> None:
    for path in ("/-/admin/v1/kms/keys", "/-/admin/v1/kms/keys?name=x&action=disable"):
        for method in ("GET", "PUT", "POST"):
            assert server.request(method, path).status == 403
    assert server.request("POST", "/-/admin/v1/kms/rewrap?name=x").status == 403
    for path in ("/-/admin/v1/kms/keys?name=SSE-S3&action=erase", "/-/admin/v1/kms/keys?action=rotate"):
        assert send(server, "POST", path).status == 400
    assert send(server, "POST", "/-/admin/v1/kms/rewrap?name=SSE-S3&after=%25%25").status == 400
    assert b"sealed" not in send(server, "GET", "/-/admin/v1/kms/keys").body


def encoded(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def test_the_master_key_is_changed_from_the_one_that_the_catalog_kept(own: Running) -> None:
    s3, iam = own.client(), own.client("iam")
    bodies = objects(s3, {"ServerSideEncryption": "AES256"})
    s3.put_object(Bucket="bucket", Key="kms", Body=b"under a key", **KMS)
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    own.stop()
    assert "not the one that this deployment began with" in refusal(own, OBJSTORE_MASTER_KEY=encoded(1))

    own.environment = {"OBJSTORE_MASTER_KEY": encoded(1), "OBJSTORE_PREVIOUS_MASTER_KEY": "stored"}
    own.start()
    assert "the master key was changed" in own.output()
    check(own.client(), bodies | {"kms": b"under a key"})
    with refused("AccessDenied", 403):  # and no other error: secrets of access keys were sealed anew as well
        own.client(access=key["AccessKeyId"], secret=key["SecretAccessKey"]).get_object(Bucket="bucket", Key="k0")
    own.stop()

    assert "master key is missing" in refusal(own), "the catalog keeps none any more"
    twice = {"OBJSTORE_MASTER_KEY": encoded(2), "OBJSTORE_PREVIOUS_MASTER_KEY": encoded(3)}
    assert "neither the master key nor the previous one" in refusal(own, **twice)
    own.environment = {"OBJSTORE_MASTER_KEY": encoded(2), "OBJSTORE_PREVIOUS_MASTER_KEY": encoded(1)}
    for _ in range(2):  # started again with the same settings, nothing is left to do
        own.start()
        check(own.client(), bodies | {"kms": b"under a key"})
        own.stop()
    assert own.output().count("the master key was changed") == 2
    alone = {"OBJSTORE_PREVIOUS_MASTER_KEY": encoded(1)}
    assert "give the new one too" in refusal(own, **alone)
