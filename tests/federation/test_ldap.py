"""AssumeRoleWithLDAPIdentity against a real slapd: who may log in, and what the session may do."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from objstore.iam.federation.ldap import normal
from tests.federation import directory
from tests.federation.directory import PASSWORDS
from tests.federation.test_web_identity import session
from tests.harness import Running

pytestmark = pytest.mark.skipif(directory.SLAPD is None, reason="slapd is not installed")
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
ENGINEERS = "cn=Engineers, ou=groups, dc=example, dc=com"
READ_IAM = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"


def login(server: Running, username: str, password: str, **more: str) -> tuple[int, dict[str, str]]:
    """The status, and the texts of the answer by their tags: as MinIO's clients ask, without a signature."""
    form = {
        "Action": "AssumeRoleWithLDAPIdentity",
        "Version": "2011-06-15",
        "LDAPUsername": username,
        "LDAPPassword": password,
        **more,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = server.request("POST", "/", urlencode(form).encode(), headers)
    root = ElementTree.fromstring(answer.data)  # type: ignore[attr-defined]
    return answer.status, {one.tag.removeprefix(NAMESPACE): one.text or "" for one in root.iter()}


@pytest.fixture(scope="module", autouse=True)
def mapped(federated: Running) -> Any:
    from tests.admin import admin

    admin(federated, "policy", "attach", READ_IAM, "--ldap", ENGINEERS)


def test_a_user_of_a_group_with_a_policy_logs_in_and_may_do_what_it_says(federated: Running) -> None:
    status, answer = login(federated, "ada", PASSWORDS["ada"])
    assert status == 200
    client = session(federated, answer)
    assert "Users" in client.list_users()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.create_user(UserName="nope")
    identity = session(federated, answer, "sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::000000000000:federated-user/ada"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "wrong"),
        ("nobody", "x"),
        ("*", PASSWORDS["ada"]),
        ("ada)(uid=*", PASSWORDS["ada"]),
        ("bert", PASSWORDS["bert"]),  # known, but nothing is attached to him
        ("ada", "a\0b"),
    ],
)
def test_who_is_not_known_or_has_nothing_is_refused(federated: Running, username: str, password: str) -> None:
    status, answer = login(federated, username, password)
    assert (status, answer["Code"]) == (403, "AccessDenied")


def test_an_empty_password_is_no_login(federated: Running) -> None:
    status, answer = login(federated, "ada", "")
    assert (status, answer["Code"]) == (400, "ValidationError")


def test_a_policy_that_is_detached_takes_effect_at_once(federated: Running) -> None:
    from tests.admin import admin

    dn = "uid=bert,ou=people,dc=example,dc=com"
    admin(federated, "policy", "attach", READ_IAM, "--ldap", dn)
    _, answer = login(federated, "bert", PASSWORDS["bert"])
    client = session(federated, answer)
    client.list_users()
    admin(federated, "policy", "detach", READ_IAM, "--ldap", dn.upper())
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_users()


def test_a_session_policy_narrows_a_login(federated: Running) -> None:
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*"}]}'
    _, answer = login(federated, "ada", PASSWORDS["ada"], Policy=policy, DurationSeconds="900")
    client = session(federated, answer)
    client.list_roles()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.list_users()


def test_passwords_are_not_in_the_log(federated: Running) -> None:
    login(federated, "ada", PASSWORDS["ada"])
    login(federated, "ada", "not-" + PASSWORDS["ada"])
    text = federated.log.read_text()
    assert not [password for password in PASSWORDS.values() if password in text]


def test_names_are_compared_in_a_normal_form() -> None:
    assert normal("CN=Engineers , OU=Groups,dc=Example,dc=com") == "cn=engineers,ou=groups,dc=example,dc=com"
    for wrong in ("", "engineers", "cn=a,,", "="):
        with pytest.raises(ValueError):
            normal(wrong)
