"""Tenants at a real store: whatever is asked for twice, or after a crash, is there once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from objstore import client
from objstore.client import Connection, StoreRefused, StoreUnreachable
from objstore.kubernetes.tenancy import accounts, buckets, clients, keys, policies, quotas, settings, users
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.buckets import BucketTaken
from objstore.kubernetes.tenancy.naming import fitting
from tests.admin import admin, run
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, free_port


@pytest.fixture(scope="module")
def store(server: Running) -> Connection:
    return Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)


@pytest.fixture
def name() -> str:
    return f"t-{uuid.uuid4().hex[:16]}"


@pytest.fixture
def tenant(store: Connection, name: str) -> Tenant:
    return accounts.ensure(store, name, max_buckets=1)


def code(call: Any, **members: Any) -> str:
    """The code with which a call is refused; empty when it is not."""
    try:
        call(**members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def test_a_tenant_is_made_once_and_repaired(server: Running, store: Connection, name: str) -> None:
    assert accounts.find(store, name) is None
    made = accounts.ensure(store, name, max_buckets=1)
    assert accounts.ensure(store, name, max_buckets=1) == made == accounts.find(store, name)
    assert admin(server, "account", "info", "--name", name.upper())["max_buckets"] == 1
    admin(server, "account", "limit", made.id, "none")
    admin(server, "user", "delete", name, "--account", made.id)
    assert accounts.ensure(store, name, max_buckets=3, max_bytes=1000) == made
    assert admin(server, "account", "info", made.id)["max_buckets"] == 3
    assert users.rights(store, made.id, made.user) == users.STORAGE
    found = quotas.find(store, quotas.account(made.id))
    assert found is not None and (found.max_objects, found.max_bytes) == (None, 1000)
    accounts.ensure(store, name, max_buckets=3)
    assert quotas.find(store, quotas.account(made.id)) is not None, "what nobody asked to change stays"


def test_many_make_the_same_tenant_at_once(store: Connection, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: accounts.ensure(store, name, max_buckets=1), range(8)))
    assert len(set(made)) == 1


def test_rights_are_exactly_those_asked_for(store: Connection, tenant: Tenant) -> None:
    other = {"reading": {"Version": "2012-10-17", "Statement": [policies.allowing("b", "READ_ONLY")]}}
    assert not users.ensure(store, tenant.id, tenant.user, users.STORAGE)
    assert users.ensure(store, tenant.id, tenant.user, other)
    assert users.rights(store, tenant.id, tenant.user) == other
    assert not users.ensure(store, tenant.id, tenant.user, other)
    users.remove(store, tenant.id, tenant.user)
    users.remove(store, tenant.id, tenant.user)
    assert users.rights(store, tenant.id, tenant.user) is None


def test_a_key_is_kept_while_it_is_held_and_replaced_when_not(
    server: Running, store: Connection, tenant: Tenant
) -> None:
    first = keys.ensure(store, tenant, None)
    assert first.secret is not None and first.secret not in repr(first)
    mine = server.client("s3", first.access, first.secret)
    assert code(mine.list_buckets) == ""
    assert keys.ensure(store, tenant, first.access) == keys.Key(first.access)
    second = keys.ensure(store, tenant, "AKIAOFSOMEBODYELSE00")
    assert second.secret is not None and second.access != first.access
    assert code(mine.list_buckets) == "InvalidAccessKeyId"
    third = keys.rotate(store, tenant, second.access)
    assert third.secret is not None
    old = server.client("s3", second.access, second.secret)
    assert code(old.list_buckets) == "", "the old key is good until the new one is held"
    assert keys.ensure(store, tenant, third.access) == keys.Key(third.access)
    assert code(old.list_buckets) == "InvalidAccessKeyId"
    admin(server, "key", "deactivate", third.access, "--user", tenant.user, "--account", tenant.id)
    assert keys.ensure(store, tenant, third.access).secret is not None
    keys.revoke(store, tenant)
    keys.revoke(store, tenant)


def test_a_tenant_owns_its_bucket_and_no_further_one(server: Running, store: Connection, tenant: Tenant) -> None:
    bucket = tenant.name
    assert buckets.owner(store, bucket) is None
    assert buckets.ensure(store, tenant, bucket)
    assert not buckets.ensure(store, tenant, bucket)
    assert buckets.owner(store, bucket) == tenant.canonical
    with pytest.raises(StoreRefused) as refused:
        buckets.ensure(store, tenant, f"{bucket}-2")
    assert refused.value.code == "TooManyBuckets"
    key = keys.ensure(store, tenant, None)
    mine = server.client("s3", key.access, key.secret or "")
    mine.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert code(mine.create_bucket, Bucket=f"{bucket}-2") == "TooManyBuckets"
    assert code(mine.create_bucket, Bucket=bucket) == "", "one's own is no further one"
    other = accounts.ensure(store, f"{tenant.name}-o", max_buckets=0)
    with pytest.raises(BucketTaken):
        buckets.ensure(store, other, bucket)
    with pytest.raises(StoreRefused) as refused:
        buckets.ensure(store, other, f"{bucket}-3")
    assert refused.value.code == "TooManyBuckets"


def test_no_two_buckets_where_one_is_allowed_however_many_ask(server: Running, store: Connection, name: str) -> None:
    tenant = accounts.ensure(store, name, max_buckets=2)

    def make(number: int) -> str:
        try:
            buckets.ensure(store, tenant, f"{name}-{number}")
        except StoreRefused as error:
            return error.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(make, range(8)))
    assert outcomes == ["TooManyBuckets"] * 6 + ["made"] * 2


def test_limits_of_accounts_on_the_command_line(server: Running, name: str) -> None:
    made = admin(server, "account", "create", name, "--max-buckets", "5")
    assert made["max_buckets"] == 5
    assert admin(server, "account", "limit", made["id"], "none")["max_buckets"] is None
    assert admin(server, "account", "limit", made["id"], "0")["max_buckets"] == 0
    assert admin(server, "account", "suspend", made["id"])["max_buckets"] == 0
    assert "max_buckets is a number" in run(server, "account", "create", name + "2", "--max-buckets", "-1").err
    assert "NoSuchEntity" in run(server, "account", "info", "--name", name + "-nobody").err


def test_a_bucket_is_emptied_bit_by_bit_whatever_is_in_it(server: Running, store: Connection, tenant: Tenant) -> None:
    bucket, s3 = tenant.name, server.client()
    buckets.ensure(store, tenant, bucket, object_lock=True)
    for key in ("a", "b", "\x01c&<", "d é"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
        s3.put_object(Bucket=bucket, Key=key, Body=b"2")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.create_multipart_upload(Bucket=bucket, Key="u")
    until = datetime.now(UTC) + timedelta(days=1)
    s3.put_object(Bucket=bucket, Key="g", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    held = s3.put_object(Bucket=bucket, Key="h", ObjectLockLegalHoldStatus="ON")["VersionId"]
    admin(server, "snapshot", "create", bucket, "monday")
    told = buckets.empty(store, bucket)
    assert (told.deleted, told.done, told.kept) == (11, False, 1) and "'h'" in told.reason
    with pytest.raises(StoreRefused) as refused:
        buckets.remove(store, bucket)
    assert refused.value.code == "BucketNotEmpty"
    s3.put_object_legal_hold(Bucket=bucket, Key="h", VersionId=held, LegalHold={"Status": "OFF"})
    assert buckets.empty(store, bucket) == (1, True, 0, "")
    assert buckets.remove(store, bucket) and not buckets.remove(store, bucket)
    assert buckets.empty(store, bucket).done


def test_emptying_stops_when_its_time_is_over_and_goes_on(server: Running, store: Connection, tenant: Tenant) -> None:
    bucket, s3 = tenant.name, server.client()
    buckets.ensure(store, tenant, bucket)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: s3.put_object(Bucket=bucket, Key=f"{number:04}"), range(1010)))
    assert buckets.empty(store, bucket, budget_s=0.0) == (1000, False, 0, "")
    assert buckets.empty(store, bucket, budget_s=0.0) == (10, True, 0, "")


def test_a_statement_comes_and_goes_beside_others(server: Running, store: Connection, tenant: Tenant) -> None:
    bucket, s3 = f"{tenant.name}-root", server.client()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    hidden = f"arn:aws:s3:::{bucket}/x"
    others = {"Sid": "own", "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": hidden}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": others}))
    key = keys.ensure(store, tenant, None)
    mine = server.client("s3", key.access, key.secret or "")
    assert code(mine.get_object, Bucket=bucket, Key="a") == "AccessDenied"
    assert policies.grant(store, bucket, tenant.arn, sid=tenant.name, mode="READ_ONLY")
    assert not policies.grant(store, bucket, tenant.arn, sid=tenant.name, mode="READ_ONLY")
    assert code(mine.get_object, Bucket=bucket, Key="a") == ""
    assert code(mine.put_object, Bucket=bucket, Key="b") == "AccessDenied"
    assert policies.grant(store, bucket, tenant.user_arn, sid=tenant.name, mode="WRITE_ONLY")
    assert code(mine.get_object, Bucket=bucket, Key="a") == "AccessDenied"
    assert code(mine.put_object, Bucket=bucket, Key="b") == ""
    assert policies.grant(store, bucket, tenant.arn, sid=tenant.name)
    assert code(mine.list_object_versions, Bucket=bucket) == code(mine.delete_object, Bucket=bucket, Key="b") == ""
    assert code(mine.get_object, Bucket=bucket, Key="x") == "AccessDenied"
    found = policies.find(store, bucket)
    assert found is not None and found["Statement"][0] == others
    assert policies.revoke(store, bucket, tenant.name) and not policies.revoke(store, bucket, tenant.name)
    assert code(mine.get_object, Bucket=bucket, Key="a") == "AccessDenied"
    assert policies.revoke(store, bucket, "own") and policies.find(store, bucket) is None
    assert not policies.revoke(store, f"{bucket}-none", "own")


GRANTING = """
import sys
from objstore.client import Connection
from objstore.kubernetes.tenancy import policies

bucket, account, who = sys.argv[4:]
store = Connection(*sys.argv[1:4])
sys.stdin.readline()
for number in range(20):
    policies.grant(store, bucket, account, sid=f"{who}{number}", mode="WRITE_ONLY")
    assert policies.revoke(store, bucket, f"{who}{number - 1}") or number == 0
"""


def test_no_statement_is_lost_where_two_processes_write_one_policy(store: Connection, tenant: Tenant) -> None:
    """As an operator and a driver of COSI, or an operator that has not noticed yet that another one leads."""
    bucket = f"{tenant.name}-root"
    clients.s3(store).create_bucket(Bucket=bucket)
    told = [sys.executable, "-c", GRANTING, store.endpoint, ROOT_USER, ROOT_PASSWORD, bucket, tenant.arn]
    processes = [subprocess.Popen([*told, who], stdin=subprocess.PIPE) for who in ("one", "two")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0]
    found = policies.find(store, bucket)
    assert found is not None and {one["Sid"] for one in found["Statement"]} == {"one19", "two19"}


LIFECYCLE = {
    "Rules": [
        {"Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 3}},
        {"ID": "by date", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Date": "2030-01-01"}},
    ]
}
CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.com"], "MaxAgeSeconds": 60}]}
TAGS = {"TagSet": [{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}]}
ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (settings.LIFECYCLE, LIFECYCLE),
        (settings.CORS, CORS),
        (settings.TAGS, TAGS),
        (settings.ENCRYPTION, ENCRYPTION),
    ],
    ids=["lifecycle", "cors", "tags", "encryption"],
)
def test_a_setting_is_written_once_and_taken_away(
    store: Connection, bucket: str, setting: settings.Setting, value: settings.Value
) -> None:
    before = setting.find(store, bucket)
    assert setting.ensure(store, bucket, value)
    assert not setting.ensure(store, bucket, value), setting.find(store, bucket)
    assert setting.ensure(store, bucket, None) or before is not None
    assert setting.find(store, bucket) == before


def test_versioning_and_object_lock_are_set_and_stay(store: Connection, bucket: str) -> None:
    assert settings.VERSIONING.find(store, bucket) is None
    assert settings.VERSIONING.ensure(store, bucket, {"Status": "Enabled"})
    assert not settings.VERSIONING.ensure(store, bucket, {"Status": "Enabled"})
    assert settings.OBJECT_LOCK.ensure(store, bucket, LOCK)
    assert not settings.OBJECT_LOCK.ensure(store, bucket, LOCK)
    with pytest.raises(StoreRefused):
        settings.OBJECT_LOCK.ensure(store, bucket, None)
    with pytest.raises(StoreRefused):
        settings.LIFECYCLE.ensure(store, bucket, {"Rules": [{"Status": "Perhaps"}]})


def test_quotas_of_buckets(store: Connection, bucket: str) -> None:
    target = quotas.bucket(bucket)
    assert quotas.find(store, target) is None and not quotas.ensure(store, target, None, None)
    assert quotas.ensure(store, target, 0, None) and not quotas.ensure(store, target, 0, None)
    assert quotas.find(store, target) == (0, None, 0, 0)
    assert quotas.ensure(store, target, 5, 1000) and quotas.ensure(store, target, None, None)
    assert quotas.find(store, target) is None


def test_a_tenant_goes_with_all_identities_once_its_buckets_are_gone(
    server: Running, store: Connection, tenant: Tenant
) -> None:
    buckets.ensure(store, tenant, tenant.name)
    keys.ensure(store, tenant, None)
    for words in (
        ("key", "create"),
        ("user", "create", "ada"),
        ("key", "create", "ada"),
        ("group", "create", "staff"),
        ("group", "add", "staff", "ada"),
    ):
        admin(server, *words, "--account", tenant.id)
    quotas.ensure(store, quotas.account(tenant.id), 5, None)
    with pytest.raises(StoreRefused) as refused:
        accounts.remove(store, tenant)
    assert refused.value.code == "DeleteConflict"
    buckets.remove(store, tenant.name)
    accounts.remove(store, tenant)
    accounts.remove(store, tenant)
    assert accounts.find(store, tenant.name) is None
    again = accounts.ensure(store, tenant.name, max_buckets=1)
    assert again.id != tenant.id and quotas.find(store, quotas.account(again.id)) is None


def test_whose_name_is_long_is_cut_and_still_another(store: Connection) -> None:
    long = "a" * 200
    assert fitting("short", 64) == "short"
    assert len(fitting(long, 64)) == 64 and fitting(long, 64) != fitting(long + "b", 64)
    assert fitting(long, 64) == fitting(long, 64)
    name = fitting(f"{uuid.uuid4().hex}-{long}", 128)
    tenant = accounts.ensure(store, name, max_buckets=0)
    assert len(tenant.name) == 128 and len(tenant.user) == 64
    assert keys.ensure(store, tenant, None).secret is not None


def test_a_store_that_is_not_there_and_wrong_credentials_are_told_apart(server: Running, name: str) -> None:
    nowhere = Connection(f"http://127.0.0.1:{free_port()}", ROOT_USER, ROOT_PASSWORD)
    for question in (lambda: accounts.find(nowhere, name), lambda: buckets.owner(nowhere, name)):
        with pytest.raises(StoreUnreachable, match="refused"):
            question()
    wrong = Connection(server.endpoint, ROOT_USER, "wrong-password")
    for question in (lambda: accounts.find(wrong, name), lambda: buckets.owner(wrong, name)):
        with pytest.raises(StoreRefused, match="SignatureDoesNotMatch") as refused:
            question()
        assert "wrong-password" not in f"{refused.value}{wrong!r}"
    with pytest.raises(ValueError, match="is not a URL"):
        Connection("127.0.0.1:9000", "a", "b")


def test_threads_speak_each_in_the_name_of_their_own(store: Connection, name: str) -> None:
    tenants = [accounts.ensure(store, f"{name}-{number}", max_buckets=1) for number in range(4)]
    start = threading.Barrier(4)

    def work(one: Tenant) -> list[str]:
        start.wait()
        found = []
        for _ in range(10):
            with clients.acting_for(store, one.id):
                found += [user["UserName"] for user in clients.told(clients.iam(store).list_users)["Users"]]
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, tenants)) == [[one.user] * 10 for one in tenants]


def test_a_long_answer_comes_line_by_line(store: Connection) -> None:
    lines = list(client.follow(store, "/-/admin/v1/verify"))
    assert lines and all(isinstance(line, dict) for line in lines)


@pytest.fixture(autouse=True)
def nobody_acts() -> Iterator[None]:
    """No test leaves a name behind in which the next would speak."""
    yield
    assert clients._acting.get() is None
