"""Tags: given with an object or after it, kept with the version, counted, copied, bounded; and those of a bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.front.people import BOB
from tests.front.wire import refused, send
from tests.harness import Running


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def tags_of(s3: Any, bucket: str, key: str = "k", **version: str) -> dict[str, str]:
    answer = s3.get_object_tagging(Bucket=bucket, Key=key, **version)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def test_tags_are_put_counted_replaced_and_removed(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="b+c=%C3%A9&empty=&none&a=1")
    shown = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert shown == tag_set(**{"a": "1", "b c": "\u00e9", "empty": "", "none": ""})["TagSet"], "in order of the keys"
    before = s3.head_object(Bucket=bucket, Key="k")
    assert (before["TagCount"], s3.get_object(Bucket=bucket, Key="k")["TagCount"]) == (4, 4)
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(d="4"))
    assert tags_of(s3, bucket) == {"d": "4"}
    after = s3.head_object(Bucket=bucket, Key="k")
    assert (after["ETag"], after["LastModified"]) == (put["ETag"], before["LastModified"])
    answer = s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags_of(s3, bucket) == {} and "TagCount" not in s3.head_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    with refused("NoSuchKey", 404):
        s3.put_object_tagging(Bucket=bucket, Key="other", Tagging=tag_set(d="4"))


def test_tags_belong_to_a_version(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old, new = (s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=f"n={n}")["VersionId"] for n in range(2))
    assert s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=old, Tagging=tag_set(n="old"))["VersionId"] == old
    assert (tags_of(s3, bucket, VersionId=old), tags_of(s3, bucket)) == ({"n": "old"}, {"n": "1"})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["VersionId"] == new
    assert s3.delete_object_tagging(Bucket=bucket, Key="k", VersionId=old)["VersionId"] == old
    assert (tags_of(s3, bucket, VersionId=old), tags_of(s3, bucket)) == ({}, {"n": "1"})
    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    with refused("NoSuchKey", 404):
        s3.get_object_tagging(Bucket=bucket, Key="k")
    with refused("MethodNotAllowed", 405):
        s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=marker, Tagging=tag_set(n="1"))
    with refused("NoSuchVersion", 404):
        s3.get_object_tagging(Bucket=bucket, Key="k", VersionId="0" * 32)


def test_copies_and_uploads_carry_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="same", CopySource=source)
    s3.copy_object(Bucket=bucket, Key="other", CopySource=source, TaggingDirective="REPLACE", Tagging="b=2")
    s3.copy_object(Bucket=bucket, Key="none", CopySource=source, TaggingDirective="REPLACE")
    assert [tags_of(s3, bucket, key) for key in ("same", "other", "none")] == [{"a": "1"}, {"b": "2"}, {}]
    with refused("InvalidRequest", 400):  # tags are no change: they have an operation of their own
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source, TaggingDirective="REPLACE", Tagging="b=2")
    with refused("InvalidArgument", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=source, TaggingDirective="MERGE")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Tagging="c=3")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket=bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert tags_of(s3, bucket, "parts") == {"c": "3"}


@pytest.mark.parametrize(
    "tags",
    [
        [(str(n), "") for n in range(11)],
        [("k" * 129, "v")],
        [("k", "v" * 257)],
        [("k", "v"), ("k", "w")],
        [("aws:k", "v")],
        [("AWS:k", "v")],
        [("k?", "v")],
        [("k", "<v>")],
        [("k", "tab\t")],
    ],
    ids=lambda tags: f"{tags[0][0][:8]}={tags[0][1][:8]}x{len(tags)}",
)
def test_a_tag_that_may_not_be_is_refused(s3: Any, bucket: str, tags: list[tuple[str, str]]) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    given = {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}
    with refused("InvalidTag", 400):
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=given)
    assert tags_of(s3, bucket) == {"a": "1"}


def test_the_longest_tags_are_kept(s3: Any, bucket: str) -> None:
    tags = {f"{n}\u00e4" + "k" * 126: "\u6f22" * 256 for n in range(10)}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))
    assert tags_of(s3, bucket) == tags


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("a=1&a=2", "InvalidArgument"),
        ("a=%ff", "InvalidArgument"),
        ("=1", "InvalidTag"),
        ("a=%3f", "InvalidTag"),
        ("aws:a=1", "InvalidTag"),
        ("&".join(f"{n}=v" for n in range(11)), "BadRequest"),
    ],
)
def test_a_header_that_is_no_set_of_tags_is_refused(s3: Any, bucket: str, header: str, code: str) -> None:
    with refused(code, 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging=header)
    with refused(code, 400):
        s3.create_multipart_upload(Bucket=bucket, Key="k", Tagging=header)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_bucket_has_tags(server: Running, s3: Any, bucket: str) -> None:
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    tags = {f"key {n:02}": f"value {n}" for n in range(50)}
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**tags))
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tag_set(**tags)["TagSet"]
    with refused("BadRequest", 400):
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**tags, more="1"))
    with refused("InvalidTag", 400):
        s3.put_bucket_tagging(Bucket=bucket, Tagging=tag_set(**{"aws:k": "v"}))
    for body in (b"<Tagging/>", b"<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>", b"<Tagging"):
        assert send(server, "PUT", f"/{bucket}?tagging=", body).error == ("MalformedXML", 400)
    nameless = b"<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>"
    assert send(server, "PUT", f"/{bucket}?tagging=", nameless).error == ("MalformedXML", 400)
    assert len(s3.get_bucket_tagging(Bucket=bucket)["TagSet"]) == 50
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)


def test_a_bucket_is_made_with_tags(s3: Any, bucket: str) -> None:
    name = f"{bucket}-tagged"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": [{"Key": "k", "Value": "v"}]})
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "k", "Value": "v"}]
    with refused("InvalidTag", 400):
        s3.create_bucket(Bucket=f"{bucket}-bad", CreateBucketConfiguration={"Tags": [{"Key": "?", "Value": "v"}]})


def let_bob(alice: Any, shelf: str, *actions: str) -> None:
    """A bucket policy that lets Bob do these with the objects."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{BOB.id}:root"},
        "Action": list(actions),
        "Resource": f"arn:aws:s3:::{shelf}/*",
    }
    alice.put_bucket_policy(Bucket=shelf, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_their_number_is_told_to_who_may_read_them(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x", Tagging="a=1&b=2")
    let_bob(alice, shelf, "s3:GetObject")
    assert "TagCount" not in bob.head_object(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        bob.get_object_tagging(Bucket=shelf, Key="k")
    let_bob(alice, shelf, "s3:GetObject", "s3:GetObjectTagging")
    assert bob.get_object(Bucket=shelf, Key="k")["TagCount"] == 2
    assert tags_of(bob, shelf) == {"a": "1", "b": "2"}
    with refused("AccessDenied", 403):
        bob.delete_object_tagging(Bucket=shelf, Key="k")
    let_bob(alice, shelf, "s3:*ObjectTagging")
    bob.put_object_tagging(Bucket=shelf, Key="k", Tagging=tag_set(c="3"))
    assert tags_of(alice, shelf) == {"c": "3"}
