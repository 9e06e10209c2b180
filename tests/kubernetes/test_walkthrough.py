"""docs/kubernetes.md, as it is typed: the operator, the sample store, the sample claim and the sample user."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    OBJECT_BUCKET_CLAIM,
    OBJECT_STORE,
    OBJECT_STORE_USER,
    SECRET,
    STORAGE_CLASS,
    Kind,
)
from tests.front.wire import refused
from tests.harness import Running
from tests.kubernetes.api import Api, Operator
from tests.kubernetes.installing import CONFIG, install, operating, until

SAMPLES = CONFIG / "samples"


def phase(api: Api, kind: Kind, namespace: str, name: str) -> str:
    found = api.get(kind, namespace, name) or {}
    return str((found.get("status") or {}).get("phase"))


def decoded(secret: Any) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


def sample_store(api: Api, server: Running, folder: Path) -> None:
    """Apply the sample, with the one change that a cluster without pods needs: where the server is instead."""
    store = yaml.safe_load((SAMPLES / "objectstore.yaml").read_text())
    advertised = {"dnsName": "127.0.0.1", "port": server.port, "useTls": False}
    store["spec"] |= {"mountPath": str(folder), "hosting": {"advertiseEndpoint": advertised}}
    api.kubectl("apply", "-f", "-", given=yaml.safe_dump(store))


def application(secret: dict[str, str], config: dict[str, str]) -> Any:
    """What an application makes of its claim, and of nothing else."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://{config['BUCKET_HOST']}:{config['BUCKET_PORT']}",
        aws_access_key_id=secret["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret["AWS_SECRET_ACCESS_KEY"],
        region_name=config["BUCKET_REGION"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def test_a_first_store_a_first_claim_and_a_first_user(api: Api, tmp_path: Path) -> None:
    install(api)
    api.kubectl("apply", "-k", str(CONFIG))
    folder = tmp_path / "drives"
    folder.mkdir()
    server = Running(drives=[folder / f"disk-{number}" for number in (1, 2, 3, 4)], log=tmp_path / "server.log")
    with operating(api, tmp_path) as operator:
        try:
            api.kubectl("apply", "-f", str(SAMPLES / "namespace.yaml"))
            sample_store(api, server, folder)
            until(lambda: api.get(SECRET, "storage", "main-root-credentials"), "root's credentials", operator)
            root = decoded(api.get(SECRET, "storage", "main-root-credentials"))
            server.environment = {"OBJSTORE_ROOT_USER": root["username"], "OBJSTORE_ROOT_PASSWORD": root["password"]}
            server.start()
            _claim(api, operator)
            _user(api, operator, server)
            api.kubectl("delete", "-n", "storage", "objectstore", "main", "--wait=false")
            until(lambda: api.get(OBJECT_STORE, "storage", "main") is None, "the store is gone", operator)
            assert api.get(STORAGE_CLASS, "", "storage-main") is None
        finally:
            server.kill()


def _claim(api: Api, operator: Operator) -> None:
    api.kubectl("apply", "-f", str(SAMPLES / "claim.yaml"))
    until(lambda: phase(api, OBJECT_BUCKET_CLAIM, "default", "photos") == "Bound", "Bound", operator)
    config = api.get(CONFIG_MAP, "default", "photos")["data"]
    s3 = application(decoded(api.get(SECRET, "default", "photos")), config)
    assert config["BUCKET_NAME"].startswith("photos-")
    s3.put_object(Bucket=config["BUCKET_NAME"], Key="note", Body=b"from a pod")
    assert s3.get_object(Bucket=config["BUCKET_NAME"], Key="note")["Body"].read() == b"from a pod"
    with refused("TooManyBuckets", 400):
        s3.create_bucket(Bucket="another")
    api.kubectl("delete", "-f", str(SAMPLES / "claim.yaml"), "--wait=false")
    until(lambda: api.get(OBJECT_BUCKET_CLAIM, "default", "photos") is None, "the claim is gone", operator)


def _user(api: Api, operator: Operator, server: Running) -> None:
    api.kubectl("apply", "-f", str(SAMPLES / "objectstoreuser.yaml"))
    until(lambda: phase(api, OBJECT_STORE_USER, "default", "ada") == "Ready", "Ready", operator)
    secret = decoded(api.get(SECRET, "default", "objstore-object-user-main-ada"))
    assert secret["Endpoint"] == server.endpoint
    s3 = server.client("s3", secret["AccessKey"], secret["SecretKey"])
    s3.create_bucket(Bucket="adas-own")
    s3.delete_bucket(Bucket="adas-own")
    api.kubectl("delete", "-f", str(SAMPLES / "objectstoreuser.yaml"), "--wait=false")
    until(lambda: api.get(OBJECT_STORE_USER, "default", "ada") is None, "the user is gone", operator)
