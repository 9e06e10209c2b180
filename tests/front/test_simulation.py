"""The policy simulator by the front door: what it says is what happens, and it tells why."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Running

ROOT = "000000000000"
AWAY = "a11ce0"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: str = "*", **more: Any) -> dict[str, Any]:
    return allow(action, resource, **more) | {"Effect": "Deny"}


@dataclass
class Scene:
    """A user in a group, with an inline, a managed and a group's policy; a role."""

    iam: Any
    name: str
    managed: str

    @property
    def user(self) -> str:
        return f"arn:aws:iam::{ROOT}:user/{self.name}"

    @property
    def group(self) -> str:
        return f"arn:aws:iam::{ROOT}:group/{self.name}"

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{ROOT}:role/{self.name}"

    def results(self, action: Any, source: str = "", **members: Any) -> list[dict[str, Any]]:
        actions = [action] if isinstance(action, str) else action
        answer = self.iam.simulate_principal_policy(PolicySourceArn=source or self.user, ActionNames=actions, **members)
        found: list[dict[str, Any]] = answer["EvaluationResults"]
        return found

    def one(self, action: str, source: str = "", **members: Any) -> dict[str, Any]:
        (found,) = self.results(action, source, **members)
        return found

    def decision(self, action: str, source: str = "", **members: Any) -> str:
        return str(self.one(action, source, **members)["EvalDecision"])


@pytest.fixture(scope="module")
def scene(server: Running) -> Iterator[Scene]:
    iam, name = server.client("iam", parameter_validation=False), f"S{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "red"}])
    iam.create_group(GroupName=name)
    iam.add_user_to_group(UserName=name, GroupName=name)
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    near = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=document(allow("s3:GetObject", "arn:aws:s3:::b/${aws:username}/*", Condition=tagged)),
    )
    managed = iam.create_policy(PolicyName=name, PolicyDocument=document(allow("s3:List*", Condition=near)))
    iam.attach_user_policy(UserName=name, PolicyArn=managed["Policy"]["Arn"])
    iam.put_group_policy(GroupName=name, PolicyName="ours", PolicyDocument=document(deny("s3:DeleteObject")))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROOT}}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    yield Scene(iam, name, managed["Policy"]["Arn"])


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


def test_a_user_has_its_own_policies_and_those_of_its_groups(scene: Scene) -> None:
    mine = [f"arn:aws:s3:::b/{scene.name}/k"]
    found = scene.one("s3:GetObject", ResourceArns=mine)
    assert (found["EvalDecision"], found["EvalResourceName"]) == ("allowed", mine[0])
    (matched,) = found["MatchedStatements"]
    assert (matched["SourcePolicyId"], matched["SourcePolicyType"]) == ("own", "user")
    assert matched["StartPosition"]["Line"] == 1
    assert scene.decision("s3:GetObject", ResourceArns=["arn:aws:s3:::b/other/k"]) == "implicitDeny"
    refused = scene.one("s3:DeleteObject")
    assert (refused["EvalDecision"], refused["EvalResourceName"]) == ("explicitDeny", "*")
    assert refused["MatchedStatements"][0]["SourcePolicyType"] == "group"
    assert scene.decision("s3:DeleteObject", scene.group) == "explicitDeny"
    assert scene.decision("s3:GetObject", scene.role) == "allowed"
    assert scene.one("s3:GetObject", scene.role)["MatchedStatements"][0]["SourcePolicyType"] == "aws-managed"


def test_keys_that_are_not_told_are_missing_and_told_ones_decide(scene: Scene) -> None:
    found = scene.one("s3:ListBucket")
    assert (found["EvalDecision"], found["MissingContextValues"]) == ("implicitDeny", ["aws:SourceIp"])

    def at(*addresses: str, kind: str = "ip") -> list[dict[str, Any]]:
        return [{"ContextKeyName": "AWS:sourceip", "ContextKeyValues": list(addresses), "ContextKeyType": kind}]

    near = scene.one("s3:ListBucket", ContextEntries=at("10.1.2.3"))
    assert (near["EvalDecision"], near["MissingContextValues"]) == ("allowed", [])
    assert near["MatchedStatements"][0]["SourcePolicyType"] == "user-managed"
    assert scene.decision("s3:ListBucket", ContextEntries=at("192.0.2.7")) == "implicitDeny"
    two = {"PolicySourceArn": scene.user, "ActionNames": ["s3:ListBucket"], "ContextEntries": at("10.0.0.1", "::1")}
    assert code(scene.iam.simulate_principal_policy, **two) == "InvalidInput"


def test_policies_may_be_added_and_a_boundary_put_in_place(scene: Scene) -> None:
    more = [document(allow("s3:PutObject"))]
    found = scene.one("s3:PutObject", PolicyInputList=more)
    assert found["EvalDecision"] == "allowed" and "PermissionsBoundaryDecisionDetail" not in found
    assert found["MatchedStatements"][0]["SourcePolicyId"] == "PolicyInputList.1"
    bounded = scene.one(
        "s3:PutObject", PolicyInputList=more, PermissionsBoundaryPolicyInputList=[document(allow("s3:Get*"))]
    )
    assert bounded["EvalDecision"] == "implicitDeny"
    assert bounded["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}


def test_a_resource_may_have_a_policy_and_be_of_another_account(scene: Scene) -> None:
    to_me = document(allow("s3:PutObject", "arn:aws:s3:::b/*", Principal={"AWS": scene.user}))
    asked: dict[str, Any] = {"ResourceArns": ["arn:aws:s3:::b/k"], "ResourcePolicy": to_me}
    found = scene.one("s3:PutObject", **asked)
    assert found["EvalDecision"] == "allowed"
    assert found["MatchedStatements"][0]["SourcePolicyType"] == "resource"
    away = scene.one("s3:PutObject", **asked, ResourceOwner=f"arn:aws:iam::{AWAY}:root")
    assert away["EvalDecision"] == "implicitDeny"
    assert away["EvalDecisionDetails"] == {"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}
    of_role = {"PolicySourceArn": scene.role, "ActionNames": ["s3:PutObject"], **asked}
    assert code(scene.iam.simulate_principal_policy, **of_role) == "InvalidInput"
    assert scene.decision("s3:PutObject", scene.role, **asked, CallerArn=scene.user) == "allowed"
    stranger = f"arn:aws:iam::{ROOT}:user/stranger"
    assert scene.decision("s3:PutObject", scene.role, **asked, CallerArn=stranger) == "implicitDeny"


def test_policies_of_nobody_are_simulated(scene: Scene) -> None:
    text = document(allow("s3:GetObject", Condition={"Bool": {"aws:SecureTransport": "true"}}))
    asked: dict[str, Any] = {"PolicyInputList": [text], "ActionNames": ["s3:GetObject", "s3:PutObject"]}
    one, other = scene.iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert (one["EvalDecision"], one["MissingContextValues"]) == ("implicitDeny", ["aws:SecureTransport"])
    assert (other["EvalDecision"], other["MissingContextValues"]) == ("implicitDeny", [])
    told = [{"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"}]
    one, _ = scene.iam.simulate_custom_policy(**asked, ContextEntries=told)["EvaluationResults"]
    assert one["EvalDecision"] == "allowed"
    keys = scene.iam.get_context_keys_for_custom_policy(PolicyInputList=[text])
    assert keys["ContextKeyNames"] == ["aws:SecureTransport"]
    keys = scene.iam.get_context_keys_for_principal_policy(PolicySourceArn=scene.user, PolicyInputList=[text])
    wanted = ["aws:PrincipalTag/team", "aws:SecureTransport", "aws:SourceIp", "aws:username"]
    assert keys["ContextKeyNames"] == wanted


def test_results_come_in_pages(scene: Scene) -> None:
    asked = {"ActionNames": ["s3:GetObject", "s3:PutObject"], "ResourceArns": [f"arn:aws:s3:::b/{n}" for n in range(3)]}
    pages = scene.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=scene.user, **asked, PaginationConfig={"PageSize": 4}
    )
    found = [[(one["EvalActionName"], one["EvalResourceName"]) for one in page["EvaluationResults"]] for page in pages]
    assert [len(page) for page in found] == [4, 2]
    assert [one for page in found for one in page] == [
        (action, arn) for action in asked["ActionNames"] for arn in asked["ResourceArns"]
    ]


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"PolicySourceArn": f"arn:aws:iam::{ROOT}:user/nobody-of-that-name"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:iam::{AWAY}:user/x-of-another-account"}, "NoSuchEntity"),
        ({"PolicySourceArn": f"arn:aws:iam::{ROOT}:root"}, "InvalidInput"),
        ({"PolicySourceArn": "arn:aws:s3:::what-is-it-doing-here"}, "InvalidInput"),
        ({"ActionNames": ["GetObject"]}, "InvalidInput"),
        ({"ActionNames": ["s3:Get*"]}, "InvalidInput"),
        ({"PolicyInputList": ["{}"]}, "InvalidInput"),
        ({"PermissionsBoundaryPolicyInputList": ["{}"]}, "InvalidInput"),
        ({"ResourcePolicy": "{}"}, "InvalidInput"),
        ({"CallerArn": f"arn:aws:iam::{ROOT}:role/no-user"}, "InvalidInput"),
        ({"ResourceOwner": "arn:aws:iam::1:user/x"}, "InvalidInput"),
        ({"Marker": "nonsense"}, "InvalidInput"),
        ({"ResourceHandlingOption": "EC2-VPC-InstanceStore"}, "NotImplemented"),
    ],
)
def test_what_cannot_be_simulated_is_refused(scene: Scene, members: dict[str, Any], refused: str) -> None:
    asked = {"PolicySourceArn": scene.user, "ActionNames": ["s3:GetObject"]} | members
    assert code(scene.iam.simulate_principal_policy, **asked) == refused
