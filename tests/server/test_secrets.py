"""Secrets are nowhere in clear: not on the drives, not in the catalog, not in a log, whatever was asked for."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.admin import ENVIRONMENT, admin
from tests.front.wire import until
from tests.harness import Running, serving

NOBODY = {"OBJSTORE_ROOT_USER": "", "OBJSTORE_ROOT_PASSWORD": ""}
ROLE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000000"}}],
    }
)
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def forms(secret: str) -> Iterator[bytes]:
    """How a secret might be written."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")[:-2]


def places(folder: Path, secret: str) -> list[str]:
    """The files below a folder that have a secret in them."""
    wanted = set(forms(secret))
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            found += [str(path.relative_to(folder)) for form in wanted if form in data]
    return found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    """A server that made its root credentials itself, with an access log and a master key that is not on the drives."""
    environment = NOBODY | {"OBJSTORE_MASTER_KEY": key(1)}
    arguments = ("--access-log", str(tmp_path / "access.log"))
    with serving(tmp_path, drives=2, environment=environment, arguments=arguments) as running:
        yield running


def test_no_secret_is_written_anywhere(own: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = re.search(r"OBJSTORE_ROOT_USER=(\S+)\s+OBJSTORE_ROOT_PASSWORD=(\S+)", own.output())
    assert said is not None
    root = said[1], said[2]
    own.stop()
    own.log.unlink()  # that start showed them, this once
    own.start()
    secrets = {"the root password": root[1]}
    iam, s3 = own.client("iam", *root), own.client("s3", *root)

    # Keys of users, and one that is used wrongly.
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=ANYTHING)
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    secrets["the secret of an access key"] = made["SecretAccessKey"]
    ann = made["AccessKeyId"], made["SecretAccessKey"]
    own.client("s3", *ann).create_bucket(Bucket="bucket")
    with pytest.raises(ClientError):
        own.client("s3", made["SecretAccessKey"], made["SecretAccessKey"]).list_buckets()

    # Service accounts.
    monkeypatch.setitem(ENVIRONMENT, "OBJSTORE_ROOT_USER", root[0])
    monkeypatch.setitem(ENVIRONMENT, "OBJSTORE_ROOT_PASSWORD", root[1])
    robot = admin(own, "service-account", "create", "robot", "--user", "ann")
    secrets["the secret of a service account"] = robot["secret_key"]
    own.client("s3", robot["access_key"], robot["secret_key"]).list_buckets()

    # Sessions, by header and by URL; with a tampered token too.
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=ROLE)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=ANYTHING)
    role = "arn:aws:iam::000000000000:role/r"
    given = own.client("sts", *ann).assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    secrets["the secret of a session"] = given["SecretAccessKey"]
    secrets["the token of a session"] = given["SessionToken"]
    session = boto3.client(
        "s3",
        endpoint_url=own.endpoint,
        region_name="us-east-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    session.put_object(Bucket="bucket", Key="k", Body=b"x")
    url = session.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "k"})
    path = url.removeprefix(own.endpoint)
    assert own.request("GET", path).status == 200
    assert own.request("GET", path.replace("/k?", "/other?")).status == 403
    assert own.request("DELETE", path + "&tagging").status == 403

    # Keys of SSE-C, right, wrong and malformed.
    customer = os.urandom(32)
    secrets["a customer's key, in base64"] = base64.b64encode(customer).decode()
    with_key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": customer}
    s3.put_object(Bucket="bucket", Key="sealed", Body=b"x" * 20_000, **with_key)
    assert s3.get_object(Bucket="bucket", Key="sealed", **with_key)["Body"].read()
    with pytest.raises(ClientError):
        s3.get_object(Bucket="bucket", Key="k", **with_key)
    with pytest.raises(ClientError):
        in_base64 = with_key | {"SSECustomerKey": secrets["a customer's key, in base64"]}
        s3.get_object(Bucket="bucket", Key="sealed", **in_base64, SSECustomerKeyMD5="AAAAAAAAAAAAAAAAAAAAAA==")

    log = tmp_path / "access.log"
    until(lambda: log.read_text().count('"key":"sealed"') >= 3, "the requests in the log", 10)
    own.stop()
    for what, secret in secrets.items():
        assert places(tmp_path, secret) == [], what
    assert not any(customer in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert ann[0] in log.read_text(), "the log is the one that was looked through"

    # Another master key opens what the first one sealed, root's password too.
    own.environment = NOBODY | {"OBJSTORE_MASTER_KEY": key(2), "OBJSTORE_PREVIOUS_MASTER_KEY": key(1)}
    own.start()
    own.client("iam", *root).get_user(UserName="ann")
    own.client("s3", *ann).list_buckets()


def test_nobody_else_on_the_machine_may_read_what_is_stored(tmp_path: Path) -> None:
    """Whatever the umask: the catalog may hold the master key, and its log and its index are the catalog."""
    umask = os.umask(0)
    try:
        with serving(tmp_path / "own") as running:
            s3 = running.client()
            s3.create_bucket(Bucket="bucket")
            s3.put_object(Bucket="bucket", Key="key", Body=os.urandom(100_000))
            files = {path for drive in running.drives for path in drive.rglob("*") if path.is_file()}
            names = {path.name for path in files}
            assert {"catalog.db", "catalog.db-wal", "catalog.db-shm", "format.json", "ballot"} <= names
            assert {path.name for path in files if path.stat().st_mode & 0o077} == set()
    finally:
        os.umask(umask)
