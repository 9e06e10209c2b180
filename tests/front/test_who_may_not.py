"""Every operation that is registered, of every service, is refused to whoever has no right to it.

Walks the registry: an operation that is new is tested here without another word, and one that lets in somebody it
should not fails until it is refused, or stands below with the reason.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

import objstore.iam.api.operations
import objstore.iam.sts.operations
import objstore.s3.operations
import objstore.sns.operations  # noqa: F401 - fills the registry
from objstore.aws.operation import REGISTRY, Operation
from tests.admin import admin
from tests.front import samples
from tests.front.people import ALICE
from tests.harness import Running

# What stands in the request, a token or a password, is in place of the signature.
LOGS_IN = {"AssumeRoleWithWebIdentity", "AssumeRoleWithLDAPIdentity", "ConfirmSubscription"}
OPERATIONS = [pytest.param(one, id=f"{one.service}.{one.name}") for one in REGISTRY if one.name not in LOGS_IN]

TELLS_EVERYBODY_OF_THEIR_OWN = {"ListBuckets"}  # who signs nothing owns nothing: an empty list
DECIDES_KEY_BY_KEY = {"DeleteObjects"}  # the answer has an error for each
# AWS: "no permissions are required" to be told who one is, nor for a session of one's own.
NEEDS_NO_POLICY = {"GetCallerIdentity", "GetSessionToken"}

READ_ANYTHING = {"Effect": "Allow", "Action": "s3:Nothing", "Resource": "*"}

_TOPIC = "arn:aws:sns:us-east-1:somebody:topic"


@dataclass
class Scene:
    """A bucket of Alice with an object and an upload in it, and the keys of those who may do nothing."""

    server: Running
    known: dict[str, Any]
    inactive: tuple[str, str]
    suspended: tuple[str, str]  # an administrator of Alice's account who is shut out
    closed: tuple[str, str]  # the root user of an account that is
    powerless: tuple[str, str]  # a user of Alice's own account, without a policy
    stranger: tuple[str, str]  # a user of another account, without a policy


@pytest.fixture(scope="module")
def scene(server: Running, alice: Any) -> Iterator[Scene]:
    name = f"walk-{uuid.uuid4().hex[:20]}"
    alice.create_bucket(Bucket=name)
    alice.put_object(Bucket=name, Key="k", Body=b"x")
    upload = alice.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    mine, roots = ALICE.client(server, "iam"), server.client("iam")
    user = f"W{uuid.uuid4().hex[:12]}"
    for client in (mine, roots):
        client.create_user(UserName=user)
    policy = {"Version": "2012-10-17", "Statement": [{**READ_ANYTHING, "Principal": "*", "Action": "s3:GetObject"}]}
    policy["Statement"][0]["Resource"] = f"arn:aws:s3:::{name}/*"  # type: ignore[index]
    known = {
        "Bucket": name,
        "Key": "k",
        "UploadId": upload,
        "CopySource": f"{name}/k",
        "RenameSource": f"/{name}/k",
        "Policy": json.dumps(policy),
        "UserName": user,
        "TopicArn": _TOPIC,
        "ResourceArn": _TOPIC,
        "SubscriptionArn": f"{_TOPIC}:{uuid.uuid4()}",
        "Url": "https://issuer.example.com",
        "VersionId": "v1",
        "TargetPrincipal": "999999999999",
        "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"},
    }
    inactive = _key(mine, user)
    mine.update_access_key(UserName=user, AccessKeyId=inactive[0], Status="Inactive")
    yield Scene(server, known, inactive, _suspended(server, mine), _closed(server), _key(mine, user), _key(roots, user))


def _suspended(server: Running, iam: Any) -> tuple[str, str]:
    name = f"S{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = _key(iam, name)
    assert client(server.endpoint, "iam", key).list_users()["Users"]
    admin(server, "user", "suspend", name, "--account", ALICE.id)
    return key


def _closed(server: Running) -> tuple[str, str]:
    account = admin(server, "account", "create", f"closed-{uuid.uuid4().hex[:12]}")["id"]
    made = admin(server, "key", "create", "--account", account)
    admin(server, "account", "suspend", account)
    return made["AccessKeyId"], made["SecretAccessKey"]


def _key(iam: Any, user: str) -> tuple[str, str]:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@cache
def client(endpoint: str, service: str, key: tuple[str, str] | None) -> Any:
    config: dict[str, Any] = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 1}}
    if key is None:
        config["signature_version"] = UNSIGNED
    access, secret = key or (None, None)
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=Config(**config),
    )


def ask(scene: Scene, operation: Operation, key: tuple[str, str] | None) -> tuple[int, str, Any]:
    """Status and code of the answer, and the answer."""
    members = samples.smallest(operation.model, scene.known)
    try:
        answer = client(scene.server.endpoint, operation.service, key)._make_api_call(operation.name, members)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"], error.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], "", answer


def denied(operation: Operation, outcome: tuple[int, str, Any], *codes: str) -> bool:
    """Whether an answer is the refusal that it should be."""
    status, code, answer = outcome
    if operation.name in DECIDES_KEY_BY_KEY and "AccessDenied" in codes:
        return "Deleted" not in answer and all(one["Code"] == "AccessDenied" for one in answer["Errors"])
    if operation.model.http.get("method") == "HEAD":
        return (status, code) == (403, "403")
    return status == 403 and code in codes


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_is_refused(scene: Scene, operation: Operation) -> None:
    outcome = ask(scene, operation, None)
    if operation.name in TELLS_EVERYBODY_OF_THEIR_OWN:
        assert outcome[0] == 200 and outcome[2]["Buckets"] == []
    else:
        assert denied(operation, outcome, "AccessDenied", "MissingAuthenticationToken"), outcome


@pytest.mark.parametrize("name", sorted(LOGS_IN))
def test_a_login_is_refused_without_what_it_takes(server: Running, name: str) -> None:
    given = {"Action": name, "Version": "2011-06-15", "RoleArn": "arn:aws:iam::000000000000:role/none"}
    given |= {"RoleSessionName": "s", "WebIdentityToken": "token", "LDAPUsername": "u", "LDAPPassword": "p"}
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = server.request("POST", "/", urlencode(given).encode(), kind)
    assert answer.status in (400, 403) and b"AccessKeyId" not in answer.data  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_unknown_key_is_refused(scene: Scene, operation: Operation) -> None:
    outcome = ask(scene, operation, ("AKIANOBODYHASTHISKEY", "x" * 40))
    assert denied(operation, outcome, "InvalidAccessKeyId", "InvalidClientTokenId"), outcome


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_inactive_key_is_refused(scene: Scene, operation: Operation) -> None:
    outcome = ask(scene, operation, scene.inactive)
    assert denied(operation, outcome, "InvalidAccessKeyId", "InvalidClientTokenId"), outcome


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_suspended_user_is_refused(scene: Scene, operation: Operation) -> None:
    outcome = ask(scene, operation, scene.suspended)
    assert denied(operation, outcome, "InvalidAccessKeyId", "InvalidClientTokenId"), outcome


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_suspended_account_is_refused(scene: Scene, operation: Operation) -> None:
    assert denied(operation, outcome := ask(scene, operation, scene.closed), "AccountProblem"), outcome


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("who", ["powerless", "stranger"])
def test_a_user_without_a_policy_is_refused(scene: Scene, operation: Operation, who: str) -> None:
    if operation.name in NEEDS_NO_POLICY:
        pytest.skip("what it needs is no policy of the caller's")
    outcome = ask(scene, operation, getattr(scene, who))
    assert denied(operation, outcome, "AccessDenied", "AuthorizationError"), outcome
