"""IAM by the front door: boto3's client unchanged, against the same address as S3."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.harness import Running

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000000"}}],
    }
)


@pytest.fixture(scope="module")
def iam(server: Running) -> Any:
    return server.client("iam", parameter_validation=False)  # what is wrong is for the server to say


@pytest.fixture
def name() -> str:
    return f"T{uuid.uuid4().hex[:12]}"


@pytest.fixture
def user(iam: Any, name: str) -> Iterator[str]:
    iam.create_user(UserName=name)
    yield name
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    for attached in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=name, PolicyArn=attached["PolicyArn"])
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(GroupName=group["GroupName"], UserName=name)
    iam.delete_user(UserName=name)


def as_user(server: Running, iam: Any, user: str) -> Any:
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return server.client("iam", key["AccessKeyId"], key["SecretAccessKey"])


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


def test_names_are_one_whatever_their_case_and_keep_it(iam: Any, user: str) -> None:
    assert code(iam.create_user, UserName=user.upper()) == "EntityAlreadyExists"
    assert iam.get_user(UserName=user.lower())["User"]["UserName"] == user
    iam.update_user(UserName=user.lower(), NewUserName=user.upper(), NewPath="/a/")
    assert iam.get_user(UserName=user)["User"]["Arn"].endswith(f":user/a/{user.upper()}")
    iam.update_user(UserName=user, NewUserName=user)


def test_a_user_may_do_what_its_policies_say_and_at_once(server: Running, iam: Any, user: str) -> None:
    client = as_user(server, iam, user)
    assert code(client.list_users) == "AccessDenied"
    iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=ALLOW)
    assert any(one["UserName"] == user for one in client.list_users()["Users"])
    assert client.get_user()["User"]["UserName"] == user
    iam.delete_user_policy(UserName=user, PolicyName="all")
    assert code(client.list_users) == "AccessDenied"


def test_a_boundary_cuts_what_policies_allow_and_may_be_demanded(server: Running, iam: Any, user: str) -> None:
    client = as_user(server, iam, user)
    read_only = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    condition = {"StringEquals": {"iam:PermissionsBoundary": read_only}}
    statement = {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "*", "Condition": condition}
    iam.put_user_policy(
        UserName=user,
        PolicyName="delegate",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement}),
    )
    assert code(client.create_user, UserName=user + "2") == "AccessDenied"
    made = client.create_user(UserName=user + "2", PermissionsBoundary=read_only)["User"]
    assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == read_only
    iam.put_user_policy(UserName=user + "2", PolicyName="all", PolicyDocument=ALLOW)
    bounded = as_user(server, iam, user + "2")
    assert bounded.list_users()["Users"]
    assert code(bounded.create_user, UserName="another") == "AccessDenied"
    iam.delete_user_permissions_boundary(UserName=user + "2")
    assert code(iam.delete_user_permissions_boundary, UserName=user + "2") == "NoSuchEntity"
    iam.delete_user_policy(UserName=user + "2", PolicyName="all")
    key = iam.list_access_keys(UserName=user + "2")["AccessKeyMetadata"][0]["AccessKeyId"]
    iam.delete_access_key(UserName=user + "2", AccessKeyId=key)
    iam.delete_user(UserName=user + "2")


def test_a_name_is_changed_by_who_may_do_so_to_the_old_and_to_the_new(server: Running, iam: Any, user: str) -> None:
    """Else whoever may rename could take the name, or the path, of somebody that policies trust."""
    client = as_user(server, iam, user)
    iam.create_user(UserName=f"{user}-dev", Path="/dev/")
    iam.create_group(GroupName=f"{user}-dev", Path="/dev/")
    ours = [f"arn:aws:iam::000000000000:{kind}/dev/*" for kind in ("user", "group")]
    statement = {"Effect": "Allow", "Action": ["iam:UpdateUser", "iam:UpdateGroup"], "Resource": ours}
    iam.put_user_policy(
        UserName=user, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    for update, kind in ((client.update_user, "User"), (client.update_group, "Group")):
        update(**{f"{kind}Name": f"{user}-dev", f"New{kind}Name": f"{user}-two"})
        update(**{f"{kind}Name": f"{user}-two", "NewPath": "/dev/more/"})
        assert code(update, **{f"{kind}Name": f"{user}-two", "NewPath": "/admin/"}) == "AccessDenied"
        assert code(update, **{f"{kind}Name": f"{user}-two", "NewPath": "/", f"New{kind}Name": "x"}) == "AccessDenied"
    iam.delete_user(UserName=f"{user}-two")
    iam.delete_group(GroupName=f"{user}-two")


def test_tags_of_policies_and_providers_decide(server: Running, iam: Any, user: str, name: str) -> None:
    client = as_user(server, iam, user)
    tags = [{"Key": "Locked", "Value": "yes"}]
    policy = iam.create_policy(PolicyName=name, PolicyDocument=ALLOW, Tags=tags)["Policy"]["Arn"]
    url = f"https://{name.lower()}.example.com"
    provider = iam.create_open_id_connect_provider(Url=url, ClientIDList=["a"], Tags=tags)["OpenIDConnectProviderArn"]
    locked = {"StringEquals": {"aws:ResourceTag/locked": "yes"}}
    deny = {"Effect": "Deny", "Action": ["iam:Get*", "iam:Delete*"], "Resource": "*", "Condition": locked}
    document = {"Version": "2012-10-17", "Statement": [json.loads(ALLOW)["Statement"][0], deny]}
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(document))
    for get, delete, untag, members in (
        (client.get_policy, client.delete_policy, client.untag_policy, {"PolicyArn": policy}),
        (
            client.get_open_id_connect_provider,
            client.delete_open_id_connect_provider,
            client.untag_open_id_connect_provider,
            {"OpenIDConnectProviderArn": provider},
        ),
    ):
        assert code(get, **members) == code(delete, **members) == "AccessDenied"
        untag(**members, TagKeys=["locked"])
        get(**members)
        delete(**members)


def test_keys_are_two_may_be_inactive_and_tell_when_they_were_used(server: Running, iam: Any, user: str) -> None:
    client = as_user(server, iam, user)
    code(client.list_users)
    (key,) = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    iam.create_access_key(UserName=user)
    assert code(iam.create_access_key, UserName=user) == "LimitExceeded"
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert used["UserName"] == user and "ServiceName" in used["AccessKeyLastUsed"]
    iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert code(client.list_users) == "InvalidClientTokenId"
    iam.update_access_key(UserName=user, AccessKeyId=key["AccessKeyId"], Status="Active")
    assert code(client.list_users) == "AccessDenied"


def test_uses_of_a_key_are_asked_about_by_its_user(server: Running, iam: Any, user: str) -> None:
    client = as_user(server, iam, user)
    (mine,) = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    iam.create_user(UserName=f"{user}-two")
    theirs = iam.create_access_key(UserName=f"{user}-two")["AccessKey"]["AccessKeyId"]
    own = {"Effect": "Allow", "Action": "iam:GetAccessKeyLastUsed", "Resource": "arn:aws:iam::*:user/${aws:username}"}
    document = json.dumps({"Version": "2012-10-17", "Statement": own})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    assert client.get_access_key_last_used(AccessKeyId=mine["AccessKeyId"])["UserName"] == user
    for other in (theirs, "AKIANOBODYHASTHISKEY"):
        assert code(client.get_access_key_last_used, AccessKeyId=other) == "AccessDenied"
    iam.delete_access_key(UserName=f"{user}-two", AccessKeyId=theirs)
    iam.delete_user(UserName=f"{user}-two")


def test_a_user_with_anything_left_is_not_deleted(iam: Any, user: str, name: str) -> None:
    iam.create_group(GroupName=name)
    for put, undo in (
        (
            lambda: iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=ALLOW),
            lambda: iam.delete_user_policy(UserName=user, PolicyName="p"),
        ),
        (
            lambda: iam.add_user_to_group(GroupName=name, UserName=user),
            lambda: iam.remove_user_from_group(GroupName=name, UserName=user),
        ),
    ):
        put()
        assert code(iam.delete_user, UserName=user) == "DeleteConflict"
        undo()
    iam.add_user_to_group(GroupName=name, UserName=user)
    assert code(iam.delete_group, GroupName=name) == "DeleteConflict"
    iam.remove_user_from_group(GroupName=name, UserName=user)
    assert code(iam.remove_user_from_group, GroupName=name, UserName=user) == "NoSuchEntity"
    iam.delete_group(GroupName=name)


def test_managed_policies_have_versions_of_which_one_is_in_force(
    server: Running, iam: Any, user: str, name: str
) -> None:
    deny = ALLOW.replace('"Allow"', '"Deny"')
    arn = iam.create_policy(PolicyName=name, PolicyDocument=ALLOW, Path="/x/", Description="d")["Policy"]["Arn"]
    assert arn.endswith(f":policy/x/{name}")
    iam.attach_user_policy(UserName=user, PolicyArn=arn)
    client = as_user(server, iam, user)
    client.list_users()
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny)["PolicyVersion"]
    assert (second["VersionId"], second["IsDefaultVersion"]) == ("v2", False)
    client.list_users()
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert code(client.list_users) == "AccessDenied"
    assert code(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == "DeleteConflict"
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW, SetAsDefault=True)
    assert code(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW) == "LimitExceeded"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert {one["VersionId"] for one in versions if one["IsDefaultVersion"]} == {"v5"}
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]
    assert document == json.loads(deny)
    shown = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (shown["AttachmentCount"], shown["DefaultVersionId"], shown["Description"]) == (1, "v5", "d")
    assert [one["UserName"] for one in iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]] == [user]
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.detach_user_policy(UserName=user, PolicyArn=arn)
    assert code(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    for version in ("v1", "v2", "v3", "v4"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.delete_policy(PolicyArn=arn)
    assert code(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_policies_of_aws_are_there_and_nobodys_to_change(iam: Any) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    assert code(iam.delete_policy, PolicyArn=arn) == "AccessDenied"
    assert code(iam.create_policy_version, PolicyArn=arn, PolicyDocument=ALLOW) == "AccessDenied"


@pytest.mark.parametrize(
    "document", ["", "{}", "[]", "{", '{"Version":"2012-10-17"}', ALLOW.replace("Allow", "allow"), "x" * 3000]
)
def test_a_malformed_policy_is_refused_and_not_stored(iam: Any, user: str, document: str) -> None:
    refused = code(iam.put_user_policy, UserName=user, PolicyName="p", PolicyDocument=document)
    assert refused == ("MalformedPolicyDocument" if document else "ValidationError")
    assert iam.list_user_policies(UserName=user)["PolicyNames"] == []


def test_inline_policies_share_a_budget_of_characters(iam: Any, user: str) -> None:
    long = ALLOW.replace('"*"', json.dumps([f"arn:aws:iam:::user/{'a' * 60}{number}" for number in range(15)]))
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=long)
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=long)
    assert code(iam.put_user_policy, UserName=user, PolicyName="q", PolicyDocument=long) == "LimitExceeded"


def test_tags_are_set_replaced_listed_and_removed(iam: Any, user: str, name: str) -> None:
    iam.tag_user(UserName=user, Tags=[{"Key": "Team", "Value": "a"}, {"Key": "x", "Value": ""}])
    iam.tag_user(UserName=user, Tags=[{"Key": "team", "Value": "b"}])
    assert iam.get_user(UserName=user)["User"]["Tags"] == [{"Key": "x", "Value": ""}, {"Key": "team", "Value": "b"}]
    page = iam.list_user_tags(UserName=user, MaxItems=1)
    assert page["IsTruncated"] and len(page["Tags"]) == 1
    iam.untag_user(UserName=user, TagKeys=["TEAM"])
    assert [tag["Key"] for tag in iam.list_user_tags(UserName=user)["Tags"]] == ["x"]
    two = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert code(iam.tag_user, UserName=user, Tags=two) == "InvalidInput"
    assert code(iam.tag_user, UserName=user, Tags=[{"Key": "aws:x", "Value": "2"}]) == "InvalidInput"
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    assert code(iam.tag_user, UserName=user, Tags=many) == "LimitExceeded"


def test_a_role_keeps_its_trust_policy_and_description(iam: Any, name: str) -> None:
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, MaxSessionDuration=7200)["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert iam.update_role_description(RoleName=name, Description="d")["Role"]["Description"] == "d"
    iam.update_role(RoleName=name, MaxSessionDuration=3600)
    assert iam.get_role(RoleName=name)["Role"]["MaxSessionDuration"] == 3600
    assert code(iam.update_assume_role_policy, RoleName=name, PolicyDocument=ALLOW) == "MalformedPolicyDocument"
    assert code(iam.update_role, RoleName=name, MaxSessionDuration=60) == "ValidationError"
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    assert code(iam.delete_role, RoleName=name) == "DeleteConflict"
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")
    iam.delete_role(RoleName=name)


def test_lists_come_in_pages_in_order_of_name(iam: Any, name: str) -> None:
    names = [f"{name}-{suffix}" for suffix in ("aa", "Ab", "ac", "Ad")]
    for one in reversed(names):
        iam.create_group(GroupName=one, Path=f"/{name}/")
    pages = iam.get_paginator("list_groups").paginate(PathPrefix=f"/{name}/", PaginationConfig={"PageSize": 1})
    assert [group["GroupName"] for page in pages for group in page["Groups"]] == names
    for one in names:
        iam.delete_group(GroupName=one)


def test_everything_in_the_account_is_told_in_pages(iam: Any, user: str) -> None:
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=ALLOW)
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 2})
    found = [one for page in pages for one in page.get("UserDetailList", []) if one["UserName"] == user]
    assert found[0]["UserPolicyList"] == [{"PolicyName": "p", "PolicyDocument": json.loads(ALLOW)}]
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert "UserDetailList" not in only or only["UserDetailList"] == []


def test_who_is_not_known_is_told_so(server: Running) -> None:
    assert code(server.client("iam", "AKIAUNKNOWNUNKNOWN12").list_users) == "InvalidClientTokenId"
    assert code(server.client("iam", secret="wrong-password").list_users) == "SignatureDoesNotMatch"
    form = {"content-type": "application/x-www-form-urlencoded"}
    anonymous = server.request("POST", "/", b"Action=ListUsers&Version=2010-05-08", form)
    assert anonymous.status == 403 and b"<Code>MissingAuthenticationToken</Code>" in anonymous.data
    for body in (b"", b"Action=ListUsers", b"%%%", b"Action=ListUsers&Action=GetUser&Version=2010-05-08"):
        assert server.request("POST", "/", body, form).status in (400, 403)


def test_what_is_not_there_is_not_implemented(iam: Any) -> None:
    assert code(iam.create_instance_profile, InstanceProfileName="x") == "NotImplemented"


def test_a_tampered_form_does_not_match_its_signature(server: Running) -> None:
    def tamper(request: Any, **_: Any) -> None:
        request.body = request.body.replace("before", "behind")

    client = server.client("iam")
    client.meta.events.register_last("before-send.iam", tamper)
    assert code(client.get_user, UserName="before") == "SignatureDoesNotMatch"
