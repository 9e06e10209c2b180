"""AssumeRoleWithWebIdentity: a good token gives credentials; every way in which a token is bad is refused."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.federation.issuer import Issuer, encoded, part
from tests.harness import Running

LIST_USERS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]}
)


def trust(issuer: Issuer, **conditions: Any) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Principal": {"Federated": f"arn:aws:iam::000000000000:oidc-provider/{issuer.name}"},
    }
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="session", autouse=True)
def provider(iam: Any, issuer: Issuer) -> str:
    answer = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["my-app", "other-app"])
    return str(answer["OpenIDConnectProviderArn"])


@pytest.fixture
def role(iam: Any, issuer: Issuer) -> Iterator[str]:
    name = f"web-{uuid.uuid4().hex[:12]}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(issuer))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=LIST_USERS)
    yield arn
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)


def assume(sts: Any, role: str, token: str, **members: Any) -> Any:
    return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="session", WebIdentityToken=token, **members)


def refusal(sts: Any, role: str, token: str, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        assume(sts, role, token, **members)
    return str(caught.value.response["Error"]["Code"])


def session(server: Running, credentials: Any, service: str = "iam") -> Any:
    import boto3
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256"])
def test_a_good_token_gives_credentials_of_the_role(
    federated: Running, anonymous: Any, issuer: Issuer, role: str, algorithm: str
) -> None:
    key = issuer.ec if algorithm.startswith("ES") else issuer.rsa
    answer = assume(anonymous, role, issuer.token(key, algorithm))
    assert answer["SubjectFromWebIdentityToken"] == "alice@idp"
    assert (answer["Audience"], answer["Provider"]) == ("my-app", issuer.url)
    client = session(federated, answer["Credentials"])
    assert "Users" in client.list_users()
    identity = session(federated, answer["Credentials"], "sts").get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"] and identity["UserId"].endswith(":session")


BAD: dict[str, tuple[Callable[[Issuer, Issuer], str], str]] = {
    "expired": (lambda good, _: good.token(exp=int(time.time()) - 120), "ExpiredTokenException"),
    "without an end": (lambda good, _: good.token(exp=None), "InvalidIdentityToken"),
    "an end that is no number": (lambda good, _: good.token(exp="tomorrow"), "InvalidIdentityToken"),
    "not valid yet": (lambda good, _: good.token(nbf=int(time.time()) + 600), "InvalidIdentityToken"),
    "issued in the future": (lambda good, _: good.token(iat=int(time.time()) + 600), "InvalidIdentityToken"),
    "wrong audience": (lambda good, _: good.token(aud="their-app"), "InvalidIdentityToken"),
    "no audience": (lambda good, _: good.token(aud=None), "InvalidIdentityToken"),
    "wrong party": (lambda good, _: good.token(azp="their-app"), "InvalidIdentityToken"),
    "no subject": (lambda good, _: good.token(sub=None), "InvalidIdentityToken"),
    "no issuer": (lambda good, _: good.token(iss=None), "InvalidIdentityToken"),
    "an issuer that is not listed": (lambda _, other: other.token(), "InvalidIdentityToken"),
    "another's token in our name": (lambda good, other: other.token(iss=good.url), "InvalidIdentityToken"),
    "unsigned": (lambda good, _: good.unsigned(), "InvalidIdentityToken"),
    "unsigned with a signature": (lambda good, _: good.unsigned() + "AAAA", "InvalidIdentityToken"),
    "a public key used as a secret": (lambda good, _: good.confused(), "InvalidIdentityToken"),
    "a symmetric key that is published": (lambda good, _: good.token(good.shared, "HS256"), "InvalidIdentityToken"),
    "a key of another kind": (lambda good, _: good.token(good.ec, "ES256", kid="rsa-1"), "InvalidIdentityToken"),
    "a key that is not known": (lambda good, other: other.token(iss=good.url, kid="?"), "InvalidIdentityToken"),
    "no token": (lambda *_: "a.b.c", "InvalidIdentityToken"),
    "no JWT at all": (lambda *_: "what?", "InvalidIdentityToken"),
    "a header that is no object": (lambda *_: f"{encoded(b'[]')}.{part({})}.AAAA", "InvalidIdentityToken"),
    "an unknown extension": (
        lambda good, _: f"{part({'alg': 'RS256', 'crit': ['x'], 'x': 1})}.{part(good.claims())}.AAAA",
        "InvalidIdentityToken",
    ),
    "changed claims": (
        lambda good, _: ".".join([good.token().split(".")[0], part(good.claims(sub="root")), good.token()[-20:]]),
        "InvalidIdentityToken",
    ),
    "tags that are none": (lambda good, _: good.token(**{"https://aws.amazon.com/tags": 7}), "InvalidIdentityToken"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_token_is_refused(anonymous: Any, issuer: Issuer, forbidden: Issuer, role: str, kind: str) -> None:
    make, code = BAD[kind]
    assert refusal(anonymous, role, make(issuer, forbidden)) == code
    assert forbidden.asked == {}, "an issuer that is not listed is never asked"


def test_the_trust_policy_decides_by_what_the_token_says(iam: Any, anonymous: Any, issuer: Issuer, role: str) -> None:
    name = role.rpartition("/")[2]
    iam.update_assume_role_policy(
        RoleName=name,
        PolicyDocument=trust(issuer, **{f"{issuer.name}:sub": "alice@idp", f"{issuer.name}:aud": "my-app"}),
    )
    assume(anonymous, role, issuer.token())
    assert refusal(anonymous, role, issuer.token(sub="mallory@idp")) == "AccessDenied"
    assert refusal(anonymous, role, issuer.token(aud="other-app")) == "AccessDenied"
    assert refusal(anonymous, role, issuer.token(aud=["x", "my-app"], azp="other-app")) == "AccessDenied"


def test_a_role_that_is_not_there_and_one_that_trusts_others_say_nothing(
    iam: Any, anonymous: Any, issuer: Issuer
) -> None:
    gone = "arn:aws:iam::000000000000:role/not-there"
    assert refusal(anonymous, gone, issuer.token()) == "InvalidIdentityToken"
    document = trust(issuer).replace(issuer.name, "other.example")
    arn = iam.create_role(RoleName="trusts-others", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert refusal(anonymous, arn, issuer.token()) == "AccessDenied"
    iam.delete_role(RoleName="trusts-others")


def test_a_session_policy_narrows_what_the_role_may(
    federated: Running, anonymous: Any, issuer: Issuer, role: str
) -> None:
    policy = LIST_USERS.replace("iam:List*", "iam:ListRoles")
    client = session(federated, assume(anonymous, role, issuer.token(), Policy=policy)["Credentials"])
    client.list_roles()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_users()
    assert refusal(anonymous, role, issuer.token(), Policy="{}") == "MalformedPolicyDocument"
    assert refusal(anonymous, role, issuer.token(), DurationSeconds=7200) == "ValidationError"


def test_tags_in_the_token_become_tags_of_the_session(
    iam: Any, federated: Running, anonymous: Any, issuer: Issuer, role: str
) -> None:
    name = role.rpartition("/")[2]
    statement = json.loads(LIST_USERS)
    statement["Statement"][0]["Condition"] = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(statement))
    tagged = issuer.token(**{"https://aws.amazon.com/tags": {"principal_tags": {"team": ["blue"]}}})
    session(federated, assume(anonymous, role, tagged)["Credentials"]).list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        session(federated, assume(anonymous, role, issuer.token())["Credentials"]).list_users()


def test_keys_are_asked_for_once_and_unknown_ones_not_again_and_again(
    anonymous: Any, issuer: Issuer, forbidden: Issuer, role: str
) -> None:
    assume(anonymous, role, issuer.token())
    before = issuer.asked["/realm/keys"]
    for number in range(5):
        token = forbidden.token(iss=issuer.url, kid=f"new-{number}")
        assert refusal(anonymous, role, token) == "InvalidIdentityToken"
        assume(anonymous, role, issuer.token())
    assert issuer.asked["/realm/keys"] <= before + 1


def listed_elsewhere(federated: Running, ending: str) -> str:
    config = (federated.log.parent.parent / "objstore.toml").read_text()
    return next(
        url for url in json.loads(config.partition("oidc_issuers = ")[2].partition("\n")[0]) if url.endswith(ending)
    )


@pytest.mark.parametrize("ending", ["/gone", "/near"])
def test_an_issuer_that_does_not_answer_or_is_this_machine_by_name_is_an_error(
    iam: Any, federated: Running, anonymous: Any, issuer: Issuer, role: str, ending: str
) -> None:
    url = listed_elsewhere(federated, ending)
    arn = iam.create_open_id_connect_provider(Url=url, ClientIDList=["my-app"])["OpenIDConnectProviderArn"]
    assert refusal(anonymous, role, issuer.token(iss=url)) == "IDPCommunicationError"
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_a_provider_that_was_deleted_is_believed_no_more(
    iam: Any, anonymous: Any, issuer: Issuer, role: str, provider: str
) -> None:
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert refusal(anonymous, role, issuer.token()) == "InvalidIdentityToken"
    iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["my-app", "other-app"])


def test_tokens_and_secrets_are_not_in_the_log(federated: Running, anonymous: Any, issuer: Issuer, role: str) -> None:
    token = issuer.token()
    credentials = assume(anonymous, role, token)["Credentials"]
    bad = "x" * 19_999 + "yy"
    assert refusal(anonymous, role, bad) == "ValidationError"
    text = federated.log.read_text()
    for secret in (token, token.split(".")[2], credentials["SecretAccessKey"], credentials["SessionToken"], "x" * 50):
        assert secret not in text
