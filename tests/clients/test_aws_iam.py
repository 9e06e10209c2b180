"""`aws iam` and `aws sts`, as transcripts: somebody is let in, does what it may, takes a role, and is let go again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.transcripts import Transcript
from tests.harness import Running

ROOT = "000000000000"


def document(effect: str, action: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, **more}]})


def signed(key: Mapping[str, str]) -> dict[str, str]:
    """The environment of somebody who has a key."""
    found = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    return found | ({"AWS_SESSION_TOKEN": key["SessionToken"]} if "SessionToken" in key else {})


@pytest.fixture
def name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def test_users_groups_and_policies(server: Running, tmp_path: Path, name: str) -> None:
    iam = Transcript(server, tmp_path, "iam")
    user, group = ("--user-name", name), ("--group-name", name)
    reading = document("Allow", ["s3:GetObject", "s3:ListBucket"], Resource="*")
    (tmp_path / "policy.json").write_text(reading)
    made = iam.run(
        ("create-user", *user, "--path", "/staff/", "--tags", "Key=team,Value=red"),
        ("create-group", *group),
        ("add-user-to-group", *user, *group),
        ("create-policy", "--policy-name", name, "--policy-document", "file://policy.json", "--description", "reads"),
        (
            "put-group-policy",
            *group,
            "--policy-name",
            "users",
            "--policy-document",
            document("Allow", "iam:GetUser", Resource="*"),
        ),
        ("create-access-key", *user),
    )
    arn, key = made[3]["Policy"]["Arn"], made[5]["AccessKey"]
    source = f"arn:aws:iam::{ROOT}:user/staff/{name}"
    assert made[0]["User"]["Arn"] == source
    told = iam.run(
        ("attach-user-policy", *user, "--policy-arn", arn),
        ("list-attached-user-policies", *user),
        ("list-groups-for-user", *user),
        ("get-policy-version", "--policy-arn", arn, "--version-id", "v1"),
        ("list-entities-for-policy", "--policy-arn", arn),
        ("list-user-tags", *user),
        ("get-account-summary",),
        ("simulate-principal-policy", "--policy-source-arn", source, "--action-names", "s3:GetObject", "s3:PutObject"),
        ("list-users", "--path-prefix", "/staff/", "--max-items", "1000"),
        ("!MalformedPolicyDocument", "put-user-policy", *user, "--policy-name", "p", "--policy-document", "{}"),
        ("!DeleteConflict", "delete-user", *user),
        ("!NoSuchEntity", "get-user", "--user-name", f"{name}-nobody"),
    )
    assert told[1] == {"AttachedPolicies": [{"PolicyName": name, "PolicyArn": arn}]}
    assert [one["GroupName"] for one in told[2]["Groups"]] == [name]
    assert told[3]["PolicyVersion"]["Document"] == json.loads(reading)
    assert [one["UserName"] for one in told[4]["PolicyUsers"]] == [name]
    assert told[5]["Tags"] == [{"Key": "team", "Value": "red"}]
    assert told[6]["SummaryMap"]["Users"] >= 1 and told[6]["SummaryMap"]["AccessKeysPerUserQuota"] == 2
    decisions = {one["EvalActionName"]: one["EvalDecision"] for one in told[7]["EvaluationResults"]}
    assert decisions == {"s3:GetObject": "allowed", "s3:PutObject": "implicitDeny"}
    assert name in [one["UserName"] for one in told[8]["Users"]]

    mine = Transcript(server, tmp_path, "iam", signed(key)).run(
        ("get-user",), ("!AccessDenied", "list-users"), ("!AccessDenied", "create-access-key")
    )
    assert mine[0]["User"]["UserName"] == name
    assert f"User: {source} is not authorized to perform: iam:ListUsers" in mine[1]

    of_key = (*user, "--access-key-id", key["AccessKeyId"])
    iam.run(
        ("update-access-key", *of_key, "--status", "Inactive"),
        ("get-access-key-last-used", "--access-key-id", key["AccessKeyId"]),
        ("delete-access-key", *of_key),
        ("detach-user-policy", *user, "--policy-arn", arn),
        ("delete-policy", "--policy-arn", arn),
        ("delete-group-policy", *group, "--policy-name", "users"),
        ("remove-user-from-group", *user, *group),
        ("delete-group", *group),
        ("delete-user", *user),
    )
    gone = Transcript(server, tmp_path, "sts", signed(key))
    gone.run(("!InvalidClientTokenId", "get-caller-identity"))


def test_roles_and_sessions(server: Running, tmp_path: Path, name: str) -> None:
    iam = Transcript(server, tmp_path, "iam")
    user, role = ("--user-name", name), ("--role-name", name)
    arn = f"arn:aws:iam::{ROOT}:role/{name}"
    outside = {"StringEquals": {"sts:ExternalId": "77"}}
    made = iam.run(
        ("create-user", *user),
        ("create-access-key", *user),
        (
            "create-role",
            *role,
            "--assume-role-policy-document",
            document("Allow", "sts:AssumeRole", Principal={"AWS": ROOT}, Condition=outside),
        ),
        (
            "put-role-policy",
            *role,
            "--policy-name",
            "p",
            "--policy-document",
            document("Allow", "iam:List*", Resource="*"),
        ),
        (
            "put-user-policy",
            *user,
            "--policy-name",
            "p",
            "--policy-document",
            document("Allow", "sts:AssumeRole", Resource=arn),
        ),
        ("get-role", *role),
        ("list-role-policies", *role),
    )
    assert made[5]["Role"]["Arn"] == arn and made[6] == {"PolicyNames": ["p"]}
    key = signed(made[1]["AccessKey"])
    session = ("--role-arn", arn, "--role-session-name", "me")
    told = Transcript(server, tmp_path, "sts", key).run(
        ("get-caller-identity",),
        ("!AccessDenied", "assume-role", *session),
        ("!AccessDenied", "assume-role", *session, "--external-id", "88"),
        ("assume-role", *session, "--external-id", "77", "--duration-seconds", "900"),
        ("get-session-token",),
        ("!AccessDenied", "get-access-key-info", "--access-key-id", key["AWS_ACCESS_KEY_ID"]),
    )
    assert told[0]["Arn"] == f"arn:aws:iam::{ROOT}:user/{name}" and told[0]["Account"] == ROOT
    assert told[3]["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ROOT}:assumed-role/{name}/me"
    assumed = signed(told[3]["Credentials"])
    (identity,) = Transcript(server, tmp_path, "sts", assumed).run(("get-caller-identity",))
    assert identity["Arn"].endswith(f":assumed-role/{name}/me")
    Transcript(server, tmp_path, "iam", assumed).run(("list-roles",), ("!AccessDenied", "get-role", *role))
    iam.run(
        ("delete-role-policy", *role, "--policy-name", "p"),
        ("delete-role", *role),
        ("delete-user-policy", *user, "--policy-name", "p"),
        ("delete-access-key", *user, "--access-key-id", key["AWS_ACCESS_KEY_ID"]),
        ("delete-user", *user),
    )
    Transcript(server, tmp_path, "sts", assumed).run(("!InvalidClientTokenId", "get-caller-identity"))
