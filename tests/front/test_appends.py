"""Appends: bytes behind an object, exactly at its end, by one writer; with and without versions."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from objstore.aws.checksums import ALGORITHMS, compute, encode
from tests.front.test_encryption import CUSTOMER, KMS, OTHER, S3, every_scheme, expected, on_drives, reading, told
from tests.front.wire import refused, send
from tests.harness import Running

KIB, MIB = 1 << 10, 1 << 20


def append(s3: Any, bucket: str, offset: int, data: bytes, key: str = "k", **more: Any) -> Any:
    return s3.put_object(Bucket=bucket, Key=key, Body=data, WriteOffsetBytes=offset, **more)


def read(s3: Any, bucket: str, key: str = "k", **more: Any) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read())


def test_an_object_grows_piece_by_piece(s3: Any, bucket: str) -> None:
    """Pieces that stay in the catalog, that leave it, that never were there."""
    whole = b""
    for number, size in enumerate((1, 100, 8 * KIB, 1, 20 * KIB, 1, 1, 8 * KIB - 2, 3 * MIB, 5, 9 * KIB), 1):
        piece = os.urandom(size)
        answer = append(s3, bucket, len(whole), piece)
        whole += piece
        assert answer["Size"] == len(whole)
        assert read(s3, bucket) == whole
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head["ContentLength"], head["ETag"]) == (len(whole), answer["ETag"])
        assert head["ChecksumCRC32"] == encode(compute(ALGORITHMS["CRC32"], whole))
        assert number == 1 or head["ETag"].endswith(f'-{number}"')
    start = len(whole) - 9 * KIB - 20
    assert read(s3, bucket, Range=f"bytes={start}-") == whole[start:]
    assert read(s3, bucket, PartNumber=2) == whole[1:101]
    parts = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts", "ObjectSize"])
    assert (parts["ObjectParts"]["TotalPartsCount"], parts["ObjectSize"]) == (11, len(whole))
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.delete_object(Bucket=bucket, Key="k")
    assert read(s3, bucket, "copy") == whole


def test_the_etag_is_made_of_the_old_one_and_what_was_appended(s3: Any, bucket: str) -> None:
    first, second = b"first", b"second"
    append(s3, bucket, 0, first)
    joined = hashlib.md5(first).digest() + hashlib.md5(second).digest()
    assert append(s3, bucket, 5, second)["ETag"] == f'"{hashlib.md5(joined).hexdigest()}-2"'


def test_an_offset_that_is_not_the_end_is_refused(s3: Any, bucket: str) -> None:
    with refused("InvalidWriteOffset", 400):
        append(s3, bucket, 1, b"x")
    append(s3, bucket, 0, b"12345")
    for offset in (0, 4, 6):
        with refused("InvalidWriteOffset", 400):
            append(s3, bucket, offset, b"x")
    with refused("InvalidArgument", 400):
        append(s3, bucket, -1, b"x")
    with refused("InvalidRequest", 400):
        append(s3, bucket, 5, b"")
    assert read(s3, bucket) == b"12345"
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    append(s3, bucket, 0, b"filled", "empty")
    assert read(s3, bucket, "empty") == b"filled"


def test_of_many_writers_at_one_offset_one_wins(server: Running, s3: Any, bucket: str) -> None:
    append(s3, bucket, 0, b"start")
    outcomes: list[str] = []

    def write(number: int) -> None:
        try:
            append(server.client(), bucket, 5, b"%d" % number * 20_000)
            outcomes.append("done")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["InvalidWriteOffset"] * 5 + ["done"]
    data = read(s3, bucket)
    assert len(data) == 20_005 and len(set(data[5:])) == 1


def test_with_versions_each_append_is_one(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    pieces = [os.urandom(30 * KIB), b"x", os.urandom(10 * KIB)]
    ids, whole = [], b""
    for piece in pieces:
        ids.append(append(s3, bucket, len(whole), piece)["VersionId"])
        whole += piece
    for number, version in enumerate(ids, 1):
        assert read(s3, bucket, VersionId=version) == b"".join(pieces[:number])
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[0])
    s3.delete_object(Bucket=bucket, Key="k", VersionId=ids[1])
    assert read(s3, bucket) == whole
    s3.delete_object(Bucket=bucket, Key="k")
    with refused("InvalidWriteOffset", 400):
        append(s3, bucket, len(whole), b"x")
    append(s3, bucket, 0, b"anew")
    assert read(s3, bucket) == b"anew"
    assert read(s3, bucket, VersionId=ids[2]) == whole


def test_an_object_stays_what_it_is(s3: Any, bucket: str) -> None:
    given = {"Metadata": {"a": "1"}, "ContentType": "text/plain", "Tagging": "t=1", "ACL": "public-read"}
    append(s3, bucket, 0, b"x", **given)
    append(s3, bucket, 1, b"y", ContentType="text/plain")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["ContentType"], head["TagCount"]) == ({"a": "1"}, "text/plain", 1)
    assert len(s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == 2
    for wrong in (
        {"Metadata": {"a": "1"}},
        {"Tagging": "t=1"},
        {"ACL": "private"},
        {"ContentType": "text/html"},
        {"CacheControl": "no-store"},
        {"StorageClass": "REDUCED_REDUNDANCY"},
        {"WebsiteRedirectLocation": "/x"},
    ):
        with refused("InvalidRequest", 400):
            append(s3, bucket, 2, b"z", **wrong)
    assert read(s3, bucket) == b"xy"


def test_conditions_are_kept(s3: Any, bucket: str) -> None:
    etag = append(s3, bucket, 0, b"x", IfNoneMatch="*")["ETag"]
    with refused("PreconditionFailed", 412):
        append(s3, bucket, 1, b"y", IfNoneMatch="*")
    etag = append(s3, bucket, 1, b"y", IfMatch=etag)["ETag"]
    with refused("PreconditionFailed", 412):
        append(s3, bucket, 2, b"z", IfMatch='"other"')
    assert read(s3, bucket) == b"xy" and s3.head_object(Bucket=bucket, Key="k")["ETag"] == etag


def test_a_body_that_is_not_what_was_claimed_is_not_appended(server: Running, s3: Any, bucket: str) -> None:
    append(s3, bucket, 0, b"x" * 9 * KIB)
    headers = {"x-amz-write-offset-bytes": str(9 * KIB), "content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert send(server, "PUT", f"/{bucket}/k", b"y" * 9 * KIB, headers).error == ("BadDigest", 400)
    assert read(s3, bucket) == b"x" * 9 * KIB


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("CRC32C", "CRC32C", True),
        ("CRC64NVME", "CRC64NVME", True),
        ("CRC64NVME", "SHA256", True),
        ("SHA256", "SHA256", False),
        ("SHA1", "CRC32", False),
    ],
)
def test_a_checksum_goes_on_if_it_can(s3: Any, bucket: str, first: str, second: str, kept: bool) -> None:
    append(s3, bucket, 0, b"a" * 10_000, ChecksumAlgorithm=first)
    answer = append(s3, bucket, 10_000, b"b" * 10_000, ChecksumAlgorithm=second)
    whole = encode(compute(ALGORITHMS[first], b"a" * 10_000 + b"b" * 10_000))
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    found = [one.get(f"Checksum{first}") for one in (answer, head)]
    assert found == ([whole, whole] if kept else [None, None])
    assert ("ChecksumType" in head) == kept


def test_what_parts_made_can_be_appended_to(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts, whole = [], b""
    for number, size in ((3, 5 * MIB), (7, 10)):
        piece = os.urandom(size)
        part = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
        whole += piece
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
    append(s3, bucket, len(whole), b"more")
    assert read(s3, bucket) == whole + b"more"
    assert read(s3, bucket, PartNumber=8) == b"more"
    listed = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"])["ObjectParts"]["Parts"]
    assert [part["PartNumber"] for part in listed] == [3, 7, 8]


def test_an_append_to_a_locked_object_leaves_it(s3: Any, bucket: str) -> None:
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    old = append(s3, name, 0, b"kept", ObjectLockLegalHoldStatus="ON")["VersionId"]
    new = append(s3, name, 4, b" and more")["VersionId"]
    assert "ObjectLockLegalHoldStatus" not in s3.head_object(Bucket=name, Key="k")
    s3.delete_object(Bucket=name, Key="k", VersionId=new)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=name, Key="k", VersionId=old)
    assert read(s3, name) == b"kept"


@every_scheme
def test_an_encrypted_object_grows_and_stays_encrypted(
    server: Running, s3: Any, bucket: str, scheme: dict[str, Any]
) -> None:
    with_key = reading(scheme)
    whole = os.urandom(100)
    append(s3, bucket, 0, whole, **scheme)
    for size in (1, 8 * KIB, 30, 200 * KIB, 5, 5, 9 * KIB):
        piece = os.urandom(size)
        answer = append(s3, bucket, len(whole), piece, **(scheme if size == 5 else with_key))
        assert told(answer) == expected(scheme)
        whole += piece
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **with_key)
        assert got["Body"].read() == whole
        assert (told(got), got["ETag"]) == (expected(scheme), answer["ETag"])
        crc = encode(compute(ALGORITHMS["CRC32"], whole))
        assert crc == got["ChecksumCRC32"] == answer["ChecksumCRC32"]
    assert read(s3, bucket, Range=f"bytes=50-{len(whole) - 100}", **with_key) == whole[50 : len(whole) - 99]
    assert read(s3, bucket, PartNumber=3, **with_key) == whole[101 : 101 + 8 * KIB]
    assert on_drives(server, whole[-64:], whole[:64], whole[10_000:10_064]) == []


def test_an_append_is_encrypted_as_its_object_is(s3: Any, bucket: str) -> None:
    append(s3, bucket, 0, b"x", "by s3", **S3)
    append(s3, bucket, 0, b"x", "by customer", **CUSTOMER)
    append(s3, bucket, 0, b"x", "plain")
    with refused("EncryptionTypeMismatch", 400):
        append(s3, bucket, 1, b"y", "by s3", **KMS)
    with refused("EncryptionTypeMismatch", 400):
        append(s3, bucket, 1, b"y", "plain", **S3)
    for wrong in ({}, OTHER, S3):
        with refused("InvalidRequest" if wrong is not S3 else "EncryptionTypeMismatch", 400):
            append(s3, bucket, 1, b"y", "by customer", **wrong)
    with refused("InvalidRequest", 400):
        append(s3, bucket, 1, b"y", "by s3", **CUSTOMER)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    with refused("EncryptionTypeMismatch", 400):
        append(s3, bucket, 1, b"y", "plain")
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/plain", **S3)
    append(s3, bucket, 1, b"y", "plain")
    append(s3, bucket, 0, b"x", "new")
    assert [read(s3, bucket, key) for key in ("by s3", "plain", "new")] == [b"x", b"xy", b"x"]
    assert told(s3.head_object(Bucket=bucket, Key="new")) == S3
