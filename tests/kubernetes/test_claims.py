"""ObjectBucketClaims as Rook's users know them: a real API server, a real store, and the operator with its own role."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from objstore.client import StoreRefused, ask
from objstore.kubernetes.claims import provision, reclaim
from objstore.kubernetes.claims.binding import Binding
from objstore.kubernetes.claims.configuration import Configuration
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    OBJECT_BUCKET,
    OBJECT_BUCKET_CLAIM,
    OBJECT_STORE,
    SECRET,
    STORAGE_CLASS,
)
from objstore.kubernetes.tenancy import accounts, keys
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.kubernetes.api import Api
from tests.kubernetes.claiming import FINALIZER, PROVISIONER, World, client, code, document
from tests.kubernetes.installing import NAMESPACE, install, operating, until

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
    grantees = {one["name"] for one in world.accounts(team)}
    statements = statements_of(world, bucket)
    assert {one["Sid"] for one in statements} == {"Others"} | grantees
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


def test_what_is_changed_by_hand_is_changed_back(world: World) -> None:
    """Edited, emptied or deleted; and a Secret whose secret is lost gets another key, and the old one dies."""
    team = world.namespace()
    world.claim(team, "mine")
    world.bound(team, "mine")
    before = world.told(team, "mine")
    wrong = {"data": {"BUCKET_HOST": "elsewhere", "BUCKET_NAME": None}}
    world.api.patch(CONFIG_MAP, team, "mine", wrong)
    until(lambda: world.told(team, "mine") == before, "the ConfigMap is as it was", world.operator)
    world.api.delete(CONFIG_MAP, team, "mine")
    until(lambda: mended(world, team, before), "the ConfigMap is there again", world.operator)
    world.api.delete(SECRET, team, "mine")
    until(lambda: mended(world, team, before), "the Secret is there again, with the key it had", world.operator)
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "mine", {"metadata": {"finalizers": None, "labels": None}})
    until(lambda: world.get(team, "mine")["metadata"].get("finalizers"), "the claim is marked again", world.operator)

    lost = {"stringData": {"AWS_SECRET_ACCESS_KEY": "not the secret of that key"}}
    world.api.patch(SECRET, team, "mine", lost)
    changed = until(lambda: other_key(world, team, before), "there is another key", world.operator)
    assert code(client(changed).head_bucket, Bucket=before["BUCKET_NAME"]) == ""
    assert code(client(before).list_buckets) == "InvalidAccessKeyId"
    world.api.patch(SECRET, team, "mine", {"data": None})
    again = until(lambda: other_key(world, team, changed), "there is a third key", world.operator)
    (account,) = world.accounts(team)
    assert world.keys(account) == [again["AWS_ACCESS_KEY_ID"]]


def mended(world: World, team: str, before: dict[str, str]) -> bool:
    """Whether Secret and ConfigMap are as they were, and are not about to go."""
    found = [world.get(team, "mine", kind) for kind in (SECRET, CONFIG_MAP)]
    if any(one is None or "deletionTimestamp" in one["metadata"] for one in found):
        return False
    return world.told(team, "mine") == before


def other_key(world: World, team: str, before: dict[str, str]) -> dict[str, str]:
    """What the application is told, once it is told of another key."""
    data = (world.get(team, "mine", SECRET) or {}).get("data") or {}
    told = world.told(team, "mine") if len(data) == 2 else {}
    return told if told.get("AWS_ACCESS_KEY_ID", "") not in ("", before["AWS_ACCESS_KEY_ID"]) else {}


def test_every_key_of_additional_config(world: World) -> None:
    """Brought about, changed, and taken back where the claim no longer says it."""
    team, root = world.namespace(), world.store.client()
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}
    cors = {"CORSRules": [{"AllowedOrigins": ["https://a.example"], "AllowedMethods": ["GET"]}]}
    config = {"maxObjects": "2", "maxSize": "1Mi", "versioning": "Enabled", "encryption": "AES256"}
    config |= {"cors": document(cors), "tags": document({"team": "photos"})}
    world.claim(team, "one", additionalConfig=config)
    bucket = world.bound(team, "one")["spec"]["bucketName"]
    (account,) = world.accounts(team)
    assert quota(world, account=account["id"]) == (2, 2**20)
    assert root.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert root.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors["CORSRules"]
    assert root.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "photos"}]
    assert root.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    s3, _ = world.application(team, "one")
    assert code(s3.put_object, Bucket=bucket, Key="large", Body=bytes(2**20 + 1)) == "QuotaExceeded"

    world.configure(team, "one", maxObjects="5", cors=None, tags=document({"team": "films"}), versioning="Suspended")
    world.settled(team, "one")
    assert quota(world, account=account["id"]) == (5, 2**20)
    assert root.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert code(root.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    assert root.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "films"}]
    world.configure(team, "one", maxSize=None, tags=None)
    world.settled(team, "one")
    assert quota(world, account=account["id"]) == (5, None)
    assert code(root.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    world.configure(team, "one", maxObjects=None, bucketLifecycle=document({"Rules": [rule]}))
    assert "additionalConfig.bucketLifecycle: is not allowed here" in world.refused(team, "one", "InvalidConfiguration")
    assert world.get(team, "one")["status"]["phase"] == "Bound"
    assert quota(world, account=account["id"]) == (5, None), "nothing is done of what is refused in part"
    world.configure(team, "one", bucketLifecycle=None)
    world.settled(team, "one")
    assert quota(world, account=account["id"]) is None


def quota(world: World, **target: str) -> tuple[int | None, int | None] | None:
    """The limits of objects and bytes."""
    try:
        found = ask(world.root, "/-/admin/v1/quota", **target)
    except StoreRefused:
        return None
    return found["max_objects"], found["max_bytes"]


def test_a_quota_that_was_set_by_hand_stays(world: World) -> None:
    """A claim that says nothing of quotas leaves them alone, and one that says half of it leaves the other half."""
    team = world.namespace()
    world.claim(team, "one")
    bucket = world.bound(team, "one")["spec"]["bucketName"]
    (account,) = world.accounts(team)
    ask(world.root, "/-/admin/v1/quota", "PUT", bucket=bucket, bytes="1000")
    ask(world.root, "/-/admin/v1/quota", "PUT", account=account["id"], bytes="5000", objects="5")
    world.configure(team, "one", tags=document({"a": "b"}))
    world.settled(team, "one")
    assert (quota(world, bucket=bucket), quota(world, account=account["id"])) == ((None, 1000), (5, 5000))
    world.configure(team, "one", maxObjects="7")
    world.settled(team, "one")
    assert (quota(world, bucket=bucket), quota(world, account=account["id"])) == ((None, 1000), (7, 5000))


def test_what_is_wrong_is_told_once_and_can_be_mended(world: World) -> None:
    """An unknown key: an event and a condition, nothing made, no loop; mended, the claim is bound."""
    team = world.namespace()
    world.claim(team, "one", additionalConfig={"maxSise": "1G", "maxObjects": "many"})
    message = world.refused(team, "one", "InvalidConfiguration")
    assert "additionalConfig.maxSise: there is no such key; did you mean maxSize?" in message
    assert "additionalConfig.maxObjects: 'many' is no quantity" in message
    found = world.get(team, "one")
    assert found["status"]["phase"] == "Failed"
    assert not found["metadata"].get("finalizers") and world.get(team, "one", SECRET) is None
    assert (world.accounts(team), world.object_bucket(team, "one")) == ([], None)
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "one", {"metadata": {"annotations": {"look": "again"}}})
    other = world.namespace()
    world.claim(other, "two")
    world.bound(other, "two")  # one bad claim holds up no other
    assert world.events(team, "one") == [("Warning", "InvalidConfiguration", message)]
    world.configure(team, "one", maxSise=None, maxObjects="3")
    world.bound(team, "one")
    world.settled(team, "one")


def test_one_bucket_name_in_two_namespaces(world: World) -> None:
    """The first has it. The second is refused, takes nothing over, and may choose another name."""
    first, second = world.namespace(), world.namespace()
    name = f"wanted-{first}"
    world.claim(first, "one", bucketName=name)
    world.bound(first, "one")
    s3, _ = world.application(first, "one")
    s3.put_object(Bucket=name, Key="a", Body=b"mine")
    world.claim(second, "one", bucketName=name)
    assert "belongs to somebody else" in world.refused(second, "one", "BucketTaken")
    assert world.get(second, "one")["status"]["phase"] == "Failed"
    assert (world.accounts(second), world.get(second, "one", SECRET)) == ([], None)
    world.api.patch(OBJECT_BUCKET_CLAIM, second, "one", {"spec": {"bucketName": f"{name}-2"}})
    world.bound(second, "one")
    world.claim(second, "two", bucketName=name)
    world.refused(second, "two", "BucketTaken")
    world.delete(second, "two")
    world.delete(second, "one")
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"mine"


def test_a_claim_of_another_provisioner_is_left_alone(world: World) -> None:
    team = world.namespace()
    world.storage_class(f"other-{team}", provisioner="other.ceph.rook.io/bucket")
    world.claim(team, "theirs", f"other-{team}")
    world.storage_class(f"rook-{team}", provisioner=ROOK)
    world.claim(team, "ours", f"rook-{team}")
    world.bound(team, "ours")  # of a StorageClass that was written for Rook
    assert world.get(team, "ours")["metadata"]["labels"] == {"bucket-provisioner": "rook-ceph.ceph.rook.io-bucket"}
    theirs = world.get(team, "theirs")
    assert "status" not in theirs and "finalizers" not in theirs["metadata"] and "labels" not in theirs["metadata"]
    assert (world.events(team, "theirs"), world.object_bucket(team, "theirs")) == ([], None)
    world.api.delete(OBJECT_BUCKET_CLAIM, team, "theirs")
    assert world.get(team, "theirs") is None


def test_only_additional_config_may_change(world: World) -> None:
    """What else is changed is told of, and not done."""
    team = world.namespace()
    world.claim(team, "one")
    bucket = world.bound(team, "one")["spec"]["bucketName"]
    changed = {"bucketName": "another", "storageClassName": "kept", "objectBucketName": "x"}
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "one", {"spec": changed})
    told = f"what a claim is bound to does not change: bucketName stays {bucket}, storageClassName stays buckets"
    until(lambda: ("Warning", "ChangeIgnored", told) in world.events(team, "one"), "it is told of", world.operator)
    world.settled(team, "one")
    assert world.get(team, "one")["spec"]["objectBucketName"] == f"obc-{team}-one"
    assert world.told(team, "one")["BUCKET_NAME"] == bucket
    world.delete(team, "one")
    assert world.accounts(team) == []


def test_a_secret_of_somebody_else_is_not_written_over(world: World) -> None:
    team = world.namespace()
    world.secret(team, "db", password="precious")
    world.claim(team, "db")
    assert "there is a Secret db that is not this claim's" in world.refused(team, "db", "NameTaken")
    assert list(world.get(team, "db", SECRET)["data"]) == ["password"]
    world.api.delete(OBJECT_BUCKET_CLAIM, team, "db")
    until(lambda: world.get(team, "db") is None, "the claim is gone", world.operator)
    assert list(world.get(team, "db", SECRET)["data"]) == ["password"]


def test_a_claim_may_come_before_its_storage_class(world: World) -> None:
    team = world.namespace()
    world.claim(team, "early", f"late-{team}")
    told = ("Warning", "StorageClassNotFound", f"there is no StorageClass late-{team}")
    until(lambda: world.events(team, "early") == [told], "that is told", world.operator)
    world.storage_class(f"late-{team}")
    world.bound(team, "early")
    world.api.delete(STORAGE_CLASS, "", f"late-{team}")
    world.delete(team, "early")  # what is bound needs its class no more
    assert world.accounts(team) == []


def test_what_cannot_be_deleted_holds_the_claim(world: World) -> None:
    """A legal hold is kept: the claim waits, says for what, and goes when that is lifted."""
    team = world.namespace()
    world.claim(team, "held", additionalConfig={"objectLock": "Enabled"})
    world.bound(team, "held")
    s3, bucket = world.application(team, "held")
    version = s3.put_object(Bucket=bucket, Key="evidence", Body=b"a", ChecksumAlgorithm="CRC32")["VersionId"]
    s3.put_object(Bucket=bucket, Key="other", Body=b"b", ChecksumAlgorithm="CRC32")
    s3.put_object_legal_hold(Bucket=bucket, Key="evidence", LegalHold={"Status": "ON"})
    world.delete(team, "held", wait=False)
    assert "evidence" in world.refused(team, "held", "BucketLocked")
    found = world.get(team, "held")["status"]
    assert (found["phase"], found["deletion"]) == ("Released", {"versionsDeleted": 1})
    assert world.object_bucket(team, "held")["status"]["phase"] == "Released"
    root = world.store.client()
    root.put_object_legal_hold(Bucket=bucket, Key="evidence", VersionId=version, LegalHold={"Status": "OFF"})
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "held", {"metadata": {"annotations": {"look": "again"}}})
    world.gone(team, "held")
    assert code(root.head_bucket, Bucket=bucket) == "404"


def test_a_large_bucket_is_emptied_bit_by_bit(world: World) -> None:
    """Each turn deletes some and tells how many; nobody can write any more from the first turn on."""
    name = f"large-{world.namespace()}"
    binding = Binding(name, name, False, None, "buckets", "Delete", "outside", NAMESPACE)
    given = provision.provide(world.root, binding, Configuration(), Configuration(), None)
    s3 = world.store.client(access=given.access, secret=given.secret, max_pool_connections=8)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: s3.put_object(Bucket=name, Key=f"{number:04}", Body=b""), range(1005)))
    turns = [reclaim.reclaim(world.root, binding, budget_s=0)]
    assert (turns[0].done, turns[0].deleted) == (False, 1000)
    assert code(s3.put_object, Bucket=name, Key="more", Body=b"") == "InvalidAccessKeyId"
    while not turns[-1].done:
        turns.append(reclaim.reclaim(world.root, binding, budget_s=0))
    assert sum(turn.deleted for turn in turns) == 1005
    assert (accounts.find(world.root, name), code(world.store.client().head_bucket, Bucket=name)) == (None, "404")
    assert reclaim.reclaim(world.root, binding) == (True, 0, "")


def test_what_rook_accepts_is_accepted(world: World) -> None:
    """Its schema has no required member and leaves additionalConfig open; what is then wrong is told of."""
    team = world.namespace()
    world.claim(team, "null", additionalConfig=None)
    world.bound(team, "null")
    world.claim(team, "number", additionalConfig={"maxObjects": 1000})
    assert 'is a string: write "1000"' in world.refused(team, "number", "InvalidConfiguration")
    world.api.create(OBJECT_BUCKET_CLAIM, {"metadata": {"namespace": team, "name": "empty"}, "spec": {}})
    world.api.create(OBJECT_BUCKET_CLAIM, {"metadata": {"namespace": team, "name": "bare"}})
    named = {"storageClassName": "buckets"}
    world.api.create(OBJECT_BUCKET_CLAIM, {"metadata": {"namespace": team, "name": "nameless"}, "spec": named})
    assert "needs a bucketName or a generateBucketName" in world.refused(team, "nameless", "InvalidClaim")
    for name in ("empty", "bare"):
        until(lambda name=name: world.events(team, name), f"{name} is told of", world.operator)
        assert world.events(team, name) == [("Warning", "InvalidClaim", "the claim has no storageClassName")]
    world.claim(team, "odd", bucketName="Not_A_Bucket")
    assert "InvalidBucketName" in world.refused(team, "odd", "StoreRefused")
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "odd", {"spec": {"bucketName": f"odd-{team}"}})
    world.bound(team, "odd")


@pytest.fixture
def free(world: World, tmp_path: Path) -> Iterator[World]:
    """The same place with an operator that allows every key."""
    world.operator.kill()
    with operating(world.api, tmp_path, "--allow-additional-config", EVERY_KEY) as operator:
        yield dataclasses.replace(world, operator=operator, prefix="free-")
    world.operator.start()


def test_rooks_riskier_keys_where_they_are_allowed(free: World) -> None:
    """Policy with users as Ceph names them, lifecycle, quota of the bucket, and a bucket in somebody's account."""
    team, root = free.namespace(), free.store.client()
    owner = accounts.ensure(free.root, f"owner-{team}", max_buckets=None)
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam:::user/owner-{team}"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::shared-{team}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    rule = {"ID": "old", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 30}}
    config = {"bucketPolicy": document(policy), "bucketLifecycle": document({"Rules": [rule]}), "bucketMaxSize": "1G"}
    free.claim(team, "shared", bucketName=f"shared-{team}", additionalConfig=config)
    free.bound(team, "shared")
    s3, bucket = free.application(team, "shared")
    s3.put_object(Bucket=bucket, Key="a", Body=b"hello")
    key = keys.ensure(free.root, owner, None)
    theirs = free.store.client(access=key.access, secret=key.secret)
    assert theirs.get_object(Bucket=bucket, Key="a")["Body"].read() == b"hello"
    assert root.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "old"
    assert quota(free, bucket=bucket) == (None, 10**9)
    other = {**rule, "ID": "older"}
    free.configure(team, "shared", lifecycle=document({"Rules": [other]}), quotas=document({"bucketMaxSize": "2G"}))
    told = free.refused(team, "shared", "InvalidConfiguration")
    assert "additionalConfig.lifecycle: says something else than bucketLifecycle" in told
    assert "additionalConfig.quotas: says something else than bucketMaxSize" in told
    free.configure(team, "shared", bucketPolicy=None, policy=document(policy), bucketLifecycle=None, bucketMaxSize=None)
    free.settled(team, "shared")
    assert theirs.get_object(Bucket=bucket, Key="a")["Body"].read() == b"hello"
    assert root.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["ID"] == "older"
    assert quota(free, bucket=bucket) == (None, 2 * 10**9)
    free.configure(team, "shared", policy=None, lifecycle=None, quotas=None)
    free.settled(team, "shared")
    assert code(theirs.get_object, Bucket=bucket, Key="a") == "AccessDenied"
    assert code(root.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    assert quota(free, bucket=bucket) is None
    free.configure(team, "shared", bucketPolicy=document({"Version": "2012-10-17", "Statement": [{}]}))
    assert "MalformedPolicy" in free.refused(team, "shared", "StoreRefused")

    free.claim(team, "owned", additionalConfig={"bucketOwner": owner.name})
    free.bound(team, "owned")
    mine, bucket = free.application(team, "owned")
    mine.put_object(Bucket=bucket, Key="a", Body=b"mine")
    assert theirs.get_object(Bucket=bucket, Key="a")["Body"].read() == b"mine"
    theirs.create_bucket(Bucket=f"own-{team}")
    assert code(mine.list_objects_v2, Bucket=f"own-{team}") == "AccessDenied"
    free.claim(team, "there", bucketName=f"own-{team}", additionalConfig={"bucketOwner": owner.name})
    free.bound(team, "there")
    for name in ("owned", "there"):
        free.delete(team, name)
    assert [one["Name"] for one in theirs.list_buckets()["Buckets"]] == [f"own-{team}"], "what was there stays"
    free.claim(team, "nobody", additionalConfig={"bucketOwner": f"nobody-{team}"})
    assert "the store has no user" in free.refused(team, "nobody", "OwnerNotFound")


def test_a_claim_that_rook_answered_is_answered_here(world: World) -> None:
    """Objects as Rook leaves them: the bucket is made here, and Secret, ConfigMap and ObjectBucket become ours."""
    team = world.namespace()
    label = {"bucket-provisioner": "rook-ceph.ceph.rook.io-bucket"}
    marked = {"finalizers": [FINALIZER], "labels": label}
    world.storage_class(f"ceph-{team}", provisioner="stays.away/bucket")
    name = f"photos-{team}"
    spec = {"storageClassName": f"ceph-{team}", "bucketName": name, "objectBucketName": f"obc-{team}-photos"}
    claim = world.api.create(OBJECT_BUCKET_CLAIM, {"metadata": {"namespace": team, "name": "photos"}, "spec": spec})
    owner = {"apiVersion": claim["apiVersion"], "kind": claim["kind"], "name": "photos"}
    owner |= {"uid": claim["metadata"]["uid"]}
    metadata = {"namespace": team, "name": "photos", **marked}
    metadata |= {"ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": True}]}
    old = {"AWS_ACCESS_KEY_ID": "CEPHKEY", "AWS_SECRET_ACCESS_KEY": "ceph"}
    world.api.create(SECRET, {"metadata": metadata, "stringData": old})
    world.api.create(CONFIG_MAP, {"metadata": metadata, "data": {"BUCKET_HOST": "ceph", "BUCKET_NAME": name}})
    state = {"cephUser": "obc-x", "objectStoreName": "my-store", "objectStoreNamespace": "rook-ceph"}
    endpoint = {"bucketHost": "ceph", "bucketPort": 80, "bucketName": name, "region": "", "additionalConfig": {}}
    bucket_spec = {
        "storageClassName": f"ceph-{team}",
        "reclaimPolicy": "Delete",
        "claimRef": owner | {"namespace": team},
    }
    bucket_spec |= {"endpoint": endpoint, "additionalState": state}
    world.api.create(OBJECT_BUCKET, {"metadata": {"name": f"obc-{team}-photos", **marked}, "spec": bucket_spec})
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "photos", {"status": {"phase": "Bound"}}, "status")
    world.api.delete(STORAGE_CLASS, "", f"ceph-{team}")
    world.storage_class(f"ceph-{team}", provisioner=ROOK)
    world.api.patch(OBJECT_BUCKET_CLAIM, team, "photos", {"metadata": marked})
    until(lambda: world.told(team, "photos").get("BUCKET_PORT"), "the claim is answered here", world.operator)
    world.settled(team, "photos")
    s3, bucket = world.application(team, "photos")
    assert bucket == name
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    found = world.object_bucket(team, "photos")
    assert "cephUser" not in found["spec"]["additionalState"]
    world.delete(team, "photos")
    assert world.accounts(team) == []


def test_a_restored_claim_finds_its_bucket(world: World) -> None:
    """Another uid, the same ObjectBucket: the account and its bucket are those from before."""
    team = world.namespace()
    world.claim(team, "photos", bucketName=f"photos-{team}")
    before = world.bound(team, "photos")
    s3, bucket = world.application(team, "photos")
    s3.put_object(Bucket=bucket, Key="a", Body=b"old")
    world.operator.kill()
    for kind in (OBJECT_BUCKET_CLAIM, SECRET, CONFIG_MAP):
        world.api.patch(kind, team, "photos", {"metadata": {"finalizers": None}})
    world.api.delete(OBJECT_BUCKET_CLAIM, team, "photos")
    restored = {"labels": before["metadata"]["labels"], "finalizers": [FINALIZER], "name": "photos", "namespace": team}
    made = world.api.create(OBJECT_BUCKET_CLAIM, {"metadata": restored, "spec": before["spec"]})
    assert made["metadata"]["uid"] != before["metadata"]["uid"]
    world.operator.start()
    world.bound(team, "photos")
    until(lambda: len(world.told(team, "photos")) == 7, "the Secret is there", world.operator)
    s3, bucket = world.application(team, "photos")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"old"
    assert len(world.accounts(team)) == 1
    assert world.object_bucket(team, "photos")["spec"]["claimRef"]["uid"] == made["metadata"]["uid"]
    world.delete(team, "photos")
    assert world.accounts(team) == []


def test_claims_whose_object_buckets_would_have_one_name(world: World) -> None:
    team = world.namespace()
    other = world.api.namespace(f"{team}-x")
    world.claim(team, "x-one")
    world.bound(team, "x-one")
    world.claim(other, "one")
    assert f"that of the claim {team}/x-one: rename one of" in world.refused(other, "one", "NameTaken")
    world.delete(other, "one", wait=False)
    until(lambda: world.get(other, "one") is None, "the claim is gone", world.operator)
    world.settled(team, "x-one")
    assert world.application(team, "x-one")[0].list_buckets()["Buckets"]


def test_a_store_of_the_cluster(world: World) -> None:
    """An ObjectStore says where it is and where its credentials are; a claim may come before it."""
    team, namespace = world.namespace(), world.namespace("stores")
    parameters = {"objectStoreName": "main", "objectStoreNamespace": namespace, "endpoint": "", "region": ""}
    world.storage_class(f"main-{team}", **parameters)
    world.claim(team, "one", f"main-{team}")
    assert f"there is no ObjectStore {namespace}/main" in world.refused(team, "one", "StoreNotFound")
    world.secret(namespace, "its-root", username=ROOT_USER, password=ROOT_PASSWORD)
    endpoint = {"dnsName": "localhost", "port": world.store.port, "useTls": False}
    drives = {"name": "disk", "count": 2, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    spec = {"volumeClaimTemplates": [drives], "credentials": {"name": "its-root"}}
    spec |= {"hosting": {"advertiseEndpoint": endpoint}}
    world.api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": spec})
    world.bound(team, "one")
    assert world.told(team, "one")["BUCKET_HOST"] == "localhost"
    s3, bucket = world.application(team, "one")
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    world.delete(team, "one")
