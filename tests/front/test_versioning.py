"""Versions: none is lost while versioning is on; the null version and delete markers are as AWS describes them.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest

from tests.front.wire import refused


def version(s3: Any, bucket: str, status: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def read(s3: Any, bucket: str, version_id: str | None = None) -> bytes:
    more = {"VersionId": version_id} if version_id else {}
    data: bytes = s3.get_object(Bucket=bucket, Key="k", **more)["Body"].read()
    return data


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    version(s3, bucket, "Enabled")
    return bucket


def test_the_status_is_kept(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    version(s3, bucket, "Enabled")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    version(s3, bucket, "Suspended")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    with refused("MalformedXML", 400):
        version(s3, bucket, "Sometimes")


def test_every_version_can_be_read(s3: Any, versioned: str) -> None:
    puts = [s3.put_object(Bucket=versioned, Key="k", Body=str(n).encode())["VersionId"] for n in range(4)]
    assert len(set(puts)) == 4
    assert [read(s3, versioned, one) for one in puts] == [b"0", b"1", b"2", b"3"]
    got = s3.get_object(Bucket=versioned, Key="k")
    assert (got["VersionId"], got["Body"].read()) == (puts[3], b"3")
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [one["VersionId"] for one in listed] == puts[::-1]
    assert [one["IsLatest"] for one in listed] == [True, False, False, False]


def test_a_delete_leaves_a_marker_that_can_be_taken_away(s3: Any, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] is True
    with refused("NoSuchKey", 404):
        read(s3, versioned)
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    assert read(s3, versioned, first) == b"1"
    marker = s3.list_object_versions(Bucket=versioned)["DeleteMarkers"]
    assert [(one["VersionId"], one["IsLatest"]) for one in marker] == [(deleted["VersionId"], True)]
    undone = s3.delete_object(Bucket=versioned, Key="k", VersionId=deleted["VersionId"])
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, deleted["VersionId"])
    assert read(s3, versioned) == b"1"


def test_a_delete_marker_has_no_content(s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"1")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    with refused("MethodNotAllowed", 405):
        read(s3, versioned, marker)
    with refused("405", 405):
        s3.head_object(Bucket=versioned, Key="k", VersionId=marker)


def test_deleting_the_newest_version_uncovers_the_one_before(s3: Any, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"2")["VersionId"]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert read(s3, versioned) == b"1"
    with refused("NoSuchVersion", 404):
        read(s3, versioned, second)
    s3.delete_object(Bucket=versioned, Key="k", VersionId=first)
    with refused("NoSuchKey", 404):
        read(s3, versioned)
    assert "Versions" not in s3.list_object_versions(Bucket=versioned)


def test_the_null_version_is_the_one_from_before_and_during_suspension(s3: Any, bucket: str) -> None:
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    version(s3, bucket, "Enabled")
    kept = s3.put_object(Bucket=bucket, Key="k", Body=b"versioned")["VersionId"]
    assert read(s3, bucket, "null") == b"before"
    version(s3, bucket, "Suspended")
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"null 1").get("VersionId") in (None, "null")
    s3.put_object(Bucket=bucket, Key="k", Body=b"null 2")
    assert (read(s3, bucket), read(s3, bucket, "null"), read(s3, bucket, kept)) == (b"null 2", b"null 2", b"versioned")
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    with refused("MethodNotAllowed", 405):
        read(s3, bucket, "null")
    assert read(s3, bucket, kept) == b"versioned"


def test_a_version_that_is_not_one(s3: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"1")
    with refused("NoSuchVersion", 404):
        read(s3, versioned, "0" * 32)
    with refused("InvalidArgument", 400):
        read(s3, versioned, "no version id!")


def test_an_old_version_is_restored_by_a_copy(s3: Any, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1" * 100_000)["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"2")
    copied = s3.copy_object(Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    assert (copied["CopySourceVersionId"], read(s3, versioned)) == (first, b"1" * 100_000)
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 3


def test_a_delete_marker_is_no_source_of_a_copy(s3: Any, alice: Any, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"1")
    source = {"Bucket": versioned, "Key": "k", "VersionId": s3.delete_object(Bucket=versioned, Key="k")["VersionId"]}
    upload = s3.create_multipart_upload(Bucket=versioned, Key="c")["UploadId"]
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=versioned, Key="c", CopySource=source)
    with refused("InvalidRequest", 400):
        s3.upload_part_copy(Bucket=versioned, Key="c", UploadId=upload, PartNumber=1, CopySource=source)
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=versioned, Key="c", CopySource={"Bucket": versioned, "Key": "k"})
    mine = f"mine-{versioned}"
    alice.create_bucket(Bucket=mine)
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject*", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{versioned}", f"arn:aws:s3:::{versioned}/*"],
    }
    s3.put_bucket_policy(Bucket=versioned, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with refused("InvalidRequest", 400):
        alice.copy_object(Bucket=mine, Key="c", CopySource=source)


def test_versions_and_markers_are_listed_in_one_order(s3: Any, versioned: str) -> None:
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=versioned, Key=key, Body=b"1")
        s3.delete_object(Bucket=versioned, Key=key)
        s3.put_object(Bucket=versioned, Key=key, Body=b"2")
    url = s3.generate_presigned_url("list_object_versions", Params={"Bucket": versioned})
    with urllib.request.urlopen(url) as answer:
        found = re.findall(r"<(Version|DeleteMarker)>.*?<Key>(.)</Key>", answer.read().decode())
    assert found == [(kind, key) for key in "abc" for kind in ("Version", "DeleteMarker", "Version")]


def test_versions_are_listed_in_pages(s3: Any, versioned: str) -> None:
    wanted = []
    for key in ("a", "b/x", "b/y", "c"):
        wanted += [(key, s3.put_object(Bucket=versioned, Key=key, Body=b"x")["VersionId"]) for _ in range(3)][::-1]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 2})
    assert [(one["Key"], one["VersionId"]) for page in pages for one in page["Versions"]] == wanted
    page = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["b/"]
    assert [one["Key"] for one in page["Versions"]] == ["a"] * 3 + ["c"] * 3
