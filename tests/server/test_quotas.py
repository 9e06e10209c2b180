"""Quotas by the admin API and `objstore admin quota`: set, told, enforced, counted, taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from objstore.cli.units import parse
from objstore.iam.identities.names import DEPLOYMENT
from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.people import ALICE, BOB
from tests.front.wire import Signer, exchange, refused, send
from tests.harness import Running

PATH = "/-/admin/v1/quota"


def quota(server: Running, *arguments: str, fails: str = "") -> Any:
    """What `objstore admin quota` prints for machines; or that it fails and says so."""
    done = command("admin", "--endpoint", server.endpoint, "quota", *arguments, "--json", environment=CLI_ENVIRONMENT)
    if fails:
        assert done.returncode == 1 and fails in done.stderr, done.stderr
        return None
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def clean(server: Running) -> Iterator[None]:
    """No quota is left behind on the shared server."""
    yield
    for one in json.loads(send(server, "GET", PATH).body)["quotas"]:
        of = {"account": "account", "user": "user"}.get(one["scope"], "bucket")
        prefix = f"&prefix={one['prefix'].replace('/', '%2F')}" if one["prefix"] is not None else ""
        assert send(server, "DELETE", f"{PATH}?{of}={one['id'] or one['bucket']}{prefix}").status == 200


def put(s3: Any, bucket: str, key: str, size: int) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * size)


def test_a_bucket_holds_what_it_may(server: Running, s3: Any, bucket: str, clean: None) -> None:
    put(s3, bucket, "a", 600)
    told = quota(server, "set", "--bucket", bucket, "--bytes", "1kB", "--objects", "3", "--wait")
    assert (told["bytes"], told["max_bytes"], told["objects"], told["max_objects"]) == (600, 1000, 1, 3)
    assert (told["scope"], told["name"], told["counted"]) == ("bucket", bucket, True)
    with refused("QuotaExceeded", 403):
        put(s3, bucket, "b", 401)
    put(s3, bucket, "b", 400)
    put(s3, bucket, "c", 0)
    with refused("QuotaExceeded", 403):
        put(s3, bucket, "d", 0)
    with refused("QuotaExceeded", 403):
        s3.copy_object(Bucket=bucket, Key="d", CopySource=f"{bucket}/c")
    s3.delete_object(Bucket=bucket, Key="b")
    assert quota(server, "get", "--bucket", bucket)["bytes"] == 600
    assert quota(server, "set", "--bucket", bucket, "--bytes", "10kB")["max_objects"] is None
    put(s3, bucket, "d", 5000)
    quota(server, "remove", "--bucket", bucket)
    quota(server, "get", "--bucket", bucket, fails="There is no such quota")
    quota(server, "remove", "--bucket", bucket, fails="There is no such quota")
    put(s3, bucket, "e", 50_000)


def test_a_prefix_holds_what_it_may(server: Running, s3: Any, bucket: str, clean: None) -> None:
    for key in ("logs/1", "logs/2", "other"):
        put(s3, bucket, key, 20_000)
    told = quota(server, "set", "--bucket", bucket, "--prefix", "logs/", "--bytes", "50000", "--wait")
    assert (told["bytes"], told["objects"], told["prefix"]) == (40_000, 2, "logs/")
    with refused("QuotaExceeded", 403):
        put(s3, bucket, "logs/3", 20_000)
    put(s3, bucket, "other/3", 20_000)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="logs/parts")["UploadId"]
    with refused("QuotaExceeded", 403):
        s3.upload_part(Bucket=bucket, Key="logs/parts", UploadId=upload, PartNumber=1, Body=b"x" * 50_001)
    part = s3.upload_part(Bucket=bucket, Key="logs/parts", UploadId=upload, PartNumber=1, Body=b"x" * 20_000)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    with refused("QuotaExceeded", 403):
        s3.complete_multipart_upload(Bucket=bucket, Key="logs/parts", UploadId=upload, MultipartUpload=parts)
    s3.delete_object(Bucket=bucket, Key="logs/1")
    s3.complete_multipart_upload(Bucket=bucket, Key="logs/parts", UploadId=upload, MultipartUpload=parts)
    with refused("QuotaExceeded", 403):
        s3.put_object(Bucket=bucket, Key="logs/2", Body=b"x" * 20_000, WriteOffsetBytes=20_000)
    with refused("QuotaExceeded", 403):
        s3.rename_object(Bucket=bucket, Key="logs/in", RenameSource=f"/{bucket}/other")
    s3.rename_object(Bucket=bucket, Key="logs/renamed", RenameSource=f"/{bucket}/logs/2")


def test_accounts_and_users_hold_what_they_may(server: Running, s3: Any, bucket: str, clean: None) -> None:
    put(s3, bucket, "a", 1000)
    for of, name in (("--account", DEPLOYMENT), ("--user", f"arn:aws:iam::{DEPLOYMENT}:root")):
        told = quota(server, "set", of, name, "--bytes", "1TiB", "--wait")
        assert told["counted"] and told["bytes"] >= 1000 and told["name"] == DEPLOYMENT
        for _ in range(10):  # the server itself may write meanwhile, such as access logs, for them
            before = quota(server, "get", of, name)["bytes"]
            put(s3, bucket, "b", 50)
            held = quota(server, "get", of, name)["bytes"]
            if held == before + 50:
                break
            s3.delete_object(Bucket=bucket, Key="b")
        assert held == before + 50
        quota(server, "set", of, name, "--bytes", str(held + 10))
        with refused("QuotaExceeded", 403):
            put(s3, bucket, "c", 11)
        s3.delete_object(Bucket=bucket, Key="b")
        put(s3, bucket, "c", 11)
        s3.delete_object(Bucket=bucket, Key="c")
        quota(server, "remove", of, name)


def test_what_a_user_writes_counts_to_him_and_to_the_account_that_owns_the_bucket(
    server: Running, bucket: str, clean: None
) -> None:
    alice, bob = ALICE.client(server), BOB.client(server)
    name = f"{bucket}-of-alice"
    alice.create_bucket(Bucket=name)
    alice.put_bucket_acl(Bucket=name, ACL="public-read-write")
    before = [quota(server, "set", *of, "--bytes", "1TiB", "--wait")["bytes"] for of in WHOSE]
    put(bob, name, "from bob", 700)
    held = [quota(server, "get", *of)["bytes"] for of in WHOSE]
    assert [now - was for now, was in zip(held, before, strict=True)] == [700, 0, 700, 0]
    quota(server, "set", "--account", ALICE.id, "--bytes", str(held[0]))
    with refused("QuotaExceeded", 403):
        put(bob, name, "more", 1)
    quota(server, "set", "--account", ALICE.id, "--bytes", "1TiB")
    quota(server, "set", "--user", BOB.id, "--bytes", str(held[2]))
    with refused("QuotaExceeded", 403):
        put(bob, name, "more", 1)
    put(alice, name, "from bob", 100)
    put(bob, name, "more", 700)


WHOSE = [("--account", ALICE.id), ("--account", BOB.id), ("--user", BOB.id), ("--user", ALICE.id)]


def test_all_are_listed(server: Running, s3: Any, bucket: str, clean: None) -> None:
    quota(server, "set", "--bucket", bucket, "--objects", "1")
    quota(server, "set", "--bucket", bucket, "--prefix", "", "--objects", "2")
    quota(server, "set", "--bucket", bucket, "--prefix", "a/b", "--objects", "3")
    listed = [(one["scope"], one["prefix"], one["max_objects"]) for one in quota(server, "list")]
    assert listed == [("bucket", None, 1), ("prefix", "", 2), ("prefix", "a/b", 3)]
    environment = CLI_ENVIRONMENT | {"COLUMNS": "200"}
    shown = command("admin", "--endpoint", server.endpoint, "quota", "list", environment=environment).stdout
    assert f"{bucket}/a/b" in shown and "at most" in shown
    s3.delete_bucket(Bucket=bucket)
    assert quota(server, "list") == []


def test_what_makes_no_sense_is_refused(server: Running, bucket: str) -> None:
    quota(server, "set", "--bucket", bucket, fails="the most objects, the most bytes, or both")
    quota(server, "set", "--bucket", "no-such-bucket", "--bytes", "1", fails="does not exist")
    quota(server, "set", "--account", "999999999999", "--bytes", "1", fails="no account 999999999999")
    quota(server, "set", "--user", "AIDANOBODY", "--bytes", "1", fails="no user AIDANOBODY")
    quota(server, "set", "--user", f"arn:aws:iam::{DEPLOYMENT}:user/nobody", "--bytes", "1", fails="cannot be found")
    quota(server, "set", "--account", DEPLOYMENT, "--prefix", "x", "--bytes", "1", fails="one of account, user, bucket")
    for given in ("bytes=-1", "bytes=much", "objects=1.5", "bytes=99999999999999999999"):
        assert send(server, "PUT", f"{PATH}?bucket={bucket}&{given}").status == 400
    assert send(server, "GET", f"{PATH}?after=nonsense").status == 400


def test_quotas_are_set_by_root_alone(server: Running, bucket: str) -> None:
    where = f"{PATH}?bucket={bucket}&bytes=1"
    assert exchange(server, "PUT", where, {"host": f"127.0.0.1:{server.port}"}).status == 403
    assert send(server, "PUT", where, signer=Signer(secret="wrong")).status == 403
    assert send(server, "GET", f"{PATH}?bucket={bucket}").status == 404


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("500", 500), ("10GB", 10**10), ("1.5 GiB", 3 << 29), ("2kib", 2048), ("7B", 7), ("1P", 10**15)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1XB", "-1", "1,5GB", "1 GB GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        parse(text)
