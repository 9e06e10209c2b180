"""Inventories through the front door: configured, made by the jobs process, read by data tools."""

from __future__ import annotations

import gzip
import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

import duckdb
import pytest
from botocore.exceptions import ClientError

from objstore.cli.main import main
from tests.front.wire import refused, until
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running


def configuration(bucket: str, ident: str = "list", **change: Any) -> dict[str, Any]:
    destination = {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV", "Prefix": "lists"} | change.pop("to", {})
    return {
        "Destination": {"S3BucketDestination": destination},
        "IsEnabled": True,
        "Id": ident,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
    } | change


@pytest.fixture
def target(s3: Any) -> str:
    """A bucket into which the service may write lists."""
    name = f"lists-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}/lists/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::test-*"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return name


def put(s3: Any, bucket: str, document: Mapping[str, Any], ident: str = "list") -> None:
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id=ident, InventoryConfiguration=document)


def manifests(s3: Any, target: str) -> list[str]:
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=target).get("Contents", [])]
    return [key for key in keys if key.endswith("manifest.json")]


def test_a_list_is_made_and_read_by_data_tools(s3: Any, bucket: str, target: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"a {number % 3}/ü", Body=b"x" * number)
    s3.delete_object(Bucket=bucket, Key="a 0/ü")
    fields = ["Size", "ETag", "LastModifiedDate", "StorageClass", "ChecksumAlgorithm", "ObjectAccessControlList"]
    document = configuration(target, to={"Format": "Parquet"}, OptionalFields=fields)
    put(s3, bucket, document)
    assert s3.get_bucket_inventory_configuration(Bucket=bucket, Id="list")["InventoryConfiguration"] == document
    (key,) = until(lambda: manifests(s3, target), "the list")
    assert key.startswith(f"lists/{bucket}/list/")
    manifest = json.loads(s3.get_object(Bucket=target, Key=key)["Body"].read())
    (file,) = manifest["files"]
    data = s3.get_object(Bucket=target, Key=file["key"])["Body"].read()
    rows = read(data)
    listing = s3.list_object_versions(Bucket=bucket)
    versions = {(one["Key"], one["VersionId"]): one for one in listing["Versions"] + listing["DeleteMarkers"]}
    assert {(row["key"], row["version_id"]) for row in rows} == versions.keys()
    for row in rows:
        told = versions[row["key"], row["version_id"]]
        assert row["bucket"] == bucket
        assert (row["is_latest"], row["size"]) == (told["IsLatest"], told.get("Size"))
        assert row["e_tag"] == (told["ETag"].strip('"') if "ETag" in told else None)
        assert row["last_modified_date"] == int(told["LastModified"].timestamp() * 1000)


def read(data: bytes) -> list[dict[str, Any]]:
    """The rows of a Parquet file, by DuckDB."""
    path = f"/tmp/{uuid.uuid4().hex}.parquet"
    with open(path, "wb") as file:
        file.write(data)
    try:
        moment = "epoch_ms(last_modified_date) AS last_modified_date"
        found = duckdb.sql(f"SELECT * REPLACE ({moment}) FROM '{path}'")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
    finally:
        os.unlink(path)


def test_an_administrator_has_a_list_made_at_once(
    server: Running,
    s3: Any,
    bucket: str,
    target: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OBJSTORE_ROOT_USER", ROOT_USER)
    monkeypatch.setenv("OBJSTORE_ROOT_PASSWORD", ROOT_PASSWORD)

    def run(ident: str) -> tuple[int, str, str]:
        status = main(["admin", "--endpoint", server.endpoint, "inventory", "run", bucket, ident])
        return status, *capsys.readouterr()

    s3.put_object(Bucket=bucket, Key="in/a", Body=b"x")
    s3.put_object(Bucket=bucket, Key="out", Body=b"x")
    put(s3, bucket, configuration(target, IsEnabled=False, Filter={"Prefix": "in/"}, IncludedObjectVersions="Current"))
    status, out, err = run("list")
    assert status == 0, err
    key = out.split(": ", 1)[1].strip()
    assert out.startswith("1 row: ") and manifests(s3, target) == [key]
    for account, expected in (("999999999999", 1), (s3.list_buckets()["Owner"]["ID"], 0)):
        put(s3, bucket, configuration(target, "owned", IsEnabled=False, to={"AccountId": account}), "owned")
        status, _, err = run("owned")
        assert status == expected and (account in err) == bool(expected), err
    status, _, err = run("none")
    assert status == 1 and "NoSuchConfiguration" in err
    s3.delete_bucket_policy(Bucket=target)
    status, _, err = run("list")
    assert status == 1 and "s3.amazonaws.com" in err


def test_a_list_is_encrypted_as_its_configuration_says(s3: Any, bucket: str, target: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256")
    document = configuration(target, to={"Encryption": {"SSES3": {}}}, OptionalFields=["EncryptionStatus"])
    put(s3, bucket, document)
    assert s3.get_bucket_inventory_configuration(Bucket=bucket, Id="list")["InventoryConfiguration"] == document
    (key,) = until(lambda: manifests(s3, target), "the list")
    manifest = s3.get_object(Bucket=target, Key=key)
    assert manifest["ServerSideEncryption"] == "AES256"
    (file,) = json.loads(manifest["Body"].read())["files"]
    data = s3.get_object(Bucket=target, Key=file["key"])["Body"].read()
    assert gzip.decompress(data) == f'"{bucket}","k","null","true","false","SSE-S3"\n'.encode()


def test_configurations_are_listed_and_go(s3: Any, bucket: str) -> None:
    with refused("NoSuchConfiguration", 404):
        s3.get_bucket_inventory_configuration(Bucket=bucket, Id="list")
    assert "InventoryConfigurationList" not in s3.list_bucket_inventory_configurations(Bucket=bucket)
    idents = [f"list-{number:03}" for number in range(103)]
    for ident in idents:
        put(s3, bucket, configuration("somewhere", ident, IsEnabled=False), ident)
    first = s3.list_bucket_inventory_configurations(Bucket=bucket)
    assert first["IsTruncated"] and len(first["InventoryConfigurationList"]) == 100
    rest = s3.list_bucket_inventory_configurations(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    pages = first["InventoryConfigurationList"] + rest["InventoryConfigurationList"]
    assert ([one["Id"] for one in pages], rest["IsTruncated"]) == (idents, False)
    s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="list-000")
    with refused("NoSuchConfiguration", 404):
        s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="list-000")
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": {"Format": "ORC"}}, "NotImplemented"),
        ({"to": {"Format": "XML"}}, "MalformedXML"),
        ({"to": {"Bucket": "no-arn"}}, "InvalidS3DestinationBucket"),
        ({"to": {"Bucket": "arn:aws:s3:::No_Bucket"}}, "InvalidS3DestinationBucket"),
        ({"to": {"Prefix": "x" * 600}}, "InvalidArgument"),
        ({"to": {"Encryption": {"SSES3": {}, "SSEKMS": {"KeyId": "k"}}}}, "MalformedXML"),
        ({"to": {"Encryption": {"SSEKMS": {"KeyId": "no key"}}}}, "KMS.NotFoundException"),
        ({"Id": "other"}, "IdMismatch"),
        ({"Id": "no id"}, "InvalidArgument"),
        ({"Schedule": {"Frequency": "Hourly"}}, "MalformedXML"),
        ({"IncludedObjectVersions": "None"}, "MalformedXML"),
        ({"OptionalFields": ["Size", "Size"]}, "InvalidArgument"),
        ({"OptionalFields": ["Colour"]}, "MalformedXML"),
        ({"OptionalFields": ["IntelligentTieringReferenceDate"]}, "NotImplemented"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(s3: Any, bucket: str, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        put(s3, bucket, configuration("somewhere", **change))
    assert caught.value.response["Error"]["Code"] == code
    with refused("NoSuchConfiguration", 404):
        s3.get_bucket_inventory_configuration(Bucket=bucket, Id="list")
