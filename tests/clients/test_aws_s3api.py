"""`aws s3api` on tags, object lock, appends and renames, as transcripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.transcripts import Transcript
from tests.harness import Running


@pytest.fixture
def aws(server: Running, tmp_path: Path) -> Transcript:
    return Transcript(server, tmp_path, "s3api")


def test_tags(aws: Transcript, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("42")
    of = ("--bucket", bucket, "--key", "report")
    copy = ("--bucket", bucket, "--key", "copy")
    final = {"TagSet": [{"Key": "state", "Value": "final"}]}
    told = aws.run(
        ("put-object", *of, "--body", "report", "--tagging", "team=red&state=draft"),
        ("head-object", *of),
        ("put-object-tagging", *of, "--tagging", "TagSet=[{Key=state,Value=final}]"),
        ("get-object-tagging", *of),
        ("copy-object", *copy, "--copy-source", f"{bucket}/report"),
        ("get-object-tagging", *copy),
        ("delete-object-tagging", *of),
        ("get-object-tagging", *of),
        ("put-bucket-tagging", "--bucket", bucket, "--tagging", "TagSet=[{Key=cost,Value=center 7}]"),
        ("get-bucket-tagging", "--bucket", bucket),
        ("delete-bucket-tagging", "--bucket", bucket),
    )
    assert told[1]["TagCount"] == 2
    assert [told[3], told[5], told[7]] == [final, final, {"TagSet": []}]
    assert told[9] == {"TagSet": [{"Key": "cost", "Value": "center 7"}]}


def test_object_lock(aws: Transcript, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("1")
    name = f"{bucket}-locked"
    default = '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":7}}}'
    made = aws.run(
        ("create-bucket", "--bucket", name, "--object-lock-enabled-for-bucket"),
        ("put-object-lock-configuration", "--bucket", name, "--object-lock-configuration", default),
        ("get-object-lock-configuration", "--bucket", name),
        ("put-object", "--bucket", name, "--key", "ledger", "--body", "ledger"),
    )
    assert made[2]["ObjectLockConfiguration"] == json.loads(default)
    of = ("--bucket", name, "--key", "ledger", "--version-id", made[3]["VersionId"])
    told = aws.run(
        ("get-object-retention", *of),
        ("!AccessDenied", "delete-object", *of),
        ("put-object-retention", *of, "--retention", '{"Mode":"GOVERNANCE","RetainUntilDate":"2140-01-01T00:00:00Z"}'),
        ("put-object-legal-hold", *of, "--legal-hold", "Status=ON"),
        ("head-object", *of),
        ("!AccessDenied", "delete-object", *of, "--bypass-governance-retention"),
        ("put-object-legal-hold", *of, "--legal-hold", "Status=OFF"),
        ("get-object-legal-hold", *of),
        ("delete-object", *of, "--bypass-governance-retention"),
        ("delete-bucket", "--bucket", name),
    )
    assert told[0]["Retention"]["Mode"] == "GOVERNANCE"
    assert "object lock" in told[1] and "object lock" in told[5]
    assert (told[4]["ObjectLockMode"], told[4]["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
    assert told[4]["ObjectLockRetainUntilDate"].startswith("2140-01-01T00:00:00")
    assert told[7] == {"LegalHold": {"Status": "OFF"}}


def test_appends_and_renames(aws: Transcript, s3: Any, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one ")
    (tmp_path / "two").write_text("two")
    of = ("--bucket", bucket, "--key", "log")
    told = aws.run(
        ("put-object", *of, "--body", "one", "--write-offset-bytes", "0"),
        ("put-object", *of, "--body", "two", "--write-offset-bytes", "4"),
        ("rename-object", "--bucket", bucket, "--key", "old log", "--rename-source", f"/{bucket}/log"),
    )
    assert told[1]["Size"] == 7
    assert s3.get_object(Bucket=bucket, Key="old log")["Body"].read() == b"one two"
