"""Objects: what was put comes back, whole or in part, with its headers; keys are names and never paths."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.front.wire import refused, send
from tests.harness import Running

KIB, MIB = 1 << 10, 1 << 20
SIZES = [0, 1, 8 * KIB, 8 * KIB + 1, 64 * KIB, MIB - 1, MIB, MIB + 1, 4 * MIB + 1, 9 * MIB + 7]
KEYS = [
    "a",
    "a/",
    "a/b",
    "a//b",
    "/",
    "//",
    "/leading",
    "..",
    "../up",
    "a/../../etc/passwd",
    "./dot",
    "format.json",
    "space key",
    "plus+key",
    "per%cent%2Fkey",
    "quote'\"&<>key",
    "hash#key?query=1&x",
    "back\\slash",
    "tilde~!*()@:$,;=",
    "été/ключ/キー/🗝",
    "e\u0301",
    "\u00e9",
    "tab\tkey",
    "\x7f",
    "k" * 1024,
    "é" * 512,
]


@pytest.mark.parametrize("size", SIZES)
def test_bytes_come_back(s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    etag = f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=data)["ETag"] == etag
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read() == data, got["ContentLength"], got["ETag"]) == (True, size, etag)
    assert got["AcceptRanges"] == "bytes"
    assert (datetime.now(UTC) - got["LastModified"]).total_seconds() < 120
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (size, etag)


def test_any_text_is_a_key_and_none_is_a_path(s3: Any, bucket: str) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert [key.encode() for key in listed] == sorted(key.encode() for key in KEYS)
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(Bucket=bucket, Key="a/")["Body"].read() == b"a/"
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"a/b"


@pytest.mark.parametrize("size", [100, 5 * MIB])
def test_ranges(s3: Any, bucket: str, size: int) -> None:
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for given, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=1-9", 1, 10),
        ("bytes=10-", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes={size - 1}-{size + 5}", size - 1, size),
        (f"bytes={size // 2}-{size // 2 + size // 3}", size // 2, size // 2 + size // 3 + 1),
    ):
        got = s3.get_object(Bucket=bucket, Key="k", Range=given)
        assert got["Body"].read() == data[start:end], given
        assert got["ContentRange"] == f"bytes {start}-{end - 1}/{size}"
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    for ignored in ("bytes=5-2", "items=0-1", "bytes=0-1,3-4", "nonsense"):
        got = s3.get_object(Bucket=bucket, Key="k", Range=ignored)
        assert (len(got["Body"].read()), got["ResponseMetadata"]["HTTPStatusCode"]) == (size, 200)
    for beyond in (f"bytes={size}-", f"bytes={size}-{size + 1}", "bytes=-0"):
        with refused("InvalidRange", 416):
            s3.get_object(Bucket=bucket, Key="k", Range=beyond)


def test_every_answer_tells_the_same_time_to_the_second(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["LastModified"] == when
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["LastModified"] == when
    assert s3.list_object_versions(Bucket=bucket)["Versions"][0]["LastModified"] == when
    assert s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag"])["LastModified"] == when
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"})["CopyObjectResult"]
    assert copied["LastModified"] == s3.head_object(Bucket=bucket, Key="c")["LastModified"]


def test_a_put_that_is_not_of_the_whole_object_is_refused(server: Running, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    part = send(server, "PUT", f"/{bucket}/k?partNumber=1", b"part")
    assert part.error == ("InvalidRequest", 400) and b"uploadId" in part.body
    assert send(server, "PUT", f"/{bucket}/k?versionId=null", b"version").error == ("InvalidArgument", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_headers_and_metadata_are_kept(s3: Any, bucket: str) -> None:
    headers = {
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="f"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/x-thing; charset=utf-8",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"Colour": "blue", "two": "a b"}, **headers)
    for answer in (s3.head_object(Bucket=bucket, Key="k"), s3.get_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in headers} == headers
        assert answer["Metadata"] == {"colour": "blue", "two": "a b"}
    overridden = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="x/y", ResponseCacheControl="no-cache")
    assert (overridden["ContentType"], overridden["CacheControl"]) == ("x/y", "no-cache")
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    assert s3.head_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"


def test_reduced_redundancy_is_another_geometry_and_says_so(s3: Any, bucket: str) -> None:
    data = os.urandom(100 * KIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data, StorageClass="REDUCED_REDUNDANCY")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["StorageClass"], got["Body"].read() == data) == ("REDUCED_REDUNDANCY", True)
    with refused("InvalidStorageClass", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass="PLATINUM")


def test_a_copy_keeps_or_replaces_what_it_is_told(s3: Any, bucket: str) -> None:
    data = os.urandom(2 * MIB)
    s3.put_object(Bucket=bucket, Key="ä source", Body=data, Metadata={"a": "1"}, ContentType="x/y")
    source = {"Bucket": bucket, "Key": "ä source"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="replaced", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    kept, replaced = (s3.get_object(Bucket=bucket, Key=key) for key in ("kept", "replaced"))
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "1"}, "x/y")
    assert (replaced["Metadata"], replaced["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    s3.delete_object(Bucket=bucket, Key="ä source")
    assert kept["Body"].read() == replaced["Body"].read() == data
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "kept"})
    same = {"Bucket": bucket, "Key": "kept"}
    s3.copy_object(Bucket=bucket, Key="kept", CopySource=same, MetadataDirective="REPLACE", Metadata={"c": "3"})
    again = s3.get_object(Bucket=bucket, Key="kept")
    assert (again["Metadata"], again["Body"].read() == data) == ({"c": "3"}, True)
    with refused("NoSuchKey", 404):
        s3.copy_object(Bucket=bucket, Key="x", CopySource=source)


def test_copy_source_conditions(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfNoneMatch=etag)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=bucket, Key="c", CopySource=source, CopySourceIfMatch='"0"')


def test_a_rename_moves_the_name(server: Running, s3: Any, bucket: str) -> None:
    data = os.urandom(100 * KIB)
    s3.put_object(Bucket=bucket, Key="old", Body=data)
    answer = send(server, "PUT", f"/{bucket}/new?renameObject=", headers={"x-amz-rename-source": f"/{bucket}/old"})
    assert answer.status == 200, answer.body
    assert s3.get_object(Bucket=bucket, Key="new")["Body"].read() == data
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="old")


def test_many_are_deleted_at_once(s3: Any, bucket: str) -> None:
    names = [f"k{number}" for number in range(20)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x")
    given = [{"Key": name} for name in [*names, "never-there"]]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": given})
    assert sorted(one["Key"] for one in answer["Deleted"]) == sorted([*names, "never-there"])
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": given, "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet
    with refused("MalformedXML", 400):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": str(n)} for n in range(1001)]})


def test_attributes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345", ChecksumAlgorithm="SHA256")
    got = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
    )
    assert got["ETag"] == hashlib.md5(b"12345").hexdigest()
    assert (got["ObjectSize"], got["StorageClass"]) == (5, "STANDARD")
    assert got["Checksum"]["ChecksumSHA256"] == "WZRHGrsBESr8wYFZ9sx0tPURuZgG2lmzyvWpwXPKz8U="
