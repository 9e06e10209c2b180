"""`objstore admin policy explain`: why a request would be allowed or refused, and who may make it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.front.people import ALICE, BOB
from tests.harness import Running


@pytest.fixture(scope="module")
def user(server: Running) -> Iterator[dict[str, Any]]:
    """A user of root's account, who may read what is tagged public and nothing else."""
    iam, name = server.client("iam"), f"u{uuid.uuid4().hex[:12]}"
    made: dict[str, Any] = iam.create_user(UserName=name)["User"]
    allow = {
        "Sid": "ReadPublic",
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": "*",
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/level": "public"}},
    }
    iam.put_user_policy(UserName=name, PolicyName="readers", PolicyDocument=document(allow))
    made["key"] = iam.create_access_key(UserName=name)["AccessKey"]
    yield made
    iam.delete_access_key(UserName=name, AccessKeyId=made["key"]["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="readers")
    iam.delete_user(UserName=name)


@pytest.fixture
def objects(s3: Any, bucket: str) -> str:
    """A bucket of root's with an object that is tagged public and one that is not."""
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="level=public")
    s3.put_object(Bucket=bucket, Key="closed", Body=b"x", Tagging="level=secret")
    return bucket


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def explained(server: Running, *arguments: str) -> list[dict[str, Any]]:
    done = command(
        *("admin", "--endpoint", server.endpoint, "policy", "explain", *arguments, "--json"),
        environment=CLI_ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def one(server: Running, who: str, *arguments: str) -> dict[str, Any]:
    (answer,) = explained(server, *arguments, "--for", who)
    return answer


def test_an_identity_policy_is_told_with_its_statement(server: Running, user: dict[str, Any], objects: str) -> None:
    answer = one(server, user["Arn"], "s3:GetObject", f"{objects}/open")
    name = user["UserName"]
    assert answer["allowed"] is True
    assert answer["why"] == f'allowed by statement "ReadPublic" of identity policy "readers of user {name}"'
    (matched,) = answer["matched"]
    assert (matched["statement"], matched["kind"]) == ("ReadPublic", "identity")
    assert matched["text"]["Condition"] == {"StringEquals": {"s3:ExistingObjectTag/level": "public"}}


def test_what_is_explained_is_what_happens(server: Running, user: dict[str, Any], objects: str) -> None:
    reader = server.client("s3", user["key"]["AccessKeyId"], user["key"]["SecretAccessKey"])
    assert reader.get_object(Bucket=objects, Key="open")["Body"].read() == b"x"
    with pytest.raises(reader.exceptions.ClientError, match="AccessDenied"):
        reader.get_object(Bucket=objects, Key="closed")
    refused = one(server, user["key"]["AccessKeyId"], "s3:GetObject", f"{objects}/closed")
    assert (refused["allowed"], refused["why"]) == (False, "denied: no policy allows it")


def test_an_explicit_deny_in_the_bucket_policy(server: Running, s3: Any, user: dict[str, Any], objects: str) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{objects}/*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    }
    s3.put_bucket_policy(Bucket=objects, Policy=document(deny))
    question = ("s3:GetObject", f"{objects}/open")
    elsewhere = one(server, user["Arn"], *question)
    assert (elsewhere["allowed"], elsewhere["missing"]) == (False, ["aws:SourceIp"])
    assert elsewhere["why"] == 'denied by statement 1 of resource policy "bucket policy"'
    assert one(server, user["Arn"], *question, "--key", "aws:SourceIp=192.0.2.1")["allowed"] is False
    assert one(server, user["Arn"], *question, "--key", "aws:SourceIp=10.1.1.1")["allowed"] is True


def test_an_acl_is_told(server: Running, s3: Any, objects: str) -> None:
    s3.put_object_acl(Bucket=objects, Key="open", ACL="public-read")
    for who in ("anonymous", ALICE.access):
        answer = one(server, who, "s3:GetObject", f"{objects}/open")
        assert (answer["allowed"], answer["why"]) == (True, "allowed by the ACL of the object")
    assert one(server, "anonymous", "s3:GetObject", f"{objects}/closed")["allowed"] is False


def test_who_may(server: Running, s3: Any, user: dict[str, Any], objects: str) -> None:
    share = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ALICE.id}:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{objects}/*",
    }
    s3.put_bucket_policy(Bucket=objects, Policy=document(share))
    may = {answer["principal"]: answer["why"] for answer in explained(server, "s3:GetObject", f"{objects}/open")}
    assert may[user["Arn"]].startswith('allowed by statement "ReadPublic"')
    assert may[f"arn:aws:iam::{ALICE.id}:root"].startswith("allowed, on the resource's side")
    assert "anonymous" not in may and f"arn:aws:iam::{BOB.id}:root" not in may
    assert any("root user of the deployment" in why for why in may.values())
    closed = {answer["principal"] for answer in explained(server, "s3:GetObject", f"{objects}/closed")}
    assert user["Arn"] not in closed and f"arn:aws:iam::{ALICE.id}:root" in closed


def test_an_object_that_is_not_there(server: Running, s3: Any, bucket: str) -> None:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(allow))
    answer = one(server, "anonymous", "s3:GetObject", f"{bucket}/missing")
    assert answer["allowed"] is True and answer["why"].endswith("there is no such object")


def test_actions_of_the_account(server: Running, user: dict[str, Any]) -> None:
    assert one(server, user["Arn"], "s3:CreateBucket", "some-bucket")["allowed"] is False
    assert one(server, user["Arn"], "iam:GetUser", user["Arn"])["why"] == "denied: no policy allows it"
    assert one(server, ALICE.access, "s3:ListAllMyBuckets", "*")["allowed"] is True
    assert one(server, "anonymous", "s3:CreateBucket", "some-bucket")["allowed"] is False
    other = one(server, ALICE.access, "iam:GetUser", user["Arn"])
    assert (other["allowed"], "another account" in other["why"]) == (False, True)


def test_assuming_a_role(server: Running, user: dict[str, Any]) -> None:
    iam, name = server.client("iam"), f"r{uuid.uuid4().hex[:12]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
    try:
        answer = one(server, user["Arn"], "sts:AssumeRole", role)
        assert answer["why"] == f'allowed, on the resource\'s side, by statement 1 of trust policy "role {name}"'
        assert one(server, ALICE.access, "sts:AssumeRole", role)["allowed"] is False
    finally:
        iam.delete_role(RoleName=name)


def test_for_people(server: Running, user: dict[str, Any], objects: str) -> None:
    environment = CLI_ENVIRONMENT | {"OBJSTORE_ENDPOINT": server.endpoint, "COLUMNS": "200"}
    explain = ("admin", "policy", "explain", "s3:GetObject")
    done = command(*explain, f"{objects}/open", "--for", user["Arn"], environment=environment)
    assert done.returncode == 0, done.stderr
    assert "allowed by statement" in done.stdout and '"s3:ExistingObjectTag/level": "public"' in done.stdout
    done = command(*explain, f"{objects}/open", environment=environment)
    assert user["Arn"] in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("s3:GetObject", "no-such-bucket-here/k"), 1, "The specified bucket does not exist"),
        (("s3:GetObject", "b/k", "--for", "nobody-at-all"), 1, "There is no principal nobody-at-all"),
        (("s3:GetObject", "b/k", "--key", "novalue"), 2, "is not NAME=VALUE"),
        (("sts:AssumeRole", "arn:aws:iam::1:role/none", "--for", ALICE.access), 1, "There is no role"),
    ],
)
def test_what_cannot_be_explained(server: Running, arguments: tuple[str, ...], status: int, words: str) -> None:
    done = command("admin", "--endpoint", server.endpoint, "policy", "explain", *arguments, environment=CLI_ENVIRONMENT)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr
