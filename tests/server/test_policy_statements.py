"""One statement of a bucket's policy comes, changes and goes, and the others stay."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from objstore.client import Connection, StoreRefused, ask
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

PAGE = "/-/admin/v1/policy/statement"


@pytest.fixture
def bucket(server: Running) -> str:
    name = f"states-{uuid.uuid4().hex[:16]}"
    server.client().create_bucket(Bucket=name)
    return name


def state(server: Running, bucket: str, sid: str, statement: dict[str, Any] | None, **more: Any) -> bool:
    connection = Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)
    order = {"bucket": bucket, "sid": sid, "statement": statement, **more}
    return bool(ask(connection, PAGE, "POST", order)["changed"])


def reading(bucket: str, key: str = "*", principal: Any = "*") -> dict[str, Any]:
    resource = f"arn:aws:s3:::{bucket}/{key}"
    return {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": resource}


def statements(server: Running, bucket: str) -> list[dict[str, Any]]:
    """What S3 says, in order; none where there is no policy."""
    try:
        text = server.client().get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucketPolicy"
        return []
    found = json.loads(text)["Statement"]
    return found if isinstance(found, list) else [found]


def test_statements_come_change_and_go(server: Running, bucket: str) -> None:
    assert not state(server, bucket, "a", None)
    assert state(server, bucket, "a", reading(bucket)) and not state(server, bucket, "a", reading(bucket))
    assert state(server, bucket, "b", reading(bucket, "b"))
    assert state(server, bucket, "a", reading(bucket, "a"))
    assert statements(server, bucket) == [
        {"Sid": "b", **reading(bucket, "b")},
        {"Sid": "a", **reading(bucket, "a")},
    ]
    assert (
        state(server, bucket, "b", None) and state(server, bucket, "a", None) and not state(server, bucket, "a", None)
    )
    assert statements(server, bucket) == []


def test_what_else_is_in_a_policy_stays(server: Running, bucket: str) -> None:
    nameless = reading(bucket, "old")
    policy = {"Version": "2012-10-17", "Id": "theirs", "Statement": nameless}
    server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert state(server, bucket, "a", reading(bucket))
    assert statements(server, bucket) == [nameless, {"Sid": "a", **reading(bucket)}]
    assert json.loads(server.client().get_bucket_policy(Bucket=bucket)["Policy"])["Id"] == "theirs"
    assert state(server, bucket, "a", None)
    assert statements(server, bucket) == [nameless]


def test_many_at_once_lose_nothing(server: Running, bucket: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(
            pool.map(lambda number: state(server, bucket, f"s{number}", reading(bucket, f"{number}")), range(24))
        )
    assert {one["Sid"] for one in statements(server, bucket)} == {f"s{number}" for number in range(24)}


def test_what_a_policy_cannot_have_changes_nothing(server: Running, bucket: str) -> None:
    state(server, bucket, "a", reading(bucket))
    before = statements(server, bucket)
    private = {"BlockPublicAcls": False, "IgnorePublicAcls": False, "RestrictPublicBuckets": False}
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("b", {"Effect": "Allow"}, "MalformedPolicy"),
        ("b", reading("another-bucket"), "MalformedPolicy"),
        ("b", {"Sid": "c", **reading(bucket)}, "InvalidArgument"),
        ("", reading(bucket), "InvalidArgument"),
        ("b", reading(bucket, "x" * 21_000), "EntityTooLarge"),
    ]
    for sid, statement, code in cases:
        with pytest.raises(StoreRefused) as refused:
            state(server, bucket, sid, statement)
        assert refused.value.code == code, (sid, code)
    server.client().put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={**private, "BlockPublicPolicy": True}
    )
    with pytest.raises(StoreRefused, match="AccessDenied"):
        state(server, bucket, "b", reading(bucket))
    assert statements(server, bucket) == before


def test_questions_that_are_none_are_refused(server: Running, bucket: str) -> None:
    with pytest.raises(StoreRefused, match="NoSuchBucket"):
        state(server, f"{bucket}-none", "a", reading(bucket))
    with pytest.raises(StoreRefused, match="InvalidRequest"):
        state(server, bucket, "a", reading(bucket), effect="Allow")
    nobody = Connection(server.endpoint, ROOT_USER, "another-password")
    with pytest.raises(StoreRefused, match="SignatureDoesNotMatch"):
        ask(nobody, PAGE, "POST", {"bucket": bucket, "sid": "a", "statement": None})
