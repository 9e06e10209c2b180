"""What somebody changes at the store by hand is changed back, though nothing in the cluster tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from objstore.cli.main import main
from objstore.client import ask
from objstore.kubernetes.kinds import OBJECT_STORE, OBJECT_STORE_USER, SECRET, Key
from objstore.kubernetes.recheck import Settled, spread
from objstore.kubernetes.tenancy import accounts, policies, quotas, users
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.kubernetes.api import Api
from tests.kubernetes.claiming import World, document
from tests.kubernetes.installing import install, operating, until


@pytest.fixture(scope="module")
def world(api: Api, server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    install(api)
    arguments = ("--recheck", "1", "--allow-additional-config", "quotas,policy")
    with operating(api, tmp_path_factory.mktemp("recheck"), *arguments) as operator:
        yield World(api, server, operator, prefix="recheck-")


def again(world: World, look: Any, what: str) -> None:
    until(look, f"{what} is as it was", world.operator)


def test_what_a_claim_says_of_its_bucket(world: World) -> None:
    team = world.namespace("drifts")
    statement = {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [statement | {"Resource": f"arn:aws:s3:::drifts-{team}/*"}],
    }
    limits = {"maxSize": "1Gi", "bucketMaxObjects": 7}
    config = {"policy": document(policy), "quotas": document(limits)}
    world.claim(team, "one", bucketName=f"drifts-{team}", additionalConfig=config)
    world.bound(team, "one")
    bucket, (account,) = f"drifts-{team}", world.accounts(team)
    tenant = accounts.find(world.root, account["name"])
    assert tenant is not None
    root = world.store.client()

    root.delete_bucket_policy(Bucket=bucket)
    ask(world.root, f"/-/admin/v1/quota?bucket={bucket}", "DELETE")
    quotas.ensure(world.root, quotas.account(tenant.id), 1, None)
    reading = {"Version": "2012-10-17", "Statement": [policies.allowing(bucket, "READ_ONLY")]}
    users.ensure(world.root, tenant.id, tenant.user, {"reading": reading})
    again(world, lambda: policies.find(world.root, bucket) == policy, "the policy")
    again(world, lambda: limit(world, quotas.bucket(bucket)) == (7, None), "the bucket's quota")
    again(world, lambda: limit(world, quotas.account(tenant.id)) == (1, 2**30), "the claim's quota, and theirs")
    again(world, lambda: users.rights(world.root, tenant.id, tenant.user) == users.STORAGE, "what its user may do")
    assert world.events(team, "one") == [("Normal", "Bound", f"the bucket {bucket} is there")]


def limit(world: World, target: quotas.Target) -> tuple[int | None, int | None] | None:
    found = quotas.find(world.root, target)
    return None if found is None else (found.max_objects, found.max_bytes)


def test_the_way_into_a_bucket_that_was_there(world: World) -> None:
    team, root = world.namespace("granted"), world.store.client()
    bucket = f"granted-{team}"
    root.create_bucket(Bucket=bucket)
    world.storage_class(f"granted-{team}", bucketName=bucket)
    world.claim(team, "one", f"granted-{team}")
    world.bound(team, "one")
    before = policies.find(world.root, bucket)
    theirs = {"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObjectAcl"}
    other = {"Version": "2012-10-17", "Statement": [theirs | {"Resource": f"arn:aws:s3:::{bucket}/*"}]}
    root.put_bucket_policy(Bucket=bucket, Policy=json.dumps(other))

    def both() -> bool:
        found = policies.find(world.root, bucket)
        assert before is not None and found is not None
        return found["Statement"] == other["Statement"] + before["Statement"]

    again(world, both, "the claim's statement beside what somebody put")


def test_what_a_user_may_do(world: World) -> None:
    namespace = world.namespace("users")
    credentials = {"username": ROOT_USER, "password": ROOT_PASSWORD}
    world.api.create(SECRET, {"metadata": {"namespace": namespace, "name": "root"}, "stringData": credentials})
    drive = {"name": "disk", "count": 1, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    spec = {
        "volumeClaimTemplates": [drive],
        "credentials": {"name": "root"},
        "hosting": {"advertiseEndpoint": {"dnsName": "127.0.0.1", "port": world.store.port, "useTls": False}},
    }
    world.api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": spec})
    wanted = {"store": "main", "quotas": {"maxObjects": 5}, "capabilities": {"objects": "read"}}
    world.api.create(OBJECT_STORE_USER, {"metadata": {"namespace": namespace, "name": "ada"}, "spec": wanted})
    key = Key(namespace, "ada")
    until(lambda: "account" in (world.get(*key, OBJECT_STORE_USER).get("status") or {}), "ada", world.operator)
    account = world.get(*key, OBJECT_STORE_USER)["status"]["account"]
    tenant = accounts.find(world.root, f"user-{namespace}-ada")
    assert tenant is not None and tenant.id == account
    rights = users.rights(world.root, account, tenant.user)
    users.ensure(world.root, account, tenant.user, users.STORAGE)
    quotas.ensure(world.root, quotas.account(account), None, None)
    again(world, lambda: users.rights(world.root, account, tenant.user) == rights, "what ada may do")
    again(world, lambda: limit(world, quotas.account(account)) == (5, None), "ada's quota")


def test_looks_are_spread() -> None:
    looks = [spread(3600.0) for _ in range(100)]
    assert all(one is not None and 2700 <= one <= 4500 for one in looks) and len(set(looks)) > 90
    assert spread(0) is None


def test_what_is_settled_is_left_alone_until_then() -> None:
    key, never, now = Key("a", "b"), Settled(0.0), Settled(1e-9)
    assert never.note(key, 1) is None and never.holds(key, 1) and not never.holds(key, 2)
    assert never.left(key) is None
    never.forget(key)
    assert not never.holds(key, 1)
    assert now.note(key, 1) is not None
    until(lambda: not now.holds(key, 1), "its time has come")
    assert now.left(key) == 0.0


@pytest.mark.parametrize("given", ["-1", "soon", "inf", "nan"])
def test_an_interval_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], given: str) -> None:
    with pytest.raises(SystemExit):
        main(["operator", "--namespace", "a", "--recheck", given])
    assert "--recheck" in capsys.readouterr().err
