"""Preconditions decide inside the transaction: on reads, on writes, on deletes, and among many writers at once.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from tests.front.wire import refused, send
from tests.harness import Running

WRONG = '"00000000000000000000000000000000"'


def test_conditions_of_a_read(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    hour = timedelta(hours=1)
    s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)
    s3.get_object(Bucket=bucket, Key="k", IfMatch="*")
    s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=WRONG)
    s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=when - hour)
    s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=when)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", IfMatch=WRONG)
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag)
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=when)
    with refused("PreconditionFailed", 412):
        s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=when - hour)
    with refused("412", 412):
        s3.head_object(Bucket=bucket, Key="k", IfMatch=WRONG)
    s3.get_object(Bucket=bucket, Key="k", IfMatch=etag, IfUnmodifiedSince=when - hour)
    with refused("304", 304):
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag, IfModifiedSince=when - hour)


def test_a_not_modified_answer_says_which_state_it_means(server: Running, s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    answer = send(server, "GET", f"/{bucket}/k", headers={"if-none-match": etag})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


def test_conditions_of_a_put(s3: Any, bucket: str) -> None:
    with refused("NoSuchKey", 404):
        s3.put_object(Bucket=bucket, Key="k", Body=b"0", IfMatch=WRONG)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=WRONG)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_a_delete_marker_counts_as_absent(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")


def test_of_many_writers_that_want_to_be_first_one_is(server: Running, s3: Any, bucket: str) -> None:
    clients = [server.client() for _ in range(8)]

    def put(number: int) -> int:
        try:
            clients[number % 8].put_object(Bucket=bucket, Key="k", Body=str(number).encode() * 20_000, IfNoneMatch="*")
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")
            return -1
        return number

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(put, range(16)) if number >= 0]
    assert len(won) == 1
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == str(won[0]).encode() * 20_000


def test_a_counter_kept_by_if_match_loses_no_step(server: Running, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="n", Body=b"0")

    def add(client: Any) -> None:
        for _ in range(5):
            while True:
                got = client.get_object(Bucket=bucket, Key="n")
                value = str(int(got["Body"].read()) + 1).encode()
                try:
                    client.put_object(Bucket=bucket, Key="n", Body=value, IfMatch=got["ETag"])
                    break
                except ClientError as error:
                    assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [server.client() for _ in range(4)]))
    assert s3.get_object(Bucket=bucket, Key="n")["Body"].read() == b"20"


def test_conditions_of_a_completion(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"there")["ETag"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"new")["ETag"]
    given = {
        "Bucket": bucket,
        "Key": "k",
        "UploadId": upload,
        "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part}]},
    }
    with refused("PreconditionFailed", 412):
        s3.complete_multipart_upload(**given, IfNoneMatch="*")
    with refused("PreconditionFailed", 412):
        s3.complete_multipart_upload(**given, IfMatch=WRONG)
    s3.complete_multipart_upload(**given, IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_conditions_of_a_delete(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"12345")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatch=WRONG)
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatchSize=4)
    with refused("PreconditionFailed", 412):
        s3.delete_object(Bucket=bucket, Key="k", IfMatchLastModifiedTime=when - timedelta(hours=1))
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", "ETag": WRONG}]})
    assert [one["Code"] for one in answer["Errors"]] == ["PreconditionFailed"]
    s3.head_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag, IfMatchSize=5, IfMatchLastModifiedTime=when)
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="k")
