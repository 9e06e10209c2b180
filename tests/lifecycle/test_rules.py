"""Lifecycle configurations through the front door: what comes back is what was put, and what cannot be is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

RULE: dict[str, Any] = {"ID": "one", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 3}}


def put(s3: Any, bucket: str, *rules: dict[str, Any], **more: Any) -> None:
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}, **more)


def test_rules_come_back_as_they_were_put(s3: Any, bucket: str) -> None:
    rules = [
        RULE,
        {
            "ID": "two",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 5}},
            "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)},
            "Transitions": [{"Date": datetime(2029, 1, 1, tzinfo=UTC), "StorageClass": "REDUCED_REDUNDANCY"}],
        },
        {
            "ID": "three",
            "Status": "Enabled",
            "Prefix": "old/",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 9, "NewerNoncurrentVersions": 2},
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 1, "StorageClass": "REDUCED_REDUNDANCY"}],
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2},
        },
    ]
    put(s3, bucket, *rules)
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert got["Rules"] == rules
    assert got["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    put(s3, bucket, RULE, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert (got["Rules"], got["TransitionDefaultMinimumObjectSize"]) == ([RULE], "varies_by_storage_class")
    s3.delete_bucket_lifecycle(Bucket=bucket)
    with pytest.raises(ClientError) as gone:
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert gone.value.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"


def test_a_rule_without_an_id_gets_one_and_an_empty_filter_is_spelled_out(s3: Any, bucket: str) -> None:
    put(s3, bucket, {"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}})
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule.pop("ID") and rule == {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in RULE.items() if name not in names} | more


TAG = {"Key": "k", "Value": "v"}
REFUSED: list[tuple[str, list[dict[str, Any]]]] = [
    ("MalformedXML", []),
    ("MalformedXML", [without("Status", Status="enabled")]),
    ("MalformedXML", [without(Prefix="x")]),
    ("MalformedXML", [without("Filter")]),
    ("MalformedXML", [without("Filter", Filter={"Prefix": "a", "And": {"Prefix": "b", "Tags": [TAG]}})]),
    ("MalformedXML", [without("Filter", Filter={"And": {}})]),
    ("MalformedXML", [without("Expiration", Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True})]),
    ("MalformedXML", [without("Expiration", Transitions=[{"StorageClass": "REDUCED_REDUNDANCY"}])]),
    ("MalformedXML", [without("Expiration", NoncurrentVersionExpiration={"NewerNoncurrentVersions": 3})]),
    ("InvalidRequest", [without("Expiration")]),
    ("InvalidRequest", [without("Filter", Filter={"And": {"Tags": [TAG, TAG]}})]),
    ("InvalidRequest", [without("Filter", Filter={"And": {"ObjectSizeGreaterThan": 9, "ObjectSizeLessThan": 9}})]),
    (
        "InvalidRequest",
        [
            without(
                "Filter", "Expiration", Filter={"Tag": TAG}, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1}
            )
        ],
    ),
    (
        "InvalidRequest",
        [without("Filter", "Expiration", Filter={"Tag": TAG}, Expiration={"ExpiredObjectDeleteMarker": True})],
    ),
    ("InvalidArgument", [without("Expiration", Expiration={"Days": 0})]),
    ("InvalidArgument", [without("Expiration", Expiration={"Date": datetime(2030, 1, 1, 5, tzinfo=UTC)})]),
    ("InvalidArgument", [without("ID", ID="x" * 256)]),
    ("InvalidArgument", [RULE, RULE]),
    ("InvalidArgument", [without(Transitions=[{"Days": 3, "StorageClass": "REDUCED_REDUNDANCY"}])]),
    (
        "InvalidArgument",
        [without(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})],
    ),
    ("InvalidStorageClass", [without(Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])]),
]


@pytest.mark.parametrize(("code", "rules"), REFUSED, ids=[f"{n}-{code}" for n, (code, _) in enumerate(REFUSED)])
def test_what_cannot_be_is_refused_and_changes_nothing(
    s3: Any, bucket: str, code: str, rules: list[dict[str, Any]]
) -> None:
    put(s3, bucket, RULE)
    with pytest.raises(ClientError) as refused:
        put(s3, bucket, *rules)
    assert refused.value.response["Error"]["Code"] == code, refused.value
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == [RULE]


def test_answers_tell_when_an_object_expires(s3: Any, bucket: str) -> None:
    put(s3, bucket, without("ID", ID="a rule"), without("ID", "Filter", ID="b", Filter={"Tag": TAG}))
    told = s3.put_object(Bucket=bucket, Key="logs/a", Body=b"x")["Expiration"]
    assert 'rule-id="a%20rule"' in told
    date = parsedate_to_datetime(told.split('"')[1])
    assert timedelta(days=3) <= date - datetime.now(UTC) + timedelta(minutes=1) <= timedelta(days=4, minutes=1)
    assert s3.head_object(Bucket=bucket, Key="logs/a")["Expiration"] == told
    assert s3.get_object(Bucket=bucket, Key="logs/a")["Expiration"] == told
    copied = s3.copy_object(Bucket=bucket, Key="logs/b", CopySource=f"{bucket}/logs/a")
    assert 'rule-id="a%20rule"' in copied["Expiration"]
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="other", Body=b"x")
    assert "Expiration" in s3.put_object(Bucket=bucket, Key="tagged", Body=b"x", Tagging="k=v")


def test_answers_tell_when_an_upload_is_aborted(s3: Any, bucket: str) -> None:
    put(s3, bucket, without("Expiration", AbortIncompleteMultipartUpload={"DaysAfterInitiation": 2}))
    begun = s3.create_multipart_upload(Bucket=bucket, Key="logs/a")
    assert begun["AbortRuleId"] == "one" and begun["AbortDate"] > datetime.now(UTC) + timedelta(days=1)
    listed = s3.list_parts(Bucket=bucket, Key="logs/a", UploadId=begun["UploadId"])
    assert (listed["AbortRuleId"], listed["AbortDate"]) == ("one", begun["AbortDate"])
    assert "AbortDate" not in s3.create_multipart_upload(Bucket=bucket, Key="other")
