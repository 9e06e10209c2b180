"""Snapshots of buckets by the front door: taken and restored by the command, read by any client, changed by none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.wire import refused
from tests.harness import Running

SMALL, LARGE = b"small", b"large" * 20_000


def admin(server: Running, *arguments: str, status: int = 0) -> Any:
    done = command(
        *("admin", "--endpoint", server.endpoint, "snapshot", *arguments, "--json"), environment=CLI_ENVIRONMENT
    )
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


@pytest.fixture
def taken(server: Running, s3: Any) -> tuple[str, str]:
    """A bucket that was changed after a snapshot was taken, and the name of the view."""
    bucket = f"b{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=bucket)
    for key, body in (("deleted", SMALL), ("dir/replaced", LARGE), ("dir/same", LARGE), ("tagged", SMALL)):
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/x-old", Metadata={"m": key})
    s3.put_object(Bucket=bucket, Key="sealed", Body=LARGE, ServerSideEncryption="aws:kms")
    made = admin(server, "create", bucket, "monday")
    s3.delete_object(Bucket=bucket, Key="deleted")
    s3.put_object(Bucket=bucket, Key="dir/replaced", Body=b"new")
    s3.put_object_tagging(Bucket=bucket, Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.put_object(Bucket=bucket, Key="sealed", Body=b"other")
    s3.put_object(Bucket=bucket, Key="added", Body=b"x")
    assert made == {**made, "name": "monday", "objects": 5, "read_as": f"{bucket}--monday--snap"}
    return bucket, made["read_as"]


def test_it_is_read_as_a_bucket(s3: Any, taken: tuple[str, str]) -> None:
    _, view = taken
    s3.head_bucket(Bucket=view)
    listed = s3.list_objects_v2(Bucket=view)["Contents"]
    assert [one["Key"] for one in listed] == ["deleted", "dir/replaced", "dir/same", "sealed", "tagged"]
    rolled = s3.list_objects_v2(Bucket=view, Delimiter="/", MaxKeys=2)
    assert ([one["Key"] for one in rolled["Contents"]], rolled["IsTruncated"]) == (["deleted"], True)
    assert [one["Prefix"] for one in rolled["CommonPrefixes"]] == ["dir/"]
    following = s3.list_objects_v2(Bucket=view, Delimiter="/", ContinuationToken=rolled["NextContinuationToken"])
    assert [one["Key"] for one in following["Contents"]] == ["sealed", "tagged"]
    assert len(s3.list_object_versions(Bucket=view)["Versions"]) == 5
    assert s3.get_object(Bucket=view, Key="deleted")["Body"].read() == SMALL
    found = s3.get_object(Bucket=view, Key="dir/replaced", Range="bytes=5-9")
    assert (found["Body"].read(), found["ContentType"], found["Metadata"]) == (
        b"large",
        "text/x-old",
        {"m": "dir/replaced"},
    )
    assert s3.get_object(Bucket=view, Key="sealed")["Body"].read() == LARGE
    assert s3.get_object_tagging(Bucket=view, Key="tagged")["TagSet"] == []
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=view, Key="added")
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=view.replace("monday", "tuesday"))


WRITES: dict[str, Callable[[Any, str], object]] = {
    "put": lambda s3, view: s3.put_object(Bucket=view, Key="k", Body=b"x"),
    "delete": lambda s3, view: s3.delete_object(Bucket=view, Key="deleted"),
    "delete many": lambda s3, view: s3.delete_objects(Bucket=view, Delete={"Objects": [{"Key": "deleted"}]}),
    "copy into": lambda s3, view: s3.copy_object(Bucket=view, Key="k", CopySource=f"{view}/deleted"),
    "upload": lambda s3, view: s3.create_multipart_upload(Bucket=view, Key="k"),
    "tag": lambda s3, view: s3.put_object_tagging(Bucket=view, Key="deleted", Tagging={"TagSet": []}),
    "acl": lambda s3, view: s3.put_object_acl(Bucket=view, Key="deleted", ACL="private"),
    "configure": lambda s3, view: s3.put_bucket_versioning(Bucket=view, VersioningConfiguration={"Status": "Enabled"}),
    "delete bucket": lambda s3, view: s3.delete_bucket(Bucket=view),
    "rename": lambda s3, view: s3.rename_object(Bucket=view, Key="k", RenameSource="/deleted"),
}


def test_nothing_changes_it(s3: Any, taken: tuple[str, str]) -> None:
    bucket, view = taken
    before = s3.list_objects_v2(Bucket=view)["Contents"]
    for write in WRITES.values():
        with refused("MethodNotAllowed", 405):
            write(s3, view)
    assert s3.list_objects_v2(Bucket=view)["Contents"] == before
    with refused("InvalidBucketName", 400):
        s3.create_bucket(Bucket=f"{bucket}--tuesday--snap")


def test_objects_are_copied_out_of_it(s3: Any, taken: tuple[str, str]) -> None:
    bucket, view = taken
    s3.copy_object(Bucket=bucket, Key="deleted", CopySource=f"{view}/deleted")
    assert s3.get_object(Bucket=bucket, Key="deleted")["Body"].read() == SMALL


def test_it_is_under_the_policy_of_its_bucket(server: Running, s3: Any, taken: tuple[str, str]) -> None:
    bucket, view = taken
    plain = server.request("GET", f"/{view}/deleted")
    assert plain.status == 403
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert server.request("GET", f"/{view}/deleted").status == 200
    assert server.request("GET", f"/{view}/added").status == 403, "not there, which is not told"
    assert server.request("GET", f"/{view}?list-type=2").status == 403


def test_a_bucket_is_restored_in_its_place(server: Running, s3: Any, taken: tuple[str, str]) -> None:
    bucket, view = taken
    assert admin(server, "restore", bucket, "monday") == {"restored": 4, "deleted": 1, "unchanged": 1}
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    then = s3.list_objects_v2(Bucket=view)["Contents"]
    assert [(one["Key"], one["ETag"], one["Size"]) for one in listed] == [
        (one["Key"], one["ETag"], one["Size"]) for one in then
    ]
    assert s3.get_object(Bucket=bucket, Key="sealed")["Body"].read() == LARGE
    assert admin(server, "restore", bucket, "monday") == {"restored": 0, "deleted": 0, "unchanged": 5}


def test_into_another_bucket_and_deleted(server: Running, s3: Any, taken: tuple[str, str]) -> None:
    bucket, view = taken
    other = f"{bucket}-other"
    assert admin(server, "restore", bucket, "monday", "--to", other)["restored"] == 5
    assert s3.get_object(Bucket=other, Key="dir/replaced")["Body"].read() == LARGE
    assert s3.get_object(Bucket=other, Key="sealed")["Body"].read() == LARGE
    told = admin(server, "list", bucket)
    assert [one["name"] for one in told["snapshots"]] == ["monday"]
    assert told["kept"] == {"objects": 4, "bytes": 2 * len(SMALL) + 2 * len(LARGE)}
    for key in ("dir/replaced", "dir/same", "tagged", "sealed", "added"):
        s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError) as error:
        s3.delete_bucket(Bucket=bucket)
    assert error.value.response["Error"]["Code"] == "BucketNotEmpty" and "snapshots" in str(error.value)
    assert "already" in admin(server, "create", bucket, "monday", status=1)
    admin(server, "delete", bucket, "monday")
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket=view)
    s3.delete_bucket(Bucket=bucket)
    assert s3.get_object(Bucket=other, Key="deleted")["Body"].read() == SMALL
