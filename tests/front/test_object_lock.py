"""Object lock: what is protected cannot be deleted by anybody, in any way, until it may be."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.front.people import BOB
from tests.front.wire import refused, send
from tests.harness import Running

LATER = datetime(2140, 1, 1, tzinfo=UTC)
EVEN_LATER = datetime(2141, 1, 1, tzinfo=UTC)


def in_future(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.fixture
def locked(s3: Any, bucket: str) -> str:
    """A bucket with object lock."""
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def rule(mode: str = "GOVERNANCE", **period: int) -> dict[str, Any]:
    return {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": mode, **period}}}


def put(s3: Any, bucket: str, key: str = "k", **more: Any) -> str:
    return str(s3.put_object(Bucket=bucket, Key=key, Body=b"data", **more)["VersionId"])


def retain(s3: Any, bucket: str, version: str, mode: str, until: datetime, **more: Any) -> None:
    retention = {"Mode": mode, "RetainUntilDate": until}
    s3.put_object_retention(Bucket=bucket, Key="k", VersionId=version, Retention=retention, **more)


def test_a_bucket_with_lock_is_versioned_for_ever(s3: Any, locked: str) -> None:
    assert s3.get_bucket_versioning(Bucket=locked)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled"
    }
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration={"Status": "Suspended"})
    s3.put_bucket_versioning(Bucket=locked, VersioningConfiguration={"Status": "Enabled"})
    put(s3, locked)
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=locked)


def test_lock_comes_to_a_bucket_that_is_versioned_already(s3: Any, bucket: str) -> None:
    with refused("ObjectLockConfigurationNotFoundError", 404):
        s3.get_object_lock_configuration(Bucket=bucket)
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    for status in ("", "Suspended"):
        if status:
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        with refused("InvalidBucketState", 409):
            s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=rule(Days=1))
    assert "VersionId" not in old
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=rule(Days=1))
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    retain(s3, bucket, "null", "COMPLIANCE", LATER)
    put(s3, bucket)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=bucket, Key="k", VersionId="null", BypassGovernanceRetention=True)
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"old"


def test_nothing_of_it_goes_without_object_lock(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": LATER}
    locks = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER}
    for call in (
        lambda: s3.put_object_retention(Bucket=bucket, Key="k", Retention=retention),
        lambda: s3.get_object_retention(Bucket=bucket, Key="k"),
        lambda: s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"}),
        lambda: s3.get_object_legal_hold(Bucket=bucket, Key="k"),
        lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"x", **locks),
        lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"x", ObjectLockLegalHoldStatus="OFF"),
        lambda: s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/k", **locks),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="new", **locks),
    ):
        with refused("InvalidRequest", 400):
            call()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retained_version_stays(s3: Any, locked: str, mode: str) -> None:
    version = put(s3, locked, ObjectLockMode=mode, ObjectLockRetainUntilDate=LATER)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    free = put(s3, locked, "free")
    answer = s3.delete_objects(
        Bucket=locked,
        Delete={"Objects": [{"Key": "k", "VersionId": version}, {"Key": "free", "VersionId": free}]},
    )
    assert [(one["Key"], one["Code"], one["VersionId"]) for one in answer["Errors"]] == [("k", "AccessDenied", version)]
    assert [one["Key"] for one in answer["Deleted"]] == ["free"]
    newer = put(s3, locked)
    marker = s3.delete_object(Bucket=locked, Key="k")
    assert marker["DeleteMarker"]
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker["VersionId"])
    s3.delete_object(Bucket=locked, Key="k", VersionId=newer)
    assert s3.get_object(Bucket=locked, Key="k")["VersionId"] == version
    if mode == "COMPLIANCE":
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    else:
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
        assert "Versions" not in s3.list_object_versions(Bucket=locked)


def test_retention_ends(s3: Any, locked: str) -> None:
    version = put(s3, locked, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=in_future(2))
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version)
    time.sleep(2.1)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["Mode"] == "COMPLIANCE"
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_governance_is_loosened_only_by_bypass(s3: Any, locked: str) -> None:
    version = put(s3, locked)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="k")
    retain(s3, locked, version, "GOVERNANCE", LATER)
    retain(s3, locked, version, "GOVERNANCE", EVEN_LATER)
    for mode, until in (("GOVERNANCE", LATER), ("COMPLIANCE", EVEN_LATER)):
        with refused("AccessDenied", 403):
            retain(s3, locked, version, mode, until)
    with refused("AccessDenied", 403):
        s3.put_object_retention(Bucket=locked, Key="k", Retention={})
    retain(s3, locked, version, "GOVERNANCE", LATER, BypassGovernanceRetention=True)
    found = s3.get_object_retention(Bucket=locked, Key="k")["Retention"]
    assert found == {"Mode": "GOVERNANCE", "RetainUntilDate": LATER}
    s3.put_object_retention(Bucket=locked, Key="k", Retention={}, BypassGovernanceRetention=True)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_retention(Bucket=locked, Key="k")
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_compliance_is_only_ever_prolonged(s3: Any, locked: str) -> None:
    version = put(s3, locked)
    retain(s3, locked, version, "COMPLIANCE", LATER)
    for mode, until in (("COMPLIANCE", in_future(60)), ("GOVERNANCE", EVEN_LATER)):
        with refused("AccessDenied", 403):
            retain(s3, locked, version, mode, until, BypassGovernanceRetention=True)
    with refused("AccessDenied", 403):
        s3.put_object_retention(Bucket=locked, Key="k", Retention={}, BypassGovernanceRetention=True)
    retain(s3, locked, version, "COMPLIANCE", EVEN_LATER)
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["RetainUntilDate"] == EVEN_LATER


def test_a_legal_hold_has_no_end_and_no_bypass(s3: Any, locked: str) -> None:
    version = put(s3, locked)
    with refused("NoSuchObjectLockConfiguration", 404):
        s3.get_object_legal_hold(Bucket=locked, Key="k")
    s3.put_object_legal_hold(Bucket=locked, Key="k", VersionId=version, LegalHold={"Status": "ON"})
    retain(s3, locked, version, "GOVERNANCE", LATER)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)
    head = s3.head_object(Bucket=locked, Key="k")
    told = [head[f"ObjectLock{name}"] for name in ("Mode", "RetainUntilDate", "LegalHoldStatus")]
    assert told == ["GOVERNANCE", LATER, "ON"]
    s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=locked, Key="k")["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)


@pytest.mark.parametrize(("period", "days"), [({"Days": 3}, (3, 3)), ({"Years": 2}, (730, 731))])
def test_new_versions_get_the_default(s3: Any, locked: str, period: dict[str, int], days: tuple[int, int]) -> None:
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=rule("GOVERNANCE", **period))
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == rule("GOVERNANCE", **period)
    put(s3, locked)
    s3.copy_object(Bucket=locked, Key="copy", CopySource=f"{locked}/k", ObjectLockLegalHoldStatus="ON")
    upload = s3.create_multipart_upload(Bucket=locked, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locked, Key="parts", UploadId=upload, MultipartUpload=parts)
    now = datetime.now(UTC)
    for key in ("k", "copy", "parts"):
        retention = s3.get_object_retention(Bucket=locked, Key=key)["Retention"]
        assert retention["Mode"] == "GOVERNANCE"
        left = retention["RetainUntilDate"] - now
        assert timedelta(days[0], -60) < left < timedelta(days[1], 60)
    assert s3.head_object(Bucket=locked, Key="copy")["ObjectLockLegalHoldStatus"] == "ON"
    put(s3, locked, "own", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=in_future(1))
    assert s3.get_object_retention(Bucket=locked, Key="own")["Retention"]["Mode"] == "COMPLIANCE"
    marker = s3.delete_object(Bucket=locked, Key="k")["VersionId"]
    s3.delete_object(Bucket=locked, Key="k", VersionId=marker)
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    put(s3, locked, "later")
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="later")


def test_an_upload_carries_its_lock(s3: Any, locked: str) -> None:
    upload = s3.create_multipart_upload(
        Bucket=locked,
        Key="k",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=LATER,
        ObjectLockLegalHoldStatus="ON",
    )["UploadId"]
    part = s3.upload_part(Bucket=locked, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    made = s3.complete_multipart_upload(Bucket=locked, Key="k", UploadId=upload, MultipartUpload=parts)
    head = s3.head_object(Bucket=locked, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", LATER)
    assert head["ObjectLockLegalHoldStatus"] == "ON"
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=locked, Key="k", VersionId=made["VersionId"], BypassGovernanceRetention=True)
    s3.copy_object(Bucket=locked, Key="copy", CopySource=f"{locked}/k")
    assert "ObjectLockMode" not in s3.head_object(Bucket=locked, Key="copy"), "a lock is not copied"


def test_a_rename_leaves_what_is_locked(server: Running, s3: Any, locked: str) -> None:
    version = put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=LATER)
    answer = send(server, "PUT", f"/{locked}/new?renameObject=", headers={"x-amz-rename-source": f"/{locked}/k"})
    assert answer.status == 200, answer.body
    assert s3.get_object(Bucket=locked, Key="k", VersionId=version)["Body"].read() == b"data"
    new = s3.head_object(Bucket=locked, Key="new")
    assert (new["ObjectLockMode"], new["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", LATER)
    for key, version_id in (("k", version), ("new", new["VersionId"])):
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=locked, Key=key, VersionId=version_id)


def test_what_is_locked_comes_with_a_digest(server: Running, s3: Any, locked: str) -> None:
    until = {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2140-01-01T00:00:00Z"}
    md5 = {"content-md5": "jXd/OF09/siBXSD3SWAm3A=="}  # of b"data"
    assert send(server, "PUT", f"/{locked}/k", b"data", until).error == ("InvalidRequest", 400)
    assert send(server, "PUT", f"/{locked}/k", b"data", until | md5).status == 200
    assert send(server, "PUT", f"/{locked}/k", b"data").status == 200
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=rule(Days=1))
    assert send(server, "PUT", f"/{locked}/k", b"data").error == ("InvalidRequest", 400)
    upload = s3.create_multipart_upload(Bucket=locked, Key="k")["UploadId"]
    part = f"/{locked}/k?partNumber=1&uploadId={upload}"
    assert send(server, "PUT", part, b"data").error == ("InvalidRequest", 400)
    assert send(server, "PUT", part, b"data", md5).status == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mode": "GOVERNANCE"}, "InvalidArgument"),
        ({"retain-until-date": "2140-01-01T00:00:00Z"}, "InvalidArgument"),
        ({"mode": "governance", "retain-until-date": "2140-01-01T00:00:00Z"}, "InvalidArgument"),
        ({"mode": "GOVERNANCE", "retain-until-date": "2020-01-01T00:00:00Z"}, "InvalidArgument"),
        ({"mode": "GOVERNANCE", "retain-until-date": "soon"}, "InvalidArgument"),
        ({"legal-hold": "on"}, "InvalidArgument"),
        ({"event-hold": "ON"}, "NotImplemented"),
    ],
    ids=str,
)
def test_headers_that_say_nothing_are_refused(
    server: Running, s3: Any, locked: str, headers: dict[str, str], code: str
) -> None:
    given = {f"x-amz-object-lock-{name}": value for name, value in headers.items()}
    answer = send(server, "PUT", f"/{locked}/k", b"data", given | {"content-md5": "jXd/OF09/siBXSD3SWAm3A=="})
    assert answer.code == code
    assert "Versions" not in s3.list_object_versions(Bucket=locked)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("", "MalformedXML"),
        ("<ObjectLockEnabled>Disabled</ObjectLockEnabled>", "MalformedXML"),
        ("<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days></DefaultRetention></Rule>", "MalformedXML"),
        ("{}<Rule/>", "MalformedXML"),
        ("{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode></DefaultRetention></Rule>", "MalformedXML"),
        ("{}<Rule><DefaultRetention><Days>1</Days></DefaultRetention></Rule>", "MalformedXML"),
        ("{}<Rule><DefaultRetention><Mode>X</Mode><Days>1</Days></DefaultRetention></Rule>", "MalformedXML"),
        (
            "{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years></DefaultRetention></Rule>",
            "MalformedXML",
        ),
        ("{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>0</Days></DefaultRetention></Rule>", "period"),
        ("{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>-1</Years></DefaultRetention></Rule>", "period"),
        ("{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>36501</Days></DefaultRetention></Rule>", "period"),
        ("{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Years>101</Years></DefaultRetention></Rule>", "period"),
        (
            "{}<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>many</Days></DefaultRetention></Rule>",
            "MalformedXML",
        ),
        ("{}<Frob/>", "MalformedXML"),
        (
            "{}<Rule><DefaultRetention><DefaultEventHold><Days>1</Days></DefaultEventHold></DefaultRetention></Rule>",
            "NotImplemented",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    server: Running, s3: Any, locked: str, document: str, code: str
) -> None:
    before = rule("COMPLIANCE", Years=1)
    s3.put_object_lock_configuration(Bucket=locked, ObjectLockConfiguration=before)
    inner = document.replace("{}", "<ObjectLockEnabled>Enabled</ObjectLockEnabled>")
    body = f"<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>".encode()
    assert send(server, "PUT", f"/{locked}?object-lock=", body).code == code.replace("period", "InvalidRetentionPeriod")
    assert s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"] == before


@pytest.mark.parametrize(
    ("query", "document", "code"),
    [
        ("retention", "<Retention><Mode>GOVERNANCE</Mode></Retention>", "MalformedXML"),
        ("retention", "<Retention><RetainUntilDate>2140-01-01T00:00:00Z</RetainUntilDate></Retention>", "MalformedXML"),
        (
            "retention",
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate></Retention>",
            "InvalidArgument",
        ),
        ("retention", "<Retention><EventHold>ON</EventHold></Retention>", "NotImplemented"),
        ("retention", "", "MissingRequestBodyError"),
        ("legal-hold", "<LegalHold/>", "MalformedXML"),
        ("legal-hold", "<LegalHold><Status>abc</Status></LegalHold>", "MalformedXML"),
    ],
)
def test_a_lock_that_cannot_be_is_refused(
    server: Running, s3: Any, locked: str, query: str, document: str, code: str
) -> None:
    version = put(s3, locked)
    assert send(server, "PUT", f"/{locked}/k?{query}=", document.encode()).code == code
    s3.delete_object(Bucket=locked, Key="k", VersionId=version)


def test_a_lock_belongs_to_a_version_that_is_there(s3: Any, locked: str) -> None:
    put(s3, locked)
    marker = s3.delete_object(Bucket=locked, Key="k")["VersionId"]
    with refused("MethodNotAllowed", 405):
        retain(s3, locked, marker, "GOVERNANCE", LATER)
    with refused("NoSuchKey", 404):
        s3.put_object_legal_hold(Bucket=locked, Key="k", LegalHold={"Status": "ON"})
    with refused("NoSuchVersion", 404):
        retain(s3, locked, "0" * 32, "GOVERNANCE", LATER)


def test_bypassing_is_for_whom_it_is_allowed(server: Running, s3: Any, locked: str) -> None:
    s3.put_bucket_acl(Bucket=locked, ACL="public-read-write")
    version = put(s3, locked, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=LATER)
    path, bypass = f"/{locked}/k?versionId={version}", {"x-amz-bypass-governance-retention": "true"}
    assert server.request("DELETE", path, headers=bypass).status == 403
    assert send(server, "DELETE", path).error == ("AccessDenied", 403)
    assert send(server, "DELETE", path, headers=bypass).status == 204


def test_each_step_has_an_action_of_its_own(alice: Any, bob: Any, shelf: str) -> None:
    name = f"{shelf}-locked"
    alice.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)

    def let_bob(*actions: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{BOB.id}:root"},
            "Action": [f"s3:{action}" for action in actions],
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        alice.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))

    locks = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": LATER, "ObjectLockLegalHoldStatus": "OFF"}
    let_bob("PutObject", "GetObject*", "DeleteObject*")
    with refused("AccessDenied", 403):
        put(bob, name, **locks)
    let_bob("PutObject", "PutObjectRetention", "PutObjectLegalHold", "GetObject", "DeleteObject*")
    version = put(bob, name, **locks)
    told = bob.head_object(Bucket=name, Key="k")
    assert not {"ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"} & told.keys()
    with refused("AccessDenied", 403):
        bob.get_object_retention(Bucket=name, Key="k")
    for bypass in (False, True):
        with refused("AccessDenied", 403):
            bob.delete_object(Bucket=name, Key="k", VersionId=version, BypassGovernanceRetention=bypass)
    with refused("AccessDenied", 403):
        bob.put_object_retention(Bucket=name, Key="k", Retention={}, BypassGovernanceRetention=True)
    let_bob("GetObject", "GetObjectRetention", "DeleteObject*", "BypassGovernanceRetention")
    assert bob.head_object(Bucket=name, Key="k")["ObjectLockMode"] == "GOVERNANCE"
    answer = bob.delete_objects(
        Bucket=name, Delete={"Objects": [{"Key": "k", "VersionId": version}]}, BypassGovernanceRetention=True
    )
    assert [one["VersionId"] for one in answer["Deleted"]] == [version]
