"""The admin API is for the deployment's root user alone: every page of it, by every method."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from objstore.server.application import admin_routes
from tests.admin import admin
from tests.front.people import ALICE
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

ROUTES = admin_routes(mock.MagicMock(), mock.MagicMock(), mock.MagicMock())
PAGES = sorted((f"/-/admin/v1{one.path}", method) for one in ROUTES for method in (one.methods or ()))
WHAT_ROOT_READS = "/-/admin/v1/info"


@dataclasses.dataclass(frozen=True)
class Caller:
    """A key, perhaps with a token, and the codes by which it is refused."""

    access: str
    secret: str
    codes: tuple[str, ...]
    token: str | None = None


@pytest.fixture(scope="module")
def callers(server: Running) -> Iterator[dict[str, Caller]]:
    iam = server.client("iam")
    name = f"A{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key, inactive = (iam.create_access_key(UserName=name)["AccessKey"] for _ in range(2))
    iam.update_access_key(UserName=name, AccessKeyId=inactive["AccessKeyId"], Status="Inactive")
    admin(server, "user", "create", name + "2")
    suspended = admin(server, "key", "create", name + "2")
    admin(server, "user", "suspend", name + "2")
    account = admin(server, "account", "create", name)["id"]
    closed = admin(server, "key", "create", "--account", account)
    admin(server, "account", "suspend", account)
    narrowed = admin(server, "service-account", "create", name, "--policy", "-", stdin=_ANYTHING)
    session = server.client("sts").get_session_token()["Credentials"]
    unknown = ("InvalidAccessKeyId",)
    yield {
        "unknown": Caller("AKIANOBODYHASTHISKEY", "x" * 40, unknown),
        "wrong secret": Caller(ROOT_USER, ROOT_PASSWORD + "x", ("SignatureDoesNotMatch",)),
        "administrator of root's account": _caller(key, "AccessDenied"),
        "inactive": _caller(inactive, *unknown),
        "suspended": _caller(suspended, *unknown),
        "root of a suspended account": _caller(closed, "AccountProblem"),
        "root of another account": Caller(ALICE.access, ALICE.secret, ("AccessDenied",)),
        "narrowed key of root": Caller(narrowed["access_key"], narrowed["secret_key"], ("AccessDenied",)),
        "session of root": dataclasses.replace(_caller(session, "InvalidToken"), token=session["SessionToken"]),
    }
    admin(server, "service-account", "delete", narrowed["access_key"])


WHO = (
    *("unknown", "wrong secret", "administrator of root's account", "inactive", "suspended"),
    *("root of a suspended account", "root of another account", "narrowed key of root", "session of root"),
)
_ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def _caller(key: Any, *codes: str) -> Caller:
    return Caller(key["AccessKeyId"], key["SecretAccessKey"], codes)


def ask(server: Running, path: str, method: str, caller: Caller) -> tuple[int, Any]:
    request = AWSRequest(method, server.endpoint + path, data=b"{}" if method == "POST" else b"")
    S3SigV4Auth(Credentials(caller.access, caller.secret, caller.token), "s3", "us-east-1").add_auth(request)
    answer = server.request(method, path, request.data or None, dict(request.headers))
    return answer.status, json.loads(answer.data) if method != "HEAD" else None  # type: ignore[attr-defined]


def test_root_is_answered(server: Running) -> None:
    assert ask(server, WHAT_ROOT_READS, "GET", Caller(ROOT_USER, ROOT_PASSWORD, ()))[0] == 200
    assert {path for path, _ in PAGES} > {WHAT_ROOT_READS, "/-/admin/v1/accounts", "/-/admin/v1/policy/explain"}


@pytest.mark.parametrize(("path", "method"), PAGES)
def test_nobody_is_refused(server: Running, path: str, method: str) -> None:
    answer = server.request(method, path, b"{}" if method == "POST" else None)
    assert answer.status == 403
    assert method == "HEAD" or json.loads(answer.data)["code"] == "AccessDenied"  # type: ignore[attr-defined]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("path", "method"), PAGES)
def test_whoever_is_not_root_is_refused(
    server: Running, callers: dict[str, Caller], path: str, method: str, who: str
) -> None:
    caller = callers[who]
    status, answer = ask(server, path, method, caller)
    assert status in (400, 403)
    assert method == "HEAD" or answer["code"] in caller.codes
