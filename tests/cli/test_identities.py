"""`objstore admin account|user|group|policy|role|key|service-account`: what an administrator makes works at once."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.admin import admin, run
from tests.harness import Running

LIST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:List*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "000000000000"}}],
    }
)


@pytest.fixture
def name() -> str:
    return f"c{uuid.uuid4().hex[:12]}"


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return str(caught.value.response["Error"]["Code"])


def client(server: Running, key: dict[str, Any], service: str = "iam") -> Any:
    access, secret = key.get("AccessKeyId") or key["access_key"], key.get("SecretAccessKey") or key["secret_key"]
    return server.client(service, access, secret)


def test_an_account_is_made_lives_is_suspended_and_goes(server: Running, name: str) -> None:
    made = admin(server, "account", "create", name, "--email", f"{name}@example.com")
    account = made["id"]
    assert len(account) == 12 and not made["suspended"]
    assert any(one["id"] == account for one in admin(server, "account", "list"))
    key = admin(server, "key", "create", "--account", account)
    s3 = client(server, key, "s3")
    s3.create_bucket(Bucket=name)
    assert s3.list_buckets()["Owner"]["ID"] == made["canonical_id"]
    admin(server, "user", "create", "ada", "--account", account)
    assert [one["UserName"] for one in admin(server, "user", "list", "--account", account)] == ["ada"]
    assert admin(server, "account", "suspend", account)["suspended"]
    assert code(s3.list_buckets) == "AccountProblem"
    assert not admin(server, "account", "resume", account)["suspended"]
    s3.delete_bucket(Bucket=name)
    refused = run(server, "account", "delete", account)
    assert refused.status == 1 and "must delete its users" in refused.err
    admin(server, "user", "delete", "ada", "--account", account)
    admin(server, "key", "delete", key["AccessKeyId"], "--account", account)
    assert admin(server, "account", "delete", account)["id"] == account
    assert run(server, "account", "info", account).status == 1


def test_names_and_addresses_of_accounts_are_taken_once(server: Running, name: str) -> None:
    account = admin(server, "account", "create", name, "--email", f"{name}@example.com")["id"]
    assert "already exists" in run(server, "account", "create", name.upper()).err
    assert "already exists" in run(server, "account", "create", name + "2", "--email", f"{name}@EXAMPLE.com").err
    assert "already exists" in run(server, "account", "create", name + "2", "--email", "alice@example.com").err
    assert "name of 1 to" in run(server, "account", "create", " ").err
    assert "no email address" in run(server, "account", "create", name + "2", "--email", "here").err
    admin(server, "account", "delete", account)


def test_a_user_gets_a_key_and_policies_and_is_suspended(server: Running, name: str, tmp_path: Any) -> None:
    document = tmp_path / "policy.json"
    document.write_text(LIST)
    admin(server, "user", "create", name, "--path", "/staff/")
    shown = run(server, "key", "create", name)
    assert shown.status == 0 and "shown this once" in shown.out
    access, secret = (line.split()[-1] for line in shown.out.splitlines()[:2])
    mine = server.client("iam", access, secret)
    assert code(mine.list_users) == "AccessDenied"
    arn = admin(server, "policy", "create", name, str(document), "--description", "d")["Arn"]
    admin(server, "group", "create", name)
    admin(server, "group", "add", name, name)
    admin(server, "policy", "attach", arn, "--group", name)
    mine.list_users()
    assert admin(server, "policy", "info", arn)["groups"] == [name]
    assert [one["UserName"] for one in admin(server, "group", "info", name)] == [name]
    info = admin(server, "user", "info", name)
    assert (info["Groups"], info["AccessKeys"]) == ([name], [access])
    assert secret not in json.dumps(info) and secret not in server.log.read_text()
    admin(server, "user", "suspend", name)
    assert code(mine.list_users) == "InvalidClientTokenId"
    admin(server, "user", "resume", name)
    mine.list_users()
    for _ in range(5):  # a sixth version takes the place of the oldest
        admin(server, "policy", "update", arn, "-", stdin=LIST.replace("List", "Get"))
    assert code(mine.list_users) == "AccessDenied"
    admin(server, "key", "deactivate", access, "--user", name)
    assert code(mine.get_user) == "InvalidClientTokenId"
    admin(server, "key", "activate", access, "--user", name)
    assert admin(server, "key", "used", access)["UserName"] == name
    admin(server, "policy", "detach", arn, "--group", name)
    admin(server, "user", "delete", name)
    admin(server, "group", "delete", name)
    admin(server, "policy", "delete", arn)


def test_a_role_is_made_shown_and_deleted(server: Running, name: str) -> None:
    admin(server, "role", "create", name, "--trust", "-", "--seconds", "7200", stdin=TRUST)
    assert admin(server, "role", "info", name)["MaxSessionDuration"] == 7200
    admin(server, "policy", "attach", "arn:aws:iam::aws:policy/IAMReadOnlyAccess", "--role", name)
    assert any(one["RoleName"] == name for one in admin(server, "role", "list"))
    admin(server, "role", "delete", name)
    refused = run(server, "role", "info", name)
    assert refused.status == 1 and "cannot be found" in refused.err


def test_a_service_account_does_less_than_its_owner_and_ends(server: Running, name: str) -> None:
    admin(server, "user", "create", name)
    admin(server, "policy", "attach", "arn:aws:iam::aws:policy/IAMFullAccess", "--user", name)
    words = ("--user", name, "--policy", "-", "--description", "reads", "--days", "1")
    made = admin(server, "service-account", "create", "reader", *words, stdin=LIST)
    assert abs(made["expires"] - time.time() - 86_400) < 120
    mine = client(server, made)
    mine.list_users()
    assert code(mine.create_user, UserName="nope") == "AccessDenied"
    assert "already exists" in run(server, "service-account", "create", "reader", "--user", name).err
    (listed,) = admin(server, "service-account", "list", "--user", name)
    assert listed["access_key"] == made["access_key"] and "secret_key" not in listed
    assert made["secret_key"] not in run(server, "service-account", "list", "--user", name).out
    admin(server, "service-account", "deactivate", made["access_key"])
    assert code(mine.list_users) == "InvalidClientTokenId"
    admin(server, "service-account", "activate", made["access_key"])
    mine.list_users()
    admin(server, "policy", "detach", "arn:aws:iam::aws:policy/IAMFullAccess", "--user", name)
    assert code(mine.list_users) == "AccessDenied", "it is never more than its owner"
    admin(server, "service-account", "delete", made["access_key"])
    assert code(mine.list_users) == "InvalidClientTokenId"
    admin(server, "user", "delete", name)


def test_a_service_account_of_root_is_narrowed_too(server: Running, name: str) -> None:
    made = admin(server, "service-account", "create", name, "--policy", "-", stdin=LIST)
    mine = client(server, made)
    mine.list_users()
    assert code(mine.create_user, UserName="nope") == "AccessDenied"
    assert code(client(server, made, "s3").list_buckets) == "AccessDenied"
    admin(server, "service-account", "delete", made["access_key"])


@pytest.mark.parametrize(
    "words",
    [
        ("user", "info", "nobody-of-that-name"),
        ("policy", "info", "arn:aws:iam::000000000000:policy/nope"),
        ("user", "list", "--account", "123456789012"),
        ("service-account", "create", "x", "--user", "nobody-of-that-name"),
        ("service-account", "create", "x", "--days", "-1"),
        ("service-account", "delete", "AKIANOBODY"),
        ("policy", "attach", "arn:aws:iam::aws:policy/Nope", "--ldap", "cn=a"),
        ("policy", "attach", "arn:aws:iam::aws:policy/IAMFullAccess", "--ldap", "no name"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(server: Running, words: tuple[str, ...]) -> None:
    done = run(server, *words)
    assert done.status in (1, 2) and done.err.startswith("objstore: ") and done.err.count("\n") == 1


def test_a_malformed_policy_is_refused_with_the_servers_words(server: Running, name: str) -> None:
    assert "Syntax errors" in run(server, "policy", "create", name, "-", stdin="{}").err
    assert "Syntax errors" in run(server, "service-account", "create", name, "--policy", "-", stdin="{}").err


def test_the_admin_api_is_for_root_alone(server: Running) -> None:
    for path in ("accounts", "users?name=x", "service-accounts", "ldap-policies"):
        assert server.request("GET", f"/-/admin/v1/{path}").status == 403
