"""Access keys that an administrator brings along."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from objstore.client import Connection, StoreRefused, ask
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

PAGE = "/-/admin/v1/keys"


def give(server: Running, **given: str) -> Any:
    return ask(Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD), PAGE, "POST", given)


@pytest.fixture(scope="module")
def account(server: Running) -> str:
    """An account of its own."""
    connection = Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)
    found = ask(connection, "/-/admin/v1/accounts", "POST", name="brings keys along")
    return str(found["id"])


def test_a_key_is_brought_along_and_its_secret_changed(server: Running, account: str) -> None:
    key = {"account": account, "access_key": "MOVEDFROMELSEWHERE12"}
    for secret in ("the-first-secret", "the-first-secret", "the-second-secret"):
        assert give(server, **key, secret_key=secret) == {
            "account": account,
            "access_key": key["access_key"],
            "active": True,
        }
        assert server.client("sts", key["access_key"], secret).get_caller_identity()["Account"] == account
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        server.client("s3", key["access_key"], "the-first-secret").list_buckets()
    iam = server.client("iam", key["access_key"], "the-second-secret")
    assert [one["AccessKeyId"] for one in iam.list_access_keys()["AccessKeyMetadata"]] == [key["access_key"]]


@pytest.mark.parametrize(
    ("access", "secret", "code"),
    [
        ("short", "long-enough-secret", "InvalidArgument"),
        ("WITHASPACE INIT12345", "long-enough-secret", "InvalidArgument"),
        ("ASIAOFASESSION123456", "long-enough-secret", "InvalidArgument"),
        ("GOODACCESSKEY1234567", "short", "InvalidArgument"),
        ("GOODACCESSKEY1234567", "with a newline\n", "InvalidArgument"),
    ],
    ids=["short", "space", "session", "short secret", "newline"],
)
def test_what_is_no_key_is_refused(server: Running, account: str, access: str, secret: str, code: str) -> None:
    with pytest.raises(StoreRefused) as refused:
        give(server, account=account, access_key=access, secret_key=secret)
    assert refused.value.code == code and secret not in refused.value.message


def test_a_key_of_somebody_else_is_not_taken(server: Running, account: str) -> None:
    connection = Connection(server.endpoint, ROOT_USER, ROOT_PASSWORD)
    other = ask(connection, "/-/admin/v1/accounts", "POST", name="has a key")["id"]
    give(server, account=other, access_key="TAKENBYANOTHER123456", secret_key="its-own-secret")
    with pytest.raises(StoreRefused, match="EntityAlreadyExists"):
        give(server, account=account, access_key="TAKENBYANOTHER123456", secret_key="a-wish-of-mine")
    with pytest.raises(StoreRefused, match="NoSuchEntity"):
        give(server, account=account, user="nobody", access_key="FORNOBODY12345678901", secret_key="a-wish-of-mine")
