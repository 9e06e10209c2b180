"""ObjectBucketClaims as Rook's users know them: a real API server, a real store, and the operator with its own role."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from objstore.kubernetes.kinds import CONFIG_MAP, SECRET
from tests.harness import Running
from tests.kubernetes.api import Api
from tests.kubernetes.claiming import FINALIZER, PROVISIONER, World, code, document
from tests.kubernetes.installing import install, operating

ROOK = "rook-ceph.ceph.rook.io/bucket"
EVERY_KEY = (
    "maxObjects,maxSize,bucketMaxObjects,bucketMaxSize,bucketPolicy,bucketLifecycle,bucketOwner,"
    "versioning,objectLock,cors,tags,encryption"
)


@pytest.fixture(scope="module")
def world(api: Api, server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    install(api)
    arguments = ("--provisioner", ROOK)
    with operating(api, tmp_path_factory.mktemp("claims"), *arguments) as operator:
        yield World(api, server, operator)


def test_a_claim_gets_a_bucket_a_secret_and_a_config_map(world: World) -> None:
    """Every field that an application, an administrator or a tool of Rook's may look at."""
    team = world.namespace()
    world.claim(team, "photos", generateBucketName="photo-booth")
    claim = world.bound(team, "photos")
    label = {"bucket-provisioner": PROVISIONER.replace("/", "-")}
    bucket = claim["spec"]["bucketName"]
    assert re.fullmatch(r"photo-booth-[0-9a-f]{8}-[0-9a-f-]{27}", bucket) and len(bucket) <= 63
    assert claim["spec"]["objectBucketName"] == f"obc-{team}-photos"
    assert claim["metadata"]["finalizers"] == [FINALIZER]
    assert claim["metadata"]["labels"] == label

    uid = claim["metadata"]["uid"]
    owner = {"apiVersion": "objectbucket.io/v1alpha1", "kind": "ObjectBucketClaim", "name": "photos", "uid": uid}
    for kind in (SECRET, CONFIG_MAP):
        metadata = world.get(team, "photos", kind)["metadata"]
        assert metadata["ownerReferences"] == [owner | {"controller": True, "blockOwnerDeletion": True}]
        assert (metadata["finalizers"], metadata["labels"]) == ([FINALIZER], label)
    told = world.told(team, "photos")
    assert {key: value for key, value in told.items() if key.startswith("BUCKET")} == {
        "BUCKET_HOST": "127.0.0.1",
        "BUCKET_PORT": str(world.store.port),
        "BUCKET_NAME": bucket,
        "BUCKET_REGION": "us-east-1",
        "BUCKET_SUBREGION": "",
    }
    assert set(told) - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} == {
        key for key in told if key.startswith("BUCKET")
    }

    found = world.object_bucket(team, "photos")
    assert found["status"]["phase"] == "Bound"
    assert (found["metadata"]["finalizers"], found["metadata"]["labels"]) == ([FINALIZER], label)
    assert found["spec"]["claimRef"] == owner | {"namespace": team}
    assert found["spec"]["reclaimPolicy"] == "Delete"
    assert found["spec"]["storageClassName"] == "buckets"
    assert found["spec"]["endpoint"] == {
        "bucketHost": "127.0.0.1",
        "bucketPort": world.store.port,
        "bucketName": bucket,
        "region": "us-east-1",
        "subRegion": "",
        "additionalConfig": {},
    }
    assert told["AWS_SECRET_ACCESS_KEY"] not in str(found) + str(claim)
    assert world.events(team, "photos") == [("Normal", "Bound", f"the bucket {bucket} is there")]
    assert "Bound" in world.api.kubectl("get", "obc", "-n", team, "photos")
    assert "Delete" in world.api.kubectl("get", "ob", f"obc-{team}-photos")


def test_an_application_has_its_bucket_and_nothing_else(world: World) -> None:
    """All it knows is what its pod is told: it reads and writes there, and every other door is shut."""
    team, other = world.namespace(), world.namespace()
    world.claim(team, "mine")
    world.claim(other, "theirs")
    world.bound(team, "mine")
    world.bound(other, "theirs")
    s3, bucket = world.application(team, "mine")
    _, theirs = world.application(other, "theirs")
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"hello"
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=1, Body=b"x" * 6_000_000)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="large", UploadId=upload, MultipartUpload=parts)
    s3.delete_object(Bucket=bucket, Key="large")
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [bucket]

    assert code(s3.get_object, Bucket=theirs, Key="a") == "AccessDenied"
    assert code(s3.put_object, Bucket=theirs, Key="a", Body=b"") == "AccessDenied"
    assert code(s3.list_objects_v2, Bucket=theirs) == "AccessDenied"
    assert code(s3.delete_bucket, Bucket=theirs) == "AccessDenied"
    assert code(s3.create_bucket, Bucket=f"{bucket[:50]}-more") == "TooManyBuckets"


def test_deleting_a_claim_deletes_all_that_was_made(world: World) -> None:
    """Versions, delete markers and uploads too; the key is dead."""
    team = world.namespace()
    world.claim(team, "full", additionalConfig={"versioning": "Enabled"})
    world.bound(team, "full")
    s3, bucket = world.application(team, "full")
    for body in (b"one", b"two"):
        s3.put_object(Bucket=bucket, Key="kept", Body=body)
    s3.delete_object(Bucket=bucket, Key="kept")
    s3.create_multipart_upload(Bucket=bucket, Key="begun")
    assert len(world.accounts(team)) == 1
    world.delete(team, "full")
    assert world.accounts(team) == []
    assert code(world.store.client().head_bucket, Bucket=bucket) == "404"
    assert code(s3.list_buckets) == "InvalidAccessKeyId"


def test_a_retained_bucket_outlives_its_claim(world: World) -> None:
    team = world.namespace()
    world.claim(team, "archive", "kept", bucketName=f"archive-{team}")
    world.bound(team, "archive")
    s3, bucket = world.application(team, "archive")
    s3.put_object(Bucket=bucket, Key="a", Body=b"old")
    world.delete(team, "archive")
    assert code(s3.list_buckets) == "InvalidAccessKeyId"
    assert world.store.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"old"
    (account,) = world.accounts(team)
    assert world.keys(account) == []
    # A new claim does not get it by its name alone; a StorageClass that names it gives access again.
    world.claim(team, "archive", bucketName=bucket)
    assert "belongs to somebody else" in world.refused(team, "archive", "BucketTaken")
    world.delete(team, "archive")
    world.storage_class(f"old-{team}", bucketName=bucket)
    world.claim(team, "reader", f"old-{team}")
    world.bound(team, "reader")
    assert world.application(team, "reader")[0].get_object(Bucket=bucket, Key="a")["Body"].read() == b"old"


def test_access_to_an_existing_bucket(world: World) -> None:
    """Brownfield: a statement joins the policy and leaves it again, and all else stays as it was."""
    team, root = world.namespace(), world.store.client()
    bucket = f"shared-{team}"
    root.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced")
    root.put_object(Bucket=bucket, Key="theirs", Body=b"before")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Others",
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/public/*",
            }
        ],
    }
    root.put_bucket_policy(Bucket=bucket, Policy=document(policy))
    world.storage_class(f"shared-{team}", bucketName=bucket)
    world.claim(team, "one", f"shared-{team}", bucketName="ignored")
    world.claim(team, "two", f"shared-{team}")
    assert world.bound(team, "one")["spec"]["bucketName"] == bucket
    assert world.bound(team, "two")["spec"]["bucketName"] == bucket
    for name in ("one", "two"):
        s3, told = world.application(team, name)
        assert told == bucket
        assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"before"
        s3.put_object(Bucket=bucket, Key=name, Body=b"mine")
        assert code(s3.create_bucket, Bucket=f"{bucket}-{name}") == "TooManyBuckets"
        assert code(s3.delete_bucket, Bucket=bucket) == "AccessDenied"
        assert code(s3.put_bucket_policy, Bucket=bucket, Policy=document(policy)) == "AccessDenied"
    accounts = {one["name"] for one in world.accounts(team)}
    statements = statements_of(world, bucket)
    assert {one["Sid"] for one in statements} == {"Others"} | accounts
    first, _ = world.application(team, "one")
    world.delete(team, "one")
    assert code(first.get_object, Bucket=bucket, Key="one") == "InvalidAccessKeyId"
    assert [one["Sid"] for one in statements_of(world, bucket)].count("Others") == 1
    assert len(statements_of(world, bucket)) == 2
    assert world.application(team, "two")[0].get_object(Bucket=bucket, Key="one")["Body"].read() == b"mine"
    world.delete(team, "two")
    assert statements_of(world, bucket) == policy["Statement"]
    assert world.accounts(team) == []
    assert root.get_object(Bucket=bucket, Key="two")["Body"].read() == b"mine"


def statements_of(world: World, bucket: str) -> list[dict[str, object]]:
    """The statements of a bucket's policy."""
    found: list[dict[str, object]] = json.loads(world.store.client().get_bucket_policy(Bucket=bucket)["Policy"])[
        "Statement"
    ]
    return found
