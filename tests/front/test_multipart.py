"""Multipart uploads: parts in any order and again, completed whole or not at all.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from tests.front.wire import absent, refused

MIB = 1 << 20


def begin(s3: Any, bucket: str, key: str = "k", **more: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"]
    return {"Bucket": bucket, "Key": key, "UploadId": upload}


def put(s3: Any, upload: dict[str, Any], number: int, body: bytes, **more: Any) -> dict[str, Any]:
    etag = s3.upload_part(**upload, PartNumber=number, Body=body, **more)["ETag"]
    return {"PartNumber": number, "ETag": etag}


def complete(s3: Any, upload: dict[str, Any], parts: list[dict[str, Any]], **more: Any) -> Any:
    return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **more)


def composite(*bodies: bytes) -> str:
    joined = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f'"{hashlib.md5(joined).hexdigest()}-{len(bodies)}"'


def test_parts_in_any_order_become_one_object(s3: Any, bucket: str) -> None:
    first, second, last = os.urandom(5 * MIB), os.urandom(5 * MIB + 3), b"end"
    upload = begin(s3, bucket, Metadata={"a": "1"}, ContentType="x/y")
    tail = put(s3, upload, 3, last)
    middle = put(s3, upload, 2, second)
    put(s3, upload, 1, b"replaced")
    head = put(s3, upload, 1, first)
    assert absent(s3, bucket, "k")
    assert complete(s3, upload, [head, middle, tail])["ETag"] == composite(first, second, last)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == first + second + last
    assert (got["Metadata"], got["ContentType"], got["ETag"]) == ({"a": "1"}, "x/y", composite(first, second, last))
    across = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MIB - 2}-{5 * MIB + 1}")
    assert across["Body"].read() == first[-2:] + second[:2]
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert (part["Body"].read() == second, part["PartsCount"]) == (True, 3)
    assert part["ContentRange"] == f"bytes {5 * MIB}-{10 * MIB + 2}/{10 * MIB + 6}"
    assert s3.head_object(Bucket=bucket, Key="k", PartNumber=3)["ContentLength"] == 3
    with refused("NoSuchUpload", 404):
        s3.list_parts(**upload)


def test_parts_left_out_are_dropped(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    put(s3, upload, 1, b"not wanted")
    kept = put(s3, upload, 2, b"wanted")
    complete(s3, upload, [kept])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"wanted"


def test_bad_completions_leave_the_upload_as_it_was(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    small, second = put(s3, upload, 1, b"small"), put(s3, upload, 2, b"other")
    wrong = {"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}
    with refused("EntityTooSmall", 400):
        complete(s3, upload, [small, second])
    with refused("InvalidPartOrder", 400):
        complete(s3, upload, [second, small])
    with refused("InvalidPart", 400):
        complete(s3, upload, [wrong])
    with refused("InvalidPart", 400):
        complete(s3, upload, [small, {"PartNumber": 3, "ETag": small["ETag"]}])
    with refused("MalformedXML", 400):
        complete(s3, upload, [])
    assert absent(s3, bucket, "k")
    assert [one["PartNumber"] for one in s3.list_parts(**upload)["Parts"]] == [1, 2]
    complete(s3, upload, [small])


def test_an_unknown_upload(s3: Any, bucket: str) -> None:
    known = begin(s3, bucket)
    for upload in (known | {"UploadId": "no-such-upload"}, known | {"Key": "another"}):
        with refused("NoSuchUpload", 404):
            put(s3, upload, 1, b"x")
        with refused("NoSuchUpload", 404):
            s3.list_parts(**upload)
        with refused("NoSuchUpload", 404):
            complete(s3, upload, [{"PartNumber": 1, "ETag": '"x"'}])
        with refused("NoSuchUpload", 404):
            s3.abort_multipart_upload(**upload)


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_a_part_number_out_of_bounds(s3: Any, bucket: str, number: int) -> None:
    with refused("InvalidArgument", 400):
        put(s3, begin(s3, bucket), number, b"x")


def test_an_abort_leaves_nothing(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    put(s3, upload, 1, b"x" * 100_000)
    s3.abort_multipart_upload(**upload)
    with refused("NoSuchUpload", 404):
        put(s3, upload, 2, b"x")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)


def test_completing_twice_gives_the_same_answer(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket)
    part = put(s3, upload, 1, b"x")
    assert complete(s3, upload, [part])["ETag"] == complete(s3, upload, [part])["ETag"]


def test_parts_are_copied_from_objects(s3: Any, bucket: str) -> None:
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=data)
    source = {"Bucket": bucket, "Key": "source"}
    upload = begin(s3, bucket)
    whole = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    slice_ = s3.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange="bytes=1048575-3145728")
    for bad, code in (("bytes=0-6291456", "InvalidRange"), ("bytes=-5", "InvalidArgument"), ("0-5", "InvalidArgument")):
        with refused(code, 416 if code == "InvalidRange" else 400):
            s3.upload_part_copy(**upload, PartNumber=3, CopySource=source, CopySourceRange=bad)
    s3.delete_object(Bucket=bucket, Key="source")
    parts = [{"PartNumber": 1, "ETag": whole}, {"PartNumber": 2, "ETag": slice_["CopyPartResult"]["ETag"]}]
    complete(s3, upload, parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data + data[1048575:3145729]


def test_parts_and_uploads_are_listed_in_pages(s3: Any, bucket: str) -> None:
    upload = begin(s3, bucket, "a/k")
    for number in (1, 2, 4, 7):
        put(s3, upload, number, b"x" * number)
    pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": 3})
    listed = [(one["PartNumber"], one["Size"]) for page in pages for one in page["Parts"]]
    assert listed == [(1, 1), (2, 2), (4, 4), (7, 7)]
    others = [begin(s3, bucket, key) for key in ("a/k", "a/k", "b", "c/x")]
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    found = [(one["Key"], one["UploadId"]) for page in pages for one in page["Uploads"]]
    assert sorted(found) == sorted((one["Key"], one["UploadId"]) for one in [upload, *others])
    assert [key for key, _ in found] == ["a/k", "a/k", "a/k", "b", "c/x"]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", Prefix="")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["a/", "c/"]
    assert [one["Key"] for one in page["Uploads"]] == ["b"]
