"""ObjectStoreUsers: accounts in a real store, and what applications find in their Secrets."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from objstore.kubernetes.kinds import EVENT, OBJECT_STORE, OBJECT_STORE_USER, SECRET, Key
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.users.rights import rights
from objstore.kubernetes.users.spec import parse
from tests.front.wire import refused
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running, serving
from tests.kubernetes.api import Api, Operator, Refusal
from tests.kubernetes.installing import install, operating, until


@dataclass
class Place:
    """A store `main` in `namespace`, served by `server`, and the operator."""

    api: Api
    operator: Operator
    server: Running
    namespace: str

    def user(self, name: str, namespace: str | None = None, **spec: Any) -> Key:
        """Make a user."""
        key = Key(namespace or self.namespace, name)
        whose = (
            {"store": "main"}
            if key.namespace == self.namespace
            else {"store": "main", "storeNamespace": self.namespace}
        )
        body = {"metadata": {"namespace": key.namespace, "name": name}, "spec": {**whose, **spec}}
        self.api.create(OBJECT_STORE_USER, body)
        return key

    def change(self, key: Key, **spec: Any) -> None:
        self.api.patch(OBJECT_STORE_USER, *key, {"spec": spec})

    def phase(self, key: Key) -> str:
        return str(((self.api.get(OBJECT_STORE_USER, *key) or {}).get("status") or {}).get("phase"))

    def ready(self, key: Key) -> dict[str, Any]:
        """The status of a user whose spec is followed."""

        def look() -> Any:
            found = self.api.get(OBJECT_STORE_USER, *key)
            status = found.get("status") or {}
            current = status.get("observedGeneration") == found["metadata"]["generation"]
            return status if current and status.get("phase") == "Ready" else None

        status: dict[str, Any] = until(look, f"{key} is ready", self.operator)
        return status

    def refusal(self, key: Key, reason: str) -> None:
        """Wait until a user is refused for that reason."""
        until(lambda: reason in self.reasons(key), f"{key}: {reason}", self.operator)

    def reasons(self, key: Key) -> set[str]:
        told = ((self.api.get(OBJECT_STORE_USER, *key) or {}).get("status") or {}).get("conditions", ())
        return {one["reason"] for one in told}

    def secret(self, key: Key, name: str | None = None) -> dict[str, str]:
        found = self.api.get(SECRET, key.namespace, name or f"objstore-object-user-main-{key.name}")
        return {one: base64.b64decode(value).decode() for one, value in found["data"].items()}

    def client(self, secret: dict[str, str], service: str = "s3") -> Any:
        return self.server.client(service, secret["AccessKey"], secret["SecretKey"])

    def gone(self, key: Key) -> None:
        until(lambda: self.api.get(OBJECT_STORE_USER, *key) is None, f"{key} is gone", self.operator)


@pytest.fixture(scope="module")
def place(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    install(api)
    folder = tmp_path_factory.mktemp("users")
    namespace = api.namespace("users")
    with serving(folder, drives=1) as server, operating(api, folder) as operator:
        credentials = {"username": ROOT_USER, "password": ROOT_PASSWORD}
        api.create(SECRET, {"metadata": {"namespace": namespace, "name": "given"}, "stringData": credentials})
        template = {"name": "drive", "count": 1, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
        spec = {
            "volumeClaimTemplates": [template],
            "credentials": {"name": "given"},
            "mountPath": str(folder),
            "hosting": {"advertiseEndpoint": {"dnsName": "127.0.0.1", "port": server.port, "useTls": False}},
            "allowUsersInNamespaces": [],
        }
        api.create(OBJECT_STORE, {"metadata": {"namespace": namespace, "name": "main"}, "spec": spec})
        yield Place(api, operator, server, namespace)


def test_a_user_has_an_account_with_its_limits(place: Place) -> None:
    key = place.user("ada", quotas={"maxBuckets": 2, "maxSize": "1Ki", "maxObjects": 3}, displayName="Ada")
    status = place.ready(key)
    secret = place.secret(key)
    assert set(secret) == {"AccessKey", "SecretKey", "Endpoint"}
    assert secret["Endpoint"] == status["info"]["endpoint"] == place.server.endpoint
    assert status["accessKeys"] == [secret["AccessKey"]]
    s3 = place.client(secret)
    for number in (1, 2):
        s3.create_bucket(Bucket=f"ada-{number}")
    with refused("TooManyBuckets", 400):
        s3.create_bucket(Bucket="ada-3")
    for number in (1, 2, 3):
        s3.put_object(Bucket="ada-1", Key=f"{number}", Body=b"x")
    with refused("QuotaExceeded", 403):
        s3.put_object(Bucket="ada-2", Key="4", Body=b"x")
    place.change(key, quotas={"maxBuckets": 3, "maxObjects": None, "maxSize": None})
    place.ready(key)
    s3.create_bucket(Bucket="ada-3")
    s3.put_object(Bucket="ada-2", Key="4", Body=bytes(2000))

    place.api.delete(OBJECT_STORE_USER, *key)
    until(
        lambda: "OwnsBuckets" in {one["reason"] for one in place.api.list(EVENT, key.namespace)},
        "an event",
        place.operator,
    )
    assert len(s3.list_buckets()["Buckets"]) == 3, "its keys are good as long as it owns buckets"
    for bucket in ("ada-1", "ada-2", "ada-3"):
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=one["Key"])
        s3.delete_bucket(Bucket=bucket)
    place.api.patch(OBJECT_STORE_USER, *key, {"metadata": {"annotations": {"look": "now"}}})
    place.gone(key)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3.list_buckets()
    until(
        lambda: place.api.get(SECRET, key.namespace, "objstore-object-user-main-ada") is None,
        "no Secret",
        place.operator,
    )


def test_capabilities_are_policies(place: Place) -> None:
    deny = {"Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::reader/private/*"}]}
    key = place.user(
        "reader",
        capabilities={"buckets": "*", "objects": "read"},
        policies=[{"name": "deny", "document": json.dumps(deny)}],
    )
    place.ready(key)
    s3 = place.client(place.secret(key))
    s3.create_bucket(Bucket="reader")
    with refused("AccessDenied", 403):
        s3.put_object(Bucket="reader", Key="k", Body=b"x")
    place.change(key, capabilities={"objects": "read, write"})
    place.ready(key)
    for name in ("k", "private/k"):
        with refused("AccessDenied", 403) if name.startswith("private") else contextlib.nullcontext():
            s3.put_object(Bucket="reader", Key=name, Body=b"x")
    place.change(key, policies=[{"name": "deny", "document": '{"Statement": [{"Effect": "Maybe"}]}'}])
    place.refusal(key, "MalformedPolicyDocument")
    assert place.phase(key) == "Refused"
    place.change(key, policies=None)
    place.ready(key)
    s3.put_object(Bucket="reader", Key="private/k", Body=b"x")


def test_keys_are_rotated(place: Place) -> None:
    key = place.user("turns", keyOverlapSeconds=3600)
    place.ready(key)
    first = place.secret(key)
    place.change(key, keyRotation="2026-11")
    status = place.ready(key)
    second = place.secret(key)
    assert second["AccessKey"] != first["AccessKey"] and status["keyRotation"] == "2026-11" and status["rotatedAt"]
    assert status["accessKeys"] == [second["AccessKey"], first["AccessKey"]]
    for secret in (first, second):
        place.client(secret).list_buckets()
    place.change(key, keyOverlapSeconds=0)
    assert place.ready(key)["accessKeys"] == [second["AccessKey"]]
    assert place.secret(key) == second
    place.change(key, keyRotation=None)
    place.ready(key)
    assert place.secret(key) == second, "saying nothing is no rotation"
    place.client(second).list_buckets()
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        place.client(first).list_buckets()


def test_a_secret_that_is_lost_or_edited_is_made_good_again(place: Place) -> None:
    key = place.user("edited")
    place.ready(key)
    name, first = "objstore-object-user-main-edited", place.secret(key)
    place.api.patch(SECRET, key.namespace, name, {"stringData": {"Endpoint": "http://elsewhere"}})
    until(lambda: place.secret(key) == first, "the endpoint again", place.operator)
    place.api.patch(SECRET, key.namespace, name, {"stringData": {"SecretKey": "guessed-by-somebody"}})
    until(lambda: place.secret(key)["SecretKey"] != "guessed-by-somebody", "another key", place.operator)
    place.client(place.secret(key)).list_buckets()
    place.api.delete(SECRET, key.namespace, name)
    until(lambda: place.api.get(SECRET, key.namespace, name) is not None, "a Secret again", place.operator)
    place.client(place.secret(key)).list_buckets()


def test_keys_that_are_given_are_kept(place: Place) -> None:
    """As when applications leave another store."""
    names = [("A" * 20, "s" * 40), ("B" * 20, "t" * 40)]
    for number, (access, secret) in enumerate(names):
        body = {
            "metadata": {"namespace": place.namespace, "name": f"key-{number}"},
            "stringData": {"id": access, "secret": secret},
        }
        place.api.create(SECRET, body)
    refs = [
        {"accessKeyRef": {"name": f"key-{n}", "key": "id"}, "secretKeyRef": {"name": f"key-{n}", "key": "secret"}}
        for n in (0, 1)
    ]
    key = place.user("moved", keys=refs, secretName="rook-ceph-object-user-main-moved")
    assert place.ready(key)["accessKeys"][0] == names[0][0]
    found = place.secret(key, "rook-ceph-object-user-main-moved")
    assert (found["AccessKey"], found["SecretKey"]) == names[0]
    for access, secret in names:
        place.server.client("s3", access, secret).list_buckets()
    place.api.patch(SECRET, place.namespace, "key-0", {"stringData": {"secret": "u" * 40}})
    until(
        lambda: place.secret(key, "rook-ceph-object-user-main-moved")["SecretKey"] == "u" * 40,
        "another secret",
        place.operator,
    )
    place.server.client("s3", names[0][0], "u" * 40).list_buckets()
    place.change(key, keys=refs[:1])
    place.ready(key)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        place.server.client("s3", *names[1]).list_buckets()
    place.api.delete(SECRET, place.namespace, "key-0")
    place.api.patch(OBJECT_STORE_USER, *key, {"metadata": {"annotations": {"look": "now"}}})
    place.refusal(key, "KeyMissing")


def test_other_namespaces_are_let_in_by_the_store(place: Place) -> None:
    other = place.api.namespace("elsewhere")
    key = place.user("guest", other)
    place.refusal(key, "NamespaceNotAllowed")
    assert place.api.get(SECRET, other, "objstore-object-user-main-guest") is None
    place.api.patch(OBJECT_STORE, place.namespace, "main", {"spec": {"allowUsersInNamespaces": [other]}})
    place.ready(key)
    place.client(place.secret(key)).list_buckets()
    place.api.delete(OBJECT_STORE_USER, *key)
    place.gone(key)


def test_somebody_elses_secret_is_left_alone(place: Place) -> None:
    body = {"metadata": {"namespace": place.namespace, "name": "theirs"}, "stringData": {"AccessKey": "theirs"}}
    before = place.api.create(SECRET, body)
    key = place.user("taker", secretName="theirs")
    place.refusal(key, "SecretTaken")
    assert place.api.get(SECRET, place.namespace, "theirs")["data"] == before["data"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"store": None}, "spec.store"),
        ({"quotas": {"maxSize": "much"}}, "spec.quotas.maxSize"),
        ({"capabilities": {"objects": "all"}}, "spec.capabilities.objects"),
        ({"policies": [{"name": "a b", "document": "{}"}]}, "name"),
        ({"keys": [{"accessKeyRef": {"name": "a", "key": "b"}}]}, "secretKeyRef"),
    ],
    ids=["store", "size", "capability", "policy", "key"],
)
def test_admission_refuses(place: Place, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        place.user("refused", **spec)


def test_admission_refuses_changes(place: Place) -> None:
    key = place.user("stays")
    for change, message in (
        ({"store": "other"}, "a user stays with its store"),
        ({"storeNamespace": "other"}, "a user stays with its store"),
        ({"secretName": "other"}, "the Secret's name cannot change"),
        (
            {
                "keys": [{"accessKeyRef": {"name": "a", "key": "b"}, "secretKeyRef": {"name": "a", "key": "b"}}],
                "keyRotation": "x",
            },
            "leave out keyRotation",
        ),
    ):
        with pytest.raises(Refusal, match=message):
            place.change(key, **change)


def test_buckets_are_counted_as_ceph_does(place: Place) -> None:
    key = place.user("counted", quotas={"maxBuckets": -1})
    place.ready(key)
    s3 = place.client(place.secret(key))
    with refused("TooManyBuckets", 400):
        s3.create_bucket(Bucket="counted")
    place.change(key, quotas={"maxBuckets": 0})
    place.ready(key)
    s3.create_bucket(Bucket="counted")


def test_rights() -> None:
    assert rights(parse({"spec": {"store": "s"}})).keys() == {"storage"}
    given = rights(parse({"spec": {"store": "s", "capabilities": {"users": "*"}}}))
    assert given["capability-users"]["Statement"][0]["Action"][0].startswith("iam:")
    with pytest.raises(SpecError, match=r"spec.policies\[p\].document"):
        rights(parse({"spec": {"store": "s", "policies": [{"name": "p", "document": "{"}]}}))
    with pytest.raises(SpecError, match=r"spec\.keyRotation"):
        pair = {"name": "a", "key": "b"}
        parse({"spec": {"store": "s", "keyRotation": "x", "keys": [{"accessKeyRef": pair, "secretKeyRef": pair}]}})
