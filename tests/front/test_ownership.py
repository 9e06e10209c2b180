"""Object ownership: whose an object is that another account writes, and whether ACLs count.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.front.people import ALICE, BOB
from tests.front.wire import refused, send
from tests.harness import Running

FULL = "bucket-owner-full-control"
OPEN = "public-read-write"
ENFORCED, PREFERRED, WRITER = "BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"


def control(client: Any, bucket: str, kind: str) -> None:
    client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": kind}]})


def owner_of(client: Any, bucket: str, key: str) -> str:
    listed = client.list_objects_v2(Bucket=bucket, Prefix=key, FetchOwner=True)["Contents"]
    return str(listed[0]["Owner"]["ID"])


def test_controls_come_back_as_they_were_put(alice: Any, shelf: str) -> None:
    with refused("OwnershipControlsNotFoundError", 404):
        alice.get_bucket_ownership_controls(Bucket=shelf)
    for kind in (WRITER, PREFERRED, ENFORCED):
        control(alice, shelf, kind)
        found = alice.get_bucket_ownership_controls(Bucket=shelf)["OwnershipControls"]
        assert found == {"Rules": [{"ObjectOwnership": kind}]}
    alice.delete_bucket_ownership_controls(Bucket=shelf)
    with refused("OwnershipControlsNotFoundError", 404):
        alice.get_bucket_ownership_controls(Bucket=shelf)


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "<Rule></Rule>",
        "<Rule><ObjectOwnership>Mine</ObjectOwnership></Rule>",
        "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>" * 2,
    ],
)
def test_controls_that_are_none_are_malformed(server: Running, bucket: str, rules: str) -> None:
    body = f"<OwnershipControls>{rules}</OwnershipControls>".encode()
    assert send(server, "PUT", f"/{bucket}?ownershipControls=", body).error == ("MalformedXML", 400)


def test_an_object_belongs_to_its_writer_unless_told_otherwise(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_bucket_acl(Bucket=shelf, ACL=OPEN)
    bob.put_object(Bucket=shelf, Key="plain", Body=b"")
    bob.put_object(Bucket=shelf, Key="granted", Body=b"", ACL=FULL)
    assert {owner_of(alice, shelf, key) for key in ("plain", "granted")} == {BOB.id}


def test_preferred_takes_what_is_given_with_full_control(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_bucket_acl(Bucket=shelf, ACL=OPEN)
    control(alice, shelf, PREFERRED)
    bob.put_object(Bucket=shelf, Key="kept", Body=b"")
    bob.put_object(Bucket=shelf, Key="given", Body=b"x", ACL=FULL)
    upload = bob.create_multipart_upload(Bucket=shelf, Key="parts", ACL=FULL)["UploadId"]
    part = bob.upload_part(Bucket=shelf, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    bob.complete_multipart_upload(Bucket=shelf, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert [owner_of(alice, shelf, key) for key in ("kept", "given", "parts")] == [BOB.id, ALICE.id, ALICE.id]
    with refused("AccessDenied", 403):
        bob.get_object(Bucket=shelf, Key="given")
    assert alice.get_object_acl(Bucket=shelf, Key="given")["Owner"]["ID"] == ALICE.id


def test_enforced_makes_everything_the_bucket_owners_and_knows_no_acl(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_bucket_acl(Bucket=shelf, ACL=OPEN)
    bob.put_object(Bucket=shelf, Key="before", Body=b"", ACL="public-read")
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        control(alice, shelf, ENFORCED)
    alice.put_bucket_acl(Bucket=shelf, ACL="private")
    control(alice, shelf, ENFORCED)
    mine = [
        {"Grantee": {"ID": ALICE.id, "DisplayName": "Alice", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    ]
    assert owner_of(alice, shelf, "before") == ALICE.id
    assert alice.get_object_acl(Bucket=shelf, Key="before")["Grants"] == mine
    assert alice.get_bucket_acl(Bucket=shelf)["Grants"] == mine
    with refused("AccessDenied", 403):
        bob.get_object(Bucket=shelf, Key="before")
    for given in ({}, {"ACL": FULL}, {"GrantFullControl": f"id={ALICE.id}"}):
        alice.put_object(Bucket=shelf, Key="k", Body=b"", **given)
    for refusal in ({"ACL": "private"}, {"ACL": "public-read"}, {"GrantRead": f"id={BOB.id}"}):
        with refused("AccessControlListNotSupported", 400):
            alice.put_object(Bucket=shelf, Key="k", Body=b"", **refusal)
        with refused("AccessControlListNotSupported", 400):
            alice.create_multipart_upload(Bucket=shelf, Key="k", **refusal)
    with refused("AccessControlListNotSupported", 400):
        alice.put_object_acl(Bucket=shelf, Key="k", ACL="private")
    with refused("AccessControlListNotSupported", 400):
        alice.put_bucket_acl(Bucket=shelf, ACL="private")


def test_a_bucket_is_made_with_controls(alice: Any) -> None:
    name = f"owned-{uuid.uuid4().hex[:20]}"
    with refused("InvalidBucketAclWithObjectOwnership", 400):
        alice.create_bucket(Bucket=name, ObjectOwnership=ENFORCED, ACL="public-read")
    alice.create_bucket(Bucket=name, ObjectOwnership=ENFORCED)
    with refused("AccessControlListNotSupported", 400):
        alice.put_object(Bucket=name, Key="k", Body=b"", ACL="public-read")
    found = alice.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert found["Rules"] == [{"ObjectOwnership": ENFORCED}]
    with refused("BucketAlreadyExists", 409):
        alice.create_bucket(Bucket=name, ObjectOwnership=WRITER)


def test_controls_of_an_unknown_kind_are_refused_at_creation(server: Running) -> None:
    name = f"owned-{uuid.uuid4().hex[:20]}"
    found = send(server, "PUT", f"/{name}", headers={"x-amz-object-ownership": "Mine"})
    assert found.error == ("InvalidArgument", 400)
