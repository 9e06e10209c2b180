"""The gate: who passes with which ACLs, and what the others are told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Operation, operation_model, resource_of
from objstore.aws.principal import ANONYMOUS, Principal
from objstore.iam import acl, gate
from objstore.iam.context import Context
from objstore.iam.users import ROOT, Users
from objstore.store.errors import NoSuchBucket, NoSuchKey, NoSuchUpload, StoreError
from objstore.store.types import Bucket, Owner, Upload, Version

ALICE, BOB = Owner("alice", "Alice"), Owner("bob", "Bob")
PRIVATE = acl.private(ALICE)
CALLERS = {
    "root": Principal(ROOT.id, ROOT.name, "arn", is_root=True),
    "alice": Principal("alice", "Alice", "arn"),
    "bob": Principal("bob", "Bob", "arn"),
    "carol": Principal("carol", "Carol", "arn"),
    "nobody": ANONYMOUS,
}


class Shelf:
    """One bucket of Alice with one object, and one upload of Bob."""

    def __init__(self, bucket: acl.Acl, object_: acl.Acl | None, owner: Owner) -> None:
        self._bucket = Bucket(1, "bucket", ALICE, 0, acl=bucket)
        self._version = Version("null", 1, True, False, "e", 4, 0, owner, acl=object_)

    def bucket(self, name: str) -> Bucket:
        if name != "bucket":
            raise NoSuchBucket(BucketName=name)
        return self._bucket

    def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        self.bucket(bucket)
        if key != "key":
            raise NoSuchKey(Key=key)
        return self._version

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        if upload_id != "of-bob":
            raise NoSuchUpload(UploadId=upload_id)
        return Upload(upload_id, key, 0, BOB, BOB)


ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "GetObjectAcl": "s3:GetObjectAcl",
    "PutObjectAcl": "s3:PutObjectAcl",
    "GetBucketAcl": "s3:GetBucketAcl",
    "PutBucketAcl": "s3:PutBucketAcl",
    "DeleteBucket": "s3:DeleteBucket",
    "CreateBucket": "s3:CreateBucket",
    "ListBuckets": "s3:ListAllMyBuckets",
}


async def nothing(call: Call, context: Any) -> None: ...


def verdict(
    caller: str,
    name: str,
    *,
    bucket: acl.Acl = PRIVATE,
    object_: acl.Acl | None = None,
    owner: Owner = ALICE,
    **members: str,
) -> str:
    """The code of the error, or "pass"."""
    model = operation_model(name)
    named = {"Bucket": "bucket"} if resource_of(model) != "service" else {}
    if resource_of(model) == "object":
        named["Key"] = "key"
    found = Operation(name, model, ACTIONS[name], nothing, frozenset(), resource_of(model))
    call = Call(found, SimpleNamespace(headers={}), "id", CALLERS[caller], named | members, SimpleNamespace())  # type: ignore[arg-type]
    context = Context(Shelf(bucket, object_, owner), Users("k", "s"))  # type: ignore[arg-type]
    try:
        asyncio.run(gate.authorise(call, context))
    except (AwsError, StoreError) as error:
        return error.code
    return "pass"


@pytest.mark.parametrize("name", ACTIONS)
def test_root_and_the_owner_of_the_bucket_pass(name):
    assert verdict("root", name) == verdict("alice", name) == "pass"


@pytest.mark.parametrize("name", [name for name in ACTIONS if name not in ("CreateBucket", "ListBuckets")])
def test_private_is_private(name):
    assert {verdict(caller, name, UploadId="x") for caller in ("bob", "carol", "nobody")} == {"AccessDenied"}


def test_everybody_lists_their_own_buckets_and_the_signed_make_some():
    assert {verdict(caller, "ListBuckets") for caller in CALLERS} == {"pass"}
    assert verdict("bob", "CreateBucket") == "pass"
    assert verdict("nobody", "CreateBucket") == "AccessDenied"


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("READ", {"ListObjectsV2"}),
        ("WRITE", {"PutObject", "DeleteObject"}),
        ("READ_ACP", {"GetBucketAcl"}),
        ("WRITE_ACP", {"PutBucketAcl"}),
        ("FULL_CONTROL", {"ListObjectsV2", "PutObject", "DeleteObject", "GetBucketAcl", "PutBucketAcl"}),
    ],
)
def test_the_acl_of_a_bucket_allows_what_aws_says(permission, allowed):
    grants = (acl.user_grant(BOB, permission),)
    names = ("ListObjectsV2", "PutObject", "DeleteObject", "GetBucketAcl", "PutBucketAcl", "GetObject", "DeleteBucket")
    assert {name for name in names if verdict("bob", name, bucket=grants) == "pass"} == allowed
    assert {verdict("carol", name, bucket=grants) for name in names} == {"AccessDenied"}


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("READ", {"GetObject"}),
        ("WRITE", set()),
        ("READ_ACP", {"GetObjectAcl"}),
        ("WRITE_ACP", {"PutObjectAcl"}),
        ("FULL_CONTROL", {"GetObject", "GetObjectAcl", "PutObjectAcl"}),
    ],
)
def test_the_acl_of_an_object_allows_what_aws_says(permission, allowed):
    grants = (acl.user_grant(BOB, permission),)
    names = ("GetObject", "GetObjectAcl", "PutObjectAcl", "PutObject", "DeleteObject", "ListObjectsV2")
    assert {name for name in names if verdict("bob", name, object_=grants) == "pass"} == allowed


def test_groups_let_the_unsigned_in():
    public, signed = acl.canned("public-read", ALICE), acl.canned("authenticated-read", ALICE)
    assert verdict("nobody", "GetObject", object_=public) == "pass"
    assert verdict("nobody", "GetObject", object_=signed) == "AccessDenied"
    assert verdict("carol", "GetObject", object_=signed) == "pass"
    assert verdict("nobody", "PutObject", bucket=acl.canned("public-read-write", ALICE)) == "pass"


def test_the_owner_of_an_object_keeps_its_acl():
    assert verdict("bob", "GetObject", owner=BOB) == "pass"
    assert verdict("bob", "GetObject", owner=BOB, object_=()) == "AccessDenied"
    assert verdict("bob", "GetObjectAcl", owner=BOB, object_=()) == "pass"
    assert verdict("bob", "PutObjectAcl", owner=BOB, object_=()) == "pass"


def test_what_is_not_there_is_told_to_who_may_list():
    assert verdict("carol", "GetObject", Key="gone") == "AccessDenied"
    assert verdict("carol", "GetObject", Key="gone", bucket=acl.canned("public-read", ALICE)) == "NoSuchKey"
    assert {verdict(caller, "GetObject", Bucket="gone") for caller in CALLERS} == {"NoSuchBucket"}


def test_another_bucket_owner_than_expected_is_denied_to_all():
    assert verdict("root", "GetObject", ExpectedBucketOwner="bob") == "AccessDenied"
    assert verdict("alice", "GetObject", ExpectedBucketOwner="alice") == "pass"


def test_an_upload_is_for_who_began_it():
    shared = acl.canned("public-read-write", ALICE)
    for name in ("UploadPart", "AbortMultipartUpload"):
        assert verdict("bob", name, bucket=shared, UploadId="of-bob") == "pass"
        assert verdict("alice", name, bucket=shared, UploadId="of-bob") == "pass"
        assert verdict("carol", name, bucket=shared, UploadId="of-bob") == "AccessDenied"
        assert verdict("carol", name, bucket=shared, UploadId="unknown") == "pass"


def test_a_delete_marker_is_told_of():
    marker = Version("0f", 2, False, True, "", 0, 0, ALICE)

    class Marked(Shelf):
        def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
            raise NoSuchKey(Key=key, marker=marker)

    context = Context(Marked((), None, ALICE), Users("k", "s"))  # type: ignore[arg-type]
    with pytest.raises(AwsError) as caught:
        gate.find(context, "bucket", "key", None)
    assert caught.value.headers["x-amz-delete-marker"] == "true"
    assert caught.value.headers["x-amz-version-id"] == "0f"
