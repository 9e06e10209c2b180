"""Buckets: made, found, listed, removed; and every name that is not one."""

from __future__ import annotations

import contextlib
import threading
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.front.wire import refused, send
from tests.harness import Running

ILLEGAL = [
    "ab",
    "a" * 64,
    "Upper",
    "under_score",
    "-begins",
    "ends-",
    ".begins",
    "ends.",
    "two..dots",
    "dot.-hyphen",
    "hyphen-.dot",
    "192.168.5.4",
    "xn--punycode",
    "sthree-reserved",
    "amzn-s3-demo-reserved",
    "name-s3alias",
    "name--ol-s3",
    "name.mrap",
    "name--x-s3",
    "name--table-s3",
    "spa%20ce",
    "exclam%21",
    "%C3%A9t%C3%A9",
]


@pytest.mark.parametrize("name", ILLEGAL)
def test_a_name_that_is_no_bucket_name_is_refused(server: Running, name: str) -> None:
    assert send(server, "PUT", f"/{name}").error == ("InvalidBucketName", 400)


def test_legal_names_are_taken(s3: Any) -> None:
    tail = uuid.uuid4().hex
    for name in (f"{tail[:3]}", f"a.b.{tail}", f"0-{tail}-9", (tail * 2)[:63]):
        assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
        assert name in {one["Name"] for one in s3.list_buckets(Prefix=name)["Buckets"]}
        assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
        s3.delete_bucket(Bucket=name)
        with refused("404", 404):
            s3.head_bucket(Bucket=name)


def test_a_bucket_of_ones_own_may_be_created_again_in_us_east_1(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    s3.create_bucket(Bucket=bucket)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_a_bucket_that_holds_anything_is_not_deleted(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    for one in (version, marker):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=one)
    s3.delete_bucket(Bucket=bucket)
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=bucket)


def test_buckets_are_listed_by_name_in_pages_and_by_prefix(s3: Any) -> None:
    prefix = f"page-{uuid.uuid4().hex[:12]}-"
    names = [f"{prefix}{number}" for number in range(5)]
    for name in reversed(names):
        s3.create_bucket(Bucket=name)
    everything = s3.list_buckets()
    assert set(names) <= {one["Name"] for one in everything["Buckets"]}
    assert everything["Owner"]["ID"]
    seen, token, pages = [], None, 0
    while True:
        more = {"ContinuationToken": token} if token else {}
        page = s3.list_buckets(Prefix=prefix, MaxBuckets=2, **more)
        seen += [one["Name"] for one in page["Buckets"]]
        pages += 1
        if not (token := page.get("ContinuationToken")):
            break
    assert (seen, pages) == (names, 3)


def test_location_and_region(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"
    with pytest.raises(ClientError) as caught:
        s3.create_bucket(Bucket=f"{bucket}-x", CreateBucketConfiguration={"LocationConstraint": "eu-north-7"})
    assert caught.value.response["Error"]["Code"] in (
        "IllegalLocationConstraintException",
        "InvalidLocationConstraint",
    )


def test_what_does_not_exist_says_so(s3: Any, bucket: str) -> None:
    gone = f"gone-{uuid.uuid4().hex}"
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket=gone, Key="k", Body=b"")
    with refused("NoSuchBucket", 404):
        s3.get_object(Bucket=gone, Key="k")
    with refused("NoSuchBucket", 404):
        s3.create_multipart_upload(Bucket=gone, Key="k")
    with refused("NoSuchBucket", 404):
        s3.delete_bucket(Bucket=gone)
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="k")
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_an_operation_that_is_not_there_answers_not_implemented(s3: Any, bucket: str) -> None:
    with refused("NotImplemented", 501):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})


def test_whoever_makes_a_bucket_that_another_deletes_is_never_told_that_it_is_not_there(s3: Any) -> None:
    name = f"fleeting-{uuid.uuid4().hex[:12]}"
    over = threading.Event()

    def delete() -> None:
        while not over.is_set():
            with contextlib.suppress(ClientError):
                s3.delete_bucket(Bucket=name)

    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        for _ in range(150):
            s3.create_bucket(Bucket=name)
    finally:
        over.set()
        deleting.join()
