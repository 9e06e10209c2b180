"""RenameObject: another name in one step, under conditions on both ends, and once however often it is sent."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.front.wire import refused, send
from tests.harness import Running

BEFORE, AFTER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def rename(s3: Any, bucket: str, source: str, target: str, **more: Any) -> None:
    s3.rename_object(Bucket=bucket, Key=target, RenameSource=f"/{bucket}/{source}", **more)


def put(s3: Any, bucket: str, key: str, data: bytes, **more: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=data, **more)["ETag"])


def read(s3: Any, bucket: str, key: str, **more: Any) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read())


def keys_of(s3: Any, bucket: str) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_everything_comes_along(s3: Any, bucket: str) -> None:
    put(s3, bucket, "old", b"x" * 20_000, Metadata={"a": "1"}, Tagging="t=1", ContentType="text/plain")
    before = s3.head_object(Bucket=bucket, Key="old")
    rename(s3, bucket, "old", "new")
    after = s3.head_object(Bucket=bucket, Key="new")
    for member in ("ETag", "Metadata", "TagCount", "ContentType", "ContentLength"):
        assert after[member] == before[member]
    assert keys_of(s3, bucket) == ["new"]


def test_it_replaces_what_is_there(s3: Any, bucket: str) -> None:
    put(s3, bucket, "old", b"old")
    put(s3, bucket, "new", b"new")
    rename(s3, bucket, "old", "new")
    assert (keys_of(s3, bucket), read(s3, bucket, "new")) == (["new"], b"old")


def test_with_versions_both_stay(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, "old", b"old")
    put(s3, bucket, "new", b"new")
    rename(s3, bucket, "old", "new")
    assert read(s3, bucket, "new") == b"old"
    found = s3.list_object_versions(Bucket=bucket)
    assert [(one["Key"], one["IsLatest"]) for one in found["Versions"]] == [
        ("new", True),
        ("new", False),
        ("old", False),
    ]
    assert [one["Key"] for one in found["DeleteMarkers"]] == ["old"]
    with refused("NoSuchKey", 404):
        rename(s3, bucket, "old", "other")


@pytest.mark.parametrize(
    ("conditions", "passes"),
    [
        ({"SourceIfMatch": "source"}, True),
        ({"SourceIfMatch": "other"}, False),
        ({"SourceIfNoneMatch": "source"}, False),
        ({"SourceIfNoneMatch": "other"}, True),
        ({"SourceIfModifiedSince": BEFORE}, True),
        ({"SourceIfUnmodifiedSince": BEFORE}, False),
        ({"SourceIfUnmodifiedSince": AFTER}, True),
        ({"DestinationIfMatch": "target"}, True),
        ({"DestinationIfMatch": "other"}, False),
        ({"DestinationIfNoneMatch": "*"}, False),
        ({"DestinationIfModifiedSince": BEFORE}, True),
        ({"DestinationIfUnmodifiedSince": BEFORE}, False),
        ({"DestinationIfUnmodifiedSince": AFTER}, True),
        ({"DestinationIfMatch": "target", "DestinationIfUnmodifiedSince": BEFORE}, True),
    ],
    ids=str,
)
def test_conditions_on_both_ends(s3: Any, bucket: str, conditions: dict[str, Any], passes: bool) -> None:
    etags = {
        "source": put(s3, bucket, "source", b"source"),
        "target": put(s3, bucket, "target", b"target"),
        "other": '"0"',
    }
    given = {name: etags.get(value, value) if isinstance(value, str) else value for name, value in conditions.items()}
    if passes:
        rename(s3, bucket, "source", "target", **given)
        assert keys_of(s3, bucket) == ["target"]
    else:
        with refused("PreconditionFailed", 412):
            rename(s3, bucket, "source", "target", **given)
        assert keys_of(s3, bucket) == ["source", "target"]


def test_conditions_on_a_target_that_is_not_there(s3: Any, bucket: str) -> None:
    put(s3, bucket, "source", b"source")
    with refused("PreconditionFailed", 412):
        rename(s3, bucket, "source", "target", DestinationIfModifiedSince=BEFORE)
    rename(s3, bucket, "source", "target", DestinationIfNoneMatch="*")
    rename(s3, bucket, "target", "again", DestinationIfUnmodifiedSince=BEFORE)
    assert keys_of(s3, bucket) == ["again"]


def test_a_token_makes_it_safe_to_ask_twice(s3: Any, bucket: str) -> None:
    put(s3, bucket, "a", b"first")
    rename(s3, bucket, "a", "b", ClientToken="token-1")
    put(s3, bucket, "a", b"second")
    rename(s3, bucket, "a", "b", ClientToken="token-1")
    assert (keys_of(s3, bucket), read(s3, bucket, "b")) == (["a", "b"], b"first")
    with refused("IdempotencyParameterMismatch", 400):
        rename(s3, bucket, "a", "c", ClientToken="token-1")
    with refused("IdempotencyParameterMismatch", 400):
        rename(s3, bucket, "a", "b", ClientToken="token-1", DestinationIfMatch="*")
    with refused("NoSuchKey", 404):
        rename(s3, bucket, "missing", "d", ClientToken="token-2")
    rename(s3, bucket, "a", "d", ClientToken="token-2")
    assert keys_of(s3, bucket) == ["b", "d"]


def test_of_many_renames_of_one_object_one_wins(server: Running, s3: Any, bucket: str) -> None:
    put(s3, bucket, "a", b"x")
    outcomes: list[str] = []

    def move(number: int) -> None:
        try:
            rename(server.client(), bucket, "a", f"to {number}")
            outcomes.append("done")
        except Exception as error:
            outcomes.append(str(getattr(error, "response", {}).get("Error", {}).get("Code", error)))

    threads = [threading.Thread(target=move, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["NoSuchKey"] * 5 + ["done"]
    assert len(keys_of(s3, bucket)) == 1


def test_a_rename_that_cannot_be_is_refused(server: Running, s3: Any, bucket: str) -> None:
    put(s3, bucket, "a", b"x")
    for source in (f"/{bucket}-other/a", f"/{bucket}/a?versionId=null"):
        answer = send(server, "PUT", f"/{bucket}/b?renameObject=", headers={"x-amz-rename-source": source})
        assert answer.error == ("InvalidArgument", 400)
    headers = {"x-amz-rename-source": f"/{bucket}/a", "x-amz-client-token": "t" * 65}
    assert send(server, "PUT", f"/{bucket}/b?renameObject=", headers=headers).error == ("InvalidArgument", 400)
    assert keys_of(s3, bucket) == ["a"]
