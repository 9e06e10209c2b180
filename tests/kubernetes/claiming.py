"""Claims as their authors make them, applications as they use them, and what an administrator sees of both."""

from __future__ import annotations

import base64
import itertools
import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from objstore.client import Connection, ask
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    EVENT,
    OBJECT_BUCKET,
    OBJECT_BUCKET_CLAIM,
    SECRET,
    STORAGE_CLASS,
    Kind,
)
from objstore.kubernetes.tenancy import clients
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.kubernetes.api import Api, Operator
from tests.kubernetes.installing import NAMESPACE, until

PROVISIONER = f"{NAMESPACE}.objstore.io/bucket"
FINALIZER = "objectbucket.io/finalizer"
OF_A_CLAIM: tuple[Kind, ...] = (OBJECT_BUCKET_CLAIM, SECRET, CONFIG_MAP)
_numbers = itertools.count(1)


@dataclass
class World:
    """A cluster, a store outside of it, and the operator between them."""

    api: Api
    store: Running
    operator: Operator
    prefix: str = ""
    """Before the names of what is the cluster's and not a namespace's."""

    def __post_init__(self) -> None:
        self.root = Connection(self.store.endpoint, ROOT_USER, ROOT_PASSWORD)
        outside = f"{self.prefix}outside-root-credentials"
        self.secret(NAMESPACE, outside, username=ROOT_USER, password=ROOT_PASSWORD)
        self.storage_class("buckets")
        self.storage_class("kept", reclaim="Retain")

    def secret(self, namespace: str, name: str, **data: str) -> None:
        self.api.create(SECRET, {"metadata": {"namespace": namespace, "name": name}, "stringData": data})

    def namespace(self, prefix: str = "team") -> str:
        """A new one."""
        return self.api.namespace(f"{prefix}-{next(_numbers)}")

    def storage_class(
        self, name: str, provisioner: str = PROVISIONER, reclaim: str = "Delete", **parameters: str
    ) -> str:
        """A StorageClass for the store; its endpoint is the running store's unless it is given another."""
        given = {
            "objectStoreName": f"{self.prefix}outside",
            "objectStoreNamespace": NAMESPACE,
            "endpoint": self.store.endpoint,
            "region": "us-east-1",
        }
        body = {
            "metadata": {"name": self.prefix + name},
            "provisioner": provisioner,
            "reclaimPolicy": reclaim,
            "parameters": {key: value for key, value in (given | parameters).items() if value},
        }
        self.api.create(STORAGE_CLASS, body)
        return name

    def claim(self, namespace: str, name: str, storage_class: str = "buckets", **spec: Any) -> None:
        """Make a claim; by default for a bucket of a generated name."""
        named = spec if "bucketName" in spec else {"generateBucketName": name} | spec
        spec = {"storageClassName": self.prefix + storage_class} | named
        body = {"metadata": {"namespace": namespace, "name": name}, "spec": spec}
        self.api.create(OBJECT_BUCKET_CLAIM, body)

    def get(self, namespace: str, name: str, kind: Kind = OBJECT_BUCKET_CLAIM) -> Any:
        return self.api.get(kind, namespace, name)

    def object_bucket(self, namespace: str, name: str) -> Any:
        return self.api.get(OBJECT_BUCKET, "", f"obc-{namespace}-{name}")

    def ready(self, namespace: str, name: str) -> dict[str, Any]:
        """The claim's condition, as reason and message and all."""
        status = (self.get(namespace, name) or {}).get("status") or {}
        return next(iter(status.get("conditions") or ()), {})

    def bound(self, namespace: str, name: str, seconds: float = 60) -> Any:
        """The claim, as soon as it is bound."""

        def look() -> Any:
            found = self.get(namespace, name)
            return found if ((found or {}).get("status") or {}).get("phase") == "Bound" else None

        return until(look, f"{namespace}/{name} is bound, not {self.ready(namespace, name)}", self.operator, seconds)

    def settled(self, namespace: str, name: str) -> None:
        """Wait until the operator has seen the claim as it is now, and is content with it."""

        def look() -> bool:
            found, ready = self.get(namespace, name), self.ready(namespace, name)
            return bool(
                ready.get("status") == "True" and ready["observedGeneration"] == found["metadata"]["generation"]
            )

        until(look, f"{namespace}/{name} is as it says, not {self.ready(namespace, name)}", self.operator)

    def refused(self, namespace: str, name: str, reason: str) -> str:
        """The message with which a claim is not, or no longer, as it says."""
        until(lambda: self.ready(namespace, name).get("reason") == reason, f"{name} is {reason}", self.operator)
        return str(self.ready(namespace, name)["message"])

    def configure(self, namespace: str, name: str, **config: Any) -> None:
        """Change a claim's additionalConfig; None takes a key away."""
        self.api.patch(OBJECT_BUCKET_CLAIM, namespace, name, {"spec": {"additionalConfig": config}})

    def delete(self, namespace: str, name: str, *, wait: bool = True) -> None:
        """Delete a claim."""
        self.api.delete(OBJECT_BUCKET_CLAIM, namespace, name)
        if wait:
            self.gone(namespace, name)

    def gone(self, namespace: str, name: str, seconds: float = 60) -> None:
        """Wait until nothing of a claim is left in the cluster."""

        def look() -> bool:
            there = [kind.name for kind in OF_A_CLAIM if self.get(namespace, name, kind)]
            return not there and self.object_bucket(namespace, name) is None

        until(look, f"{namespace}/{name} is gone: {self.ready(namespace, name)}", self.operator, seconds)

    def events(self, namespace: str, name: str) -> list[tuple[str, str, str]]:
        """Of a claim: type, reason and message of each."""
        found = self.api.list(EVENT, namespace)
        about = [one for one in found if one["involvedObject"]["name"] == name]
        return sorted((one["type"], one["reason"], one["message"]) for one in about)

    def told(self, namespace: str, name: str) -> dict[str, str]:
        """What a pod has in its environment that takes both the claim's ConfigMap and its Secret (`envFrom`)."""
        config_map, secret = (self.get(namespace, name, kind) for kind in (CONFIG_MAP, SECRET))
        decoded = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
        return dict(config_map["data"]) | decoded

    def application(self, namespace: str, name: str) -> tuple[Any, str]:
        """An application's client and its bucket, by the claim's Secret and ConfigMap alone."""
        environment = self.told(namespace, name)
        return client(environment), environment["BUCKET_NAME"]

    def accounts(self, namespace: str) -> list[dict[str, Any]]:
        """The accounts that were made for claims of a namespace."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"next": ""}
        while page["next"] is not None:
            page = ask(self.root, "/-/admin/v1/accounts", **({"after": page["next"]} if page["next"] else {}))
            found += [one for one in page["accounts"] if one["name"].startswith(f"obc-{namespace}-")]
        return found

    def keys(self, account: dict[str, Any]) -> list[str]:
        """The access keys of all users of an account."""
        iam = clients.iam(self.root)
        with clients.acting_for(self.root, account["id"]):
            users = [one["UserName"] for one in iam.list_users()["Users"]]
            listed = [iam.list_access_keys(UserName=user)["AccessKeyMetadata"] for user in users]
        return [one["AccessKeyId"] for page in listed for one in page]

    def buckets(self, account: dict[str, Any]) -> list[str]:
        """The buckets of an account."""
        with clients.acting_for(self.root, account["id"]):
            return [one["Name"] for one in clients.s3(self.root).list_buckets()["Buckets"]]


def client(environment: dict[str, str]) -> Any:
    """A client of S3 as an application makes one of its environment."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://{environment['BUCKET_HOST']}:{environment['BUCKET_PORT']}",
        region_name=environment["BUCKET_REGION"] or "us-east-1",
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def code(call: Any, **members: Any) -> str:
    """The code with which a call is refused; empty when it is not."""
    try:
        call(**members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def document(value: Any) -> str:
    return json.dumps(value)
