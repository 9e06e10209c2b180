"""What claims are written in: names, and the keys of additionalConfig."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.cli.main import main
from objstore.kubernetes.claims import configuration, names
from objstore.kubernetes.claims.configuration import (
    OF_A_NEW_BUCKET,
    OF_THE_USER,
    Configuration,
    ConfigurationError,
    Limits,
)
from objstore.kubernetes.kinds import Key

EVERYTHING = configuration.allowed_keys(
    "maxObjects,maxSize,bucketMaxObjects,bucketMaxSize,bucketPolicy,bucketLifecycle,bucketOwner,"
    "versioning,objectLock,cors,tags,encryption"
)
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda parts: ".".join(parts)[:253].rstrip(".-"))


@given(LABELS)
def test_a_provisioner_is_a_label(namespace: str) -> None:
    value = names.label(names.provisioner(namespace))
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


def test_names_that_rook_s_users_know() -> None:
    assert names.label("rook-ceph.ceph.rook.io/bucket") == "rook-ceph.ceph.rook.io-bucket"
    assert names.object_bucket(Key("default", "photos")) == "obc-default-photos"
    assert re.fullmatch(r"photo-booth-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", names.generated_bucket("photo-booth"))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-.", max_size=100))
def test_generated_names_fit_and_differ(prefix: str) -> None:
    first, second = names.generated_bucket(prefix), names.generated_bucket(prefix)
    assert len(first) <= 63 and first != second
    assert first.startswith(prefix[:26])


@given(LABELS, NAMES, NAMES)
def test_an_account_s_name_keeps_the_uid(namespace: str, one: str, other: str) -> None:
    uid = str(uuid.UUID(int=7))
    told = names.tenant(Key(namespace, one), uid)
    assert len(told) <= 64 and told.endswith(f"-{uid}") and told.startswith("obc-")
    assert re.fullmatch(r"[a-z0-9-]+", told)
    assert told != names.tenant(Key(namespace, other), str(uuid.UUID(int=8)))


def test_nothing_is_asked_for_by_default() -> None:
    assert configuration.parse(None, OF_A_NEW_BUCKET) == configuration.parse({}, OF_A_NEW_BUCKET) == Configuration()
    assert not Configuration().user_limits


def test_every_key_is_read() -> None:
    lifecycle = {"Rules": [{"ID": "old", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 30}}]}
    cors = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]}
    policy = {"Version": "2012-10-17", "Statement": []}
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    given = {"maxObjects": "1k", "maxSize": "2G", "bucketMaxObjects": "3000", "bucketMaxSize": "4Gi"}
    given |= {"bucketPolicy": json.dumps(policy), "bucketLifecycle": json.dumps(lifecycle), "bucketOwner": "alice"}
    given |= {"versioning": "Enabled", "objectLock": json.dumps(lock), "cors": json.dumps(cors)}
    read = configuration.parse(given | {"tags": '{"team": "storage"}', "encryption": "AES256"}, EVERYTHING)
    assert read == Configuration(
        user_limits=Limits(1000, 2 * 10**9),
        bucket_limits=Limits(3000, 4 * 2**30),
        policy=policy,
        lifecycle=lifecycle,
        owner="alice",
        versioning="Enabled",
        object_lock=lock,
        cors=cors,
        tags={"team": "storage"},
        encryption={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
    )
    assert configuration.parse({"objectLock": "Enabled"}, EVERYTHING).object_lock == {"ObjectLockEnabled": "Enabled"}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("maxSize", "2 GB", "is no quantity such as 1000, 2G or 1Ti"),
        ("maxObjects", 1000, 'is a string: write "1000"'),
        ("maxObjects", None, "is a string"),
        ("bucketlifecycle", "{}", "there is no such key; did you mean bucketLifecycle?"),
        ("lifecycles", "{}", "there is no such key; did you mean lifecycle?"),
        ("MaxSize", "1", "there is no such key; did you mean maxSize?"),
        ("zzz", "1", "there is no such key; known are maxObjects"),
        ("versioning", "on", "is Enabled or Suspended, not 'on'"),
        ("objectLock", "true", "is Enabled, or an ObjectLockConfiguration in JSON"),
        ("objectLock", '{"Rules": []}', "is no ObjectLockConfiguration"),
        ("objectLock", "{", "is no JSON"),
        ("cors", '{"CORSRules": {}}', "is no CORSConfiguration"),
        ("cors", "[" * 100_000, "is no JSON"),
        ("bucketLifecycle", '{"Rules": [{"Status": "Enabled", "Expire": 1}]}', "is no BucketLifecycleConfiguration"),
        ("bucketLifecycle", "[]", "is no BucketLifecycleConfiguration"),
        ("bucketPolicy", "[]", "is a policy in JSON"),
        ("bucketPolicy", "x" * 300_000, "is longer than"),
        ("tags", '{"team": 1}', "is a JSON object of strings"),
        ("tags", "[]", "is a JSON object of strings"),
        ("encryption", "rot13", "is AES256, aws:kms, or"),
        ("bucketOwner", "", "is the name of a user"),
        ("lifecycle", "[]", "is no BucketLifecycleConfiguration"),
        ("policy", "[]", "is a policy in JSON"),
        ("quotas", "5Gi", "is no JSON"),
        ("quotas", "[]", 'is a JSON object of limits, such as {"maxSize": "5Gi"}'),
        ("quotas", '{"maxBytes": 1}', "has maxBytes; known are bucketMaxObjects, bucketMaxSize, maxObjects, maxSize"),
        ("quotas", '{"maxSize": "2 GB"}', "maxSize: '2 GB' is no quantity such as 1000, 2G or 1Ti"),
        ("quotas", '{"maxObjects": true}', "maxObjects is a number or a quantity such as 5Gi, not true"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_wrong_is_named(key: str, value: Any, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse({key: value}, EVERYTHING)
    assert list(caught.value.wrong) == [key]
    assert str(caught.value).startswith(f"additionalConfig.{key}: ") and told in str(caught.value)


def test_our_names_say_what_rook_s_do() -> None:
    lifecycle = json.dumps({"Rules": [{"ID": "old", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 30}}]})
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    limits = {"maxObjects": "1k", "maxSize": "2G", "bucketMaxObjects": "3000", "bucketMaxSize": "-1"}
    rook = {"bucketPolicy": policy, "bucketLifecycle": lifecycle, **limits}
    quotas = json.dumps({**limits, "maxObjects": 1000, "bucketMaxSize": -1})
    ours = {"policy": policy, "lifecycle": lifecycle, "quotas": quotas}
    read = configuration.parse(ours, EVERYTHING)
    assert read == configuration.parse(rook, EVERYTHING) == configuration.parse({**rook, **ours}, EVERYTHING)
    assert read.user_limits == Limits(1000, 2 * 10**9) and read.bucket_limits == Limits(3000, -1)
    assert configuration.parse({"quotas": "{}"}, EVERYTHING) == Configuration()
    assert configuration.readable(ours) == read


@pytest.mark.parametrize(
    ("rook", "ours"),
    [
        ({"bucketPolicy": '{"Statement": []}'}, {"policy": '{"Statement": [{}]}'}),
        ({"bucketLifecycle": '{"Rules": []}'}, {"lifecycle": '{"Rules": [{"Status": "Enabled"}]}'}),
        ({"bucketMaxSize": "1Gi"}, {"quotas": '{"bucketMaxSize": "2Gi"}'}),
    ],
    ids=["policy", "lifecycle", "quotas"],
)
def test_a_setting_under_both_names_is_said_once(rook: dict[str, str], ours: dict[str, str]) -> None:
    (name,), (key,) = ours, rook
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse(rook | ours, EVERYTHING)
    told = f"says something else than {key}, which is the same setting: give one of them"
    assert caught.value.wrong == {name: told}
    assert configuration.readable(rook | ours) == configuration.readable(rook), "what was told once can be read again"


def test_who_allows_the_one_name_allows_the_other() -> None:
    assert configuration.allowed_keys("policy,lifecycle") == {"bucketPolicy", "bucketLifecycle"}
    assert configuration.allowed_keys("quotas") == OF_THE_USER | {"bucketMaxObjects", "bucketMaxSize"}
    given = {"policy": '{"Statement": []}', "quotas": '{"maxSize": "1Gi"}'}
    assert configuration.parse(given, {"bucketPolicy", "maxSize"}).policy == {"Statement": []}
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse(given | {"quotas": '{"bucketMaxSize": 1, "maxSize": 1}'}, OF_A_NEW_BUCKET)
    assert caught.value.wrong["policy"].startswith("is not allowed here; the administrator can allow it")
    assert caught.value.wrong["quotas"].startswith("bucketMaxSize is not allowed here; the administrator can")


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse({"maxSize": "much", "bucketPolicy": "{}", "versioning": "Enabled"}, OF_A_NEW_BUCKET)
    assert set(caught.value.wrong) == {"maxSize", "bucketPolicy"}
    assert "administrator can allow it" in caught.value.wrong["bucketPolicy"]


def test_object_lock_needs_versioning() -> None:
    with pytest.raises(ConfigurationError, match="object lock has versioning enabled"):
        configuration.parse({"objectLock": "Enabled", "versioning": "Suspended"}, EVERYTHING)


@pytest.mark.parametrize("given", ["maxSize=1", ["maxSize"], 7, True])
def test_what_is_no_map_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="is a map of strings"):
        configuration.parse(given, EVERYTHING)


def test_an_administrator_s_list() -> None:
    assert configuration.allowed_keys("maxObjects, maxSize,") == {"maxObjects", "maxSize"}
    with pytest.raises(ConfigurationError, match="maxBytes: there is no such key"):
        configuration.allowed_keys("maxObjects,maxBytes")


def test_the_operator_says_which_key_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["operator", "--namespace", "a", "--allow-additional-config", "maxObjects,maxBytes"]
    assert main(words) != 0
    assert "--allow-additional-config: additionalConfig.maxBytes: there is no such key" in capsys.readouterr().err
