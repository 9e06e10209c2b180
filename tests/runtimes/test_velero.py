"""Velero backs up to the store: its plugin for S3 does every call of its object store interface, under each setting."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.front.wire import refused
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.runtimes import velero
from tests.runtimes.binaries import PROTOCOL, velero_plugin
from tests.runtimes.conftest import built

BACKUP = "cluster/backups/nightly/nightly.tar.gz"
ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")  # that the plugin's SDK can compute


@pytest.fixture
def settings(server: Running, bucket: str, tmp_path: Path) -> dict[str, str]:
    """The configuration of a BackupStorageLocation."""
    credentials = tmp_path / "credentials"
    credentials.write_text(f"[default]\naws_access_key_id={ROOT_USER}\naws_secret_access_key={ROOT_PASSWORD}\n")
    return {
        "bucket": bucket,
        "prefix": "cluster",
        "region": "us-east-1",
        "s3Url": server.endpoint,
        "s3ForcePathStyle": "true",
        "credentialsFile": str(credentials),
    }


@pytest.fixture
def store(settings: dict[str, str], tmp_path: Path) -> Iterator[velero.ObjectStore]:
    """A plugin that was started and not yet told where its objects are."""
    program = built(velero_plugin, "velero-plugin-for-aws")
    for name in PROTOCOL:
        shutil.copyfile(velero_plugin.folder / name, tmp_path / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"HOME": str(tmp_path), "TMPDIR": "/tmp", "AWS_EC2_METADATA_DISABLED": "true"}
    yield from velero.running(program, tmp_path, environment, tmp_path / "plugin.log")


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


def test_a_backup_from_the_first_byte_to_the_last_delete(
    store: velero.ObjectStore, settings: dict[str, str], server: Running, s3: Any, bucket: str
) -> None:
    store.init(**settings)
    assert store.list_common_prefixes(bucket, "cluster/backups/", "/") == []
    backup = os.urandom((12 << 20) + 7)  # in three parts
    store.put_object(bucket, BACKUP, backup)
    store.put_object(bucket, "cluster/backups/nightly/velero-backup.json", b"{}")
    store.put_object(bucket, "cluster/backups/nightly/empty", b"")
    store.put_object(bucket, "cluster/restores/again/restore log ü+&.gz", b"log")
    assert store.object_exists(bucket, BACKUP)
    assert not store.object_exists(bucket, "cluster/backups/weekly/velero-backup.json")
    assert store.get_object(bucket, BACKUP) == backup
    assert store.get_object(bucket, "cluster/backups/nightly/empty") == b""
    assert s3.head_object(Bucket=bucket, Key=BACKUP)["ETag"].endswith('-3"')
    assert store.list_common_prefixes(bucket, "cluster/", "/") == ["cluster/backups/", "cluster/restores/"]
    assert store.list_common_prefixes(bucket, "cluster/backups/", "/") == ["cluster/backups/nightly/"]
    assert store.list_objects(bucket, "cluster/restores/") == ["cluster/restores/again/restore log ü+&.gz"]
    assert fetched(store.create_signed_url(bucket, BACKUP, 600)) == backup
    with pytest.raises(grpc.RpcError, match="NoSuchKey"):
        store.get_object(bucket, "cluster/backups/weekly/weekly.tar.gz")
    for key in store.list_objects(bucket, "cluster/backups/nightly/"):
        store.delete_object(bucket, key)
    store.delete_object(bucket, BACKUP)  # what is gone may be deleted again
    assert store.list_objects(bucket, "cluster/") == ["cluster/restores/again/restore log ü+&.gz"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_lists_of_more_than_a_page(store: velero.ObjectStore, settings: dict[str, str], s3: Any, bucket: str) -> None:
    store.init(**settings)
    keys = [f"cluster/backups/{number:04}/velero-backup.json" for number in range(1003)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"{}"), keys))
    assert sorted(store.list_objects(bucket, "cluster/")) == keys
    prefixes = store.list_common_prefixes(bucket, "cluster/backups/", "/")
    assert sorted(prefixes) == [key.removesuffix("velero-backup.json") for key in keys]


@pytest.mark.parametrize("size", [1000, 6 << 20], ids=["one request", "parts"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_checksum_algorithm(
    algorithm: str, size: int, store: velero.ObjectStore, settings: dict[str, str], s3: Any, bucket: str
) -> None:
    store.init(**settings, checksumAlgorithm=algorithm)
    body = os.urandom(size)
    store.put_object(bucket, BACKUP, body)
    assert store.get_object(bucket, BACKUP) == body
    told = s3.head_object(Bucket=bucket, Key=BACKUP, ChecksumMode="ENABLED")
    assert f"Checksum{algorithm}" in told, told
    if size < 5 << 20 and algorithm in ("SHA1", "SHA256"):
        digest = hashlib.new(algorithm.lower(), body).digest()
        assert base64.b64decode(told[f"Checksum{algorithm}"]) == digest


def test_without_a_checksum(store: velero.ObjectStore, settings: dict[str, str], bucket: str) -> None:
    store.init(**settings, checksumAlgorithm="")
    store.put_object(bucket, BACKUP, b"backup")
    assert store.get_object(bucket, BACKUP) == b"backup"


@pytest.mark.parametrize("size", [1000, 6 << 20], ids=["one request", "parts"])
@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"serverSideEncryption": "AES256"}, {"ServerSideEncryption": "AES256"}),
        ({"serverSideEncryption": "aws:kms"}, {"ServerSideEncryption": "aws:kms"}),
        ({"kmsKeyId": "alias/aws/s3"}, {"ServerSideEncryption": "aws:kms"}),
    ],
    ids=["AES256", "aws:kms", "kmsKeyId"],
)
def test_encrypted_by_the_store(
    chosen: dict[str, str],
    told: dict[str, str],
    size: int,
    store: velero.ObjectStore,
    settings: dict[str, str],
    s3: Any,
    bucket: str,
) -> None:
    store.init(**settings, **chosen)
    body = os.urandom(size)
    store.put_object(bucket, BACKUP, body)
    assert store.get_object(bucket, BACKUP) == body
    assert told.items() <= s3.head_object(Bucket=bucket, Key=BACKUP).items()
    assert fetched(store.create_signed_url(bucket, BACKUP, 600)) == body


@pytest.mark.parametrize("size", [1000, 6 << 20], ids=["one request", "parts"])
def test_encrypted_with_a_key_of_the_customer(
    size: int, store: velero.ObjectStore, settings: dict[str, str], s3: Any, bucket: str, tmp_path: Path
) -> None:
    key = os.urandom(32)
    (tmp_path / "key").write_bytes(key)
    store.init(**settings, customerKeyEncryptionFile=str(tmp_path / "key"))
    body = os.urandom(size)
    store.put_object(bucket, BACKUP, body)
    assert store.object_exists(bucket, BACKUP)
    assert store.get_object(bucket, BACKUP) == body
    with refused("InvalidRequest", 400):
        s3.get_object(Bucket=bucket, Key=BACKUP)
    opened = s3.get_object(Bucket=bucket, Key=BACKUP, SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert opened["Body"].read() == body


def test_tagged(store: velero.ObjectStore, settings: dict[str, str], s3: Any, bucket: str) -> None:
    store.init(**settings, tagging="team=red&kept=a+year")
    for key, size in (("one", 10), ("parts", 6 << 20)):
        store.put_object(bucket, key, bytes(size))
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "red", "kept": "a year"}


def test_signed_for_the_address_that_users_see(
    store: velero.ObjectStore, settings: dict[str, str], server: Running, bucket: str
) -> None:
    public = f"http://localhost:{server.port}"
    store.init(**settings, publicUrl=public)
    store.put_object(bucket, BACKUP, b"backup")
    url = store.create_signed_url(bucket, BACKUP, 600)
    assert url.startswith(f"{public}/{bucket}/")
    assert fetched(url) == b"backup"


def test_a_failure_says_what_is_wrong(store: velero.ObjectStore, settings: dict[str, str], bucket: str) -> None:
    store.init(**settings)
    with pytest.raises(grpc.RpcError, match="NoSuchBucket"):
        store.put_object(f"{bucket}-missing", BACKUP, b"backup")
    Path(settings["credentialsFile"]).write_text(
        f"[default]\naws_access_key_id={ROOT_USER}\naws_secret_access_key=not-the-secret\n"
    )
    store.init(**settings)
    with pytest.raises(grpc.RpcError, match="SignatureDoesNotMatch"):
        store.list_objects(bucket, "")
