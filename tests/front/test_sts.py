"""STS by the front door: roles are assumed as their trust says, and temporary credentials are as good as they say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.harness import Running

LIST = {"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}
READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: Any, *actions: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions or ("sts:AssumeRole",))}
    return document(statement | ({"Condition": condition} if condition else {}))


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


def client(server: Running, credentials: dict[str, Any], service: str = "iam") -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, parameter_validation=False),
    )


class Caller:
    """A user with a key, and a role that trusts it."""

    def __init__(self, server: Running, iam: Any) -> None:
        self.name = f"S{uuid.uuid4().hex[:12]}"
        self.server, self.iam = server, iam
        self.arn = iam.create_user(UserName=self.name)["User"]["Arn"]
        self.key = iam.create_access_key(UserName=self.name)["AccessKey"]
        self.sts = client(server, self.key, "sts")
        made = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=trust({"AWS": self.arn}))["Role"]
        self.role, self.role_id = made["Arn"], made["RoleId"]
        iam.put_role_policy(RoleName=self.name, PolicyName="p", PolicyDocument=document(LIST))

    def trust(self, text: str) -> None:
        self.iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=text)

    def assume(self, **members: Any) -> Any:
        return self.sts.assume_role(**{"RoleArn": self.role, "RoleSessionName": "me"} | members)

    def session(self, service: str = "iam", **members: Any) -> Any:
        return client(self.server, self.assume(**members)["Credentials"], service)

    def remove(self) -> None:
        for policy in self.iam.list_user_policies(UserName=self.name)["PolicyNames"]:
            self.iam.delete_user_policy(UserName=self.name, PolicyName=policy)
        for key in self.iam.list_access_keys(UserName=self.name)["AccessKeyMetadata"]:
            self.iam.delete_access_key(UserName=self.name, AccessKeyId=key["AccessKeyId"])
        self.iam.delete_user(UserName=self.name)
        if code_of_role(self.iam, self.name):
            self.iam.delete_role_policy(RoleName=self.name, PolicyName="p")
            self.iam.delete_role(RoleName=self.name)


def code_of_role(iam: Any, name: str) -> bool:
    try:
        return bool(iam.get_role(RoleName=name))
    except ClientError:
        return False


@pytest.fixture(scope="module")
def iam(server: Running) -> Any:
    return server.client("iam")


@pytest.fixture
def caller(server: Running, iam: Any) -> Iterator[Caller]:
    made = Caller(server, iam)
    yield made
    made.remove()


def test_a_session_may_do_what_the_role_may(caller: Caller) -> None:
    answer = caller.assume()
    assert answer["AssumedRoleUser"]["AssumedRoleId"] == f"{caller.role_id}:me"
    session = client(caller.server, answer["Credentials"])
    session.list_users()
    assert code(session.create_user, UserName="x") == "AccessDenied"
    who = client(caller.server, answer["Credentials"], "sts").get_caller_identity()
    assert who["Arn"] == answer["AssumedRoleUser"]["Arn"] and who["UserId"] == f"{caller.role_id}:me"


def test_who_is_not_trusted_does_not_get_in_nor_learn_whether_the_role_is_there(caller: Caller) -> None:
    caller.trust(trust({"AWS": "arn:aws:iam::000000000000:user/somebody-else"}))
    assert code(caller.assume) == "AccessDenied"
    assert code(caller.assume, RoleArn=caller.role + "x") == "AccessDenied"
    assert code(caller.assume, RoleArn="arn:aws:iam::000000000000:user/x") == "AccessDenied"


def test_trust_in_the_account_leaves_it_to_the_users_policies(caller: Caller) -> None:
    caller.trust(trust({"AWS": "arn:aws:iam::000000000000:root"}))
    assert code(caller.assume) == "AccessDenied"
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": caller.role}
    caller.iam.put_user_policy(UserName=caller.name, PolicyName="assume", PolicyDocument=document(allow))
    caller.assume()


def test_the_external_id_must_be_the_one_asked_for(caller: Caller) -> None:
    caller.trust(trust({"AWS": caller.arn}, StringEquals={"sts:ExternalId": "42"}))
    assert code(caller.assume) == code(caller.assume, ExternalId="43") == "AccessDenied"
    caller.assume(ExternalId="42")


def test_a_session_lasts_no_longer_than_the_role_allows(caller: Caller) -> None:
    assert code(caller.assume, DurationSeconds=3601) == "ValidationError"
    assert code(caller.assume, DurationSeconds=60) == "ValidationError"
    caller.iam.update_role(RoleName=caller.name, MaxSessionDuration=7200)
    caller.assume(DurationSeconds=7200)


def test_session_policies_narrow_and_never_widen(caller: Caller) -> None:
    narrow = {"Effect": "Allow", "Action": ["iam:ListRoles", "iam:CreateUser"], "Resource": "*"}
    session = caller.session(Policy=document(narrow))
    session.list_roles()
    assert code(session.list_users) == code(session.create_user, UserName="x") == "AccessDenied"
    managed = caller.session(PolicyArns=[{"arn": READ_ONLY}])
    managed.list_users()
    assert code(managed.get_user, UserName=caller.name) == "AccessDenied"
    nothing = caller.session(PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}])
    assert code(nothing.list_users) == "AccessDenied"
    assert code(caller.assume, Policy="{}") == "MalformedPolicyDocument"
    assert code(caller.assume, PolicyArns=[{"arn": READ_ONLY + "x"}]) == "ValidationError"
    long = document(LIST | {"Resource": ["arn:aws:iam::1:user/" + "a" * 1000, "arn:aws:iam::1:user/" + "b" * 1000]})
    assert code(caller.assume, Policy=long) == "PackedPolicyTooLarge"


def test_tags_of_a_session_need_trust_and_count_in_conditions(caller: Caller) -> None:
    tags = [{"Key": "team", "Value": "blue"}]
    assert code(caller.assume, Tags=tags) == "AccessDenied"
    caller.trust(trust({"AWS": caller.arn}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))
    tagged = LIST | {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}}
    caller.iam.put_role_policy(RoleName=caller.name, PolicyName="p", PolicyDocument=document(tagged))
    caller.session(Tags=tags).list_users()
    assert code(caller.session().list_users) == "AccessDenied"
    assert code(caller.assume, Tags=tags, TransitiveTagKeys=["other"]) == "ValidationError"
    assert caller.assume(SourceIdentity="ada")["SourceIdentity"] == "ada"


def test_a_role_may_lead_to_another_for_an_hour_with_its_transitive_tags(caller: Caller) -> None:
    caller.trust(trust({"AWS": [caller.arn, caller.role]}, "sts:AssumeRole", "sts:TagSession"))
    caller.iam.update_role(RoleName=caller.name, MaxSessionDuration=7200)
    tagged = LIST | {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}}
    caller.iam.put_role_policy(RoleName=caller.name, PolicyName="p", PolicyDocument=document(tagged))
    tags = [{"Key": "team", "Value": "blue"}]
    for transitive, then in ((["team"], True), ([], False)):
        first = caller.session("sts", Tags=tags, TransitiveTagKeys=transitive)
        members = {"RoleArn": caller.role, "RoleSessionName": "second"}
        assert code(first.assume_role, **members, DurationSeconds=7200) == "ValidationError"
        second = client(caller.server, first.assume_role(**members)["Credentials"])
        if then:
            second.list_users()
        else:
            assert code(second.list_users) == "AccessDenied"


def test_a_tag_that_was_brought_along_is_not_given_another_value(caller: Caller) -> None:
    """Where tags decide, whoever may pass them on could else call itself another team."""
    caller.trust(trust({"AWS": [caller.arn, caller.role]}, "sts:AssumeRole", "sts:TagSession"))
    tags = [{"Key": "team", "Value": "blue"}]
    first = caller.session("sts", Tags=tags, TransitiveTagKeys=["team"])
    members = {"RoleArn": caller.role, "RoleSessionName": "second"}
    for value in ("red", "blue"):
        assert code(first.assume_role, **members, Tags=[{"Key": "Team", "Value": value}]) == "ValidationError"
    first.assume_role(**members, Tags=[{"Key": "other", "Value": "x"}])
    once = caller.session("sts", Tags=tags)  # what does not go on may be said anew
    once.assume_role(**members, Tags=[{"Key": "team", "Value": "red"}])


def test_tags_of_a_role_decide_who_assumes_it(caller: Caller) -> None:
    caller.iam.tag_role(RoleName=caller.name, Tags=[{"Key": "Team", "Value": "blue"}])

    def whose(team: str) -> str:
        return trust({"AWS": caller.arn}, StringEquals={"aws:ResourceTag/team": team})

    caller.trust(whose("red"))
    assert code(caller.assume) == "AccessDenied"
    caller.trust(whose("blue"))
    caller.assume()
    not_ours = {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"}
    tagged = {"StringEquals": {"iam:ResourceTag/Team": "blue"}}
    caller.iam.put_user_policy(
        UserName=caller.name, PolicyName="p", PolicyDocument=document(not_ours | {"Condition": tagged})
    )
    assert code(caller.assume) == "AccessDenied"


def test_a_session_ends_with_its_role(caller: Caller) -> None:
    session = caller.session()
    session.list_users()
    caller.iam.delete_role_policy(RoleName=caller.name, PolicyName="p")
    caller.iam.delete_role(RoleName=caller.name)
    assert code(session.list_users) == "InvalidClientTokenId"
    caller.iam.create_role(RoleName=caller.name, AssumeRolePolicyDocument=trust({"AWS": caller.arn}))
    assert code(session.list_users) == "InvalidClientTokenId", "a new role of that name is another"
    caller.iam.put_role_policy(RoleName=caller.name, PolicyName="p", PolicyDocument=document(LIST))


def test_root_assumes_no_role(server: Running, caller: Caller) -> None:
    sts = server.client("sts")
    assert code(sts.assume_role, RoleArn=caller.role, RoleSessionName="me") == "AccessDenied"


def test_a_session_token_is_as_good_as_the_key_that_asked_for_it(caller: Caller) -> None:
    credentials = caller.sts.get_session_token(DurationSeconds=900)["Credentials"]
    sts = client(caller.server, credentials, "sts")
    assert sts.get_caller_identity()["Arn"] == caller.arn
    assert code(sts.get_session_token) == "AccessDenied"
    caller.iam.update_access_key(UserName=caller.name, AccessKeyId=caller.key["AccessKeyId"], Status="Inactive")
    assert code(sts.get_caller_identity) == "InvalidClientTokenId"


def test_a_session_key_without_its_token_is_nobodys(server: Running, caller: Caller) -> None:
    credentials = caller.assume()["Credentials"]
    other = caller.assume()["Credentials"]
    for wrong in (None, "nonsense", other["SessionToken"], credentials["SessionToken"][:-8]):
        refused = client(server, credentials | {"SessionToken": wrong}, "sts").get_caller_identity
        assert code(refused) == "InvalidClientTokenId"
        s3 = client(server, credentials | {"SessionToken": wrong}, "s3")
        assert code(s3.list_buckets) == ("InvalidAccessKeyId" if wrong is None else "InvalidToken")
    assert code(client(server, caller.key | {"SessionToken": "x"}, "s3").list_buckets) == "InvalidToken"


def test_sessions_speak_s3_by_header_by_url_and_by_form(server: Running, iam: Any, s3: Any, bucket: str) -> None:
    caller = Caller(server, iam)
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_role_policy(RoleName=caller.name, PolicyName="p", PolicyDocument=document(everything))
    mine = caller.session("s3")
    mine.put_object(Bucket=bucket, Key="k", Body=b"by header")
    url = mine.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    answer = server.request("GET", url.removeprefix(server.endpoint))
    assert (answer.status, answer.data) == (200, b"by header")  # type: ignore[attr-defined]
    spoilt = url.replace("x-amz-security-token=", "x-amz-security-token=A")
    assert spoilt != url
    assert b"<Code>InvalidToken</Code>" in server.request("GET", spoilt.removeprefix(server.endpoint)).data  # type: ignore[attr-defined]
    form = mine.generate_presigned_post(bucket, "by-form")
    boundary = "b0undary"
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    ]
    parts.append(f'--{boundary}\r\ncontent-disposition: form-data; name="file"\r\n\r\nby form\r\n--{boundary}--\r\n')
    sent = server.request(
        "POST", f"/{bucket}", "".join(parts).encode(), {"content-type": f"multipart/form-data; boundary={boundary}"}
    )
    assert sent.status == 204, sent.data  # type: ignore[attr-defined]
    assert mine.get_object(Bucket=bucket, Key="by-form")["Body"].read() == b"by form"
    caller.remove()


def test_the_deployments_root_acts_for_other_accounts_as_far_as_the_task_says(server: Running, caller: Caller) -> None:
    sts, task = server.client("sts", parameter_validation=False), {"arn": READ_ONLY}
    credentials = sts.assume_root(TargetPrincipal="arn:aws:iam::a11ce0:root", TaskPolicyArn=task)["Credentials"]
    assert client(server, credentials, "sts").get_caller_identity()["Arn"] == "arn:aws:iam::a11ce0:root"
    session = client(server, credentials)
    session.list_users()
    assert code(session.create_user, UserName="x") == "AccessDenied"
    assert (
        code(caller.sts.assume_root, TargetPrincipal="arn:aws:iam::a11ce0:root", TaskPolicyArn=task) == "AccessDenied"
    )
    assert code(sts.assume_root, TargetPrincipal="123456789012", TaskPolicyArn=task) == "ValidationError"


def test_a_key_tells_its_account(server: Running, caller: Caller) -> None:
    sts = server.client("sts")
    assert sts.get_access_key_info(AccessKeyId=caller.key["AccessKeyId"])["Account"] == "000000000000"
    assert code(sts.get_access_key_info, AccessKeyId="AKIAUNKNOWNUNKNOWN12") == "AccessDenied"
    assert code(sts.get_federation_token, Name="xy") == "NotImplemented"


def test_a_presigned_get_caller_identity_is_answered(server: Running, caller: Caller) -> None:
    url = caller.sts.generate_presigned_url("get_caller_identity", HttpMethod="GET")
    answer = server.request("GET", url.removeprefix(server.endpoint))
    assert answer.status == 200 and caller.arn.encode() in answer.data  # type: ignore[attr-defined]
