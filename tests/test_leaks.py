"""The search for secrets in logs finds what it is for: each kind is noted where it arises, and found in any form."""

from __future__ import annotations

import base64
import json
import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from tests import leaks
from tests.admin import admin
from tests.front.people import ALICE
from tests.front.wire import send
from tests.harness import ROOT_PASSWORD, Running
from tests.leaks import LEDGER, Ledger

SECRET = 'a "secret"/with+signs'
SIGNATURE = "0123456789abcdef" * 4


def ledger(folder: Path, text: str) -> Ledger:
    log = folder / "log"
    log.write_text(text)
    made = Ledger(logs={log, folder / "gone"})
    made.secret(SECRET, "the secret")
    made.signature(SIGNATURE)
    return made


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET.encode().hex(),
        json.dumps({"message": SECRET}),
        f"GET /?X-Amz-Signature={SIGNATURE}&x",
    ],
)
def test_a_secret_is_found_however_it_is_written(tmp_path: Path, written: str) -> None:
    found = ledger(tmp_path, f"one line\nbefore {written} after\nanother line\n").found()
    assert len(found) == 1
    assert "before" in found[0] and "after" in found[0] and "line" not in found[0]
    assert SECRET not in found[0] and SIGNATURE not in found[0]


def test_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    other = "f" * 64
    assert ledger(tmp_path, f"a secret with signs, {other}, {SIGNATURE[:-1]}\n").found() == []


def test_what_a_first_start_shows_once_is_no_leak(tmp_path: Path) -> None:
    assert ledger(tmp_path, f"shown:\n    OBJSTORE_ROOT_PASSWORD={SIGNATURE}\n").found() == []
    assert len(ledger(tmp_path, f"shown:\n    OBJSTORE_ROOT_PASSWORD={SIGNATURE} again\n").found()) == 1


def noted(secret: str | bytes) -> bool:
    raw = secret.encode() if isinstance(secret, str) else secret
    return raw in LEDGER.secrets or raw in LEDGER.signatures


def test_every_kind_of_secret_is_noted_where_it_arises(server: Running, s3: Any, bucket: str) -> None:
    assert server.log in LEDGER.logs and server.log.with_name("access.log") in LEDGER.logs
    assert noted(ROOT_PASSWORD)
    ALICE.client(server).list_buckets()
    assert noted(ALICE.secret)
    iam = server.client("iam")
    iam.create_user(UserName="leaks")
    made = iam.create_access_key(UserName="leaks")["AccessKey"]
    assert noted(made["SecretAccessKey"])
    given = server.client("sts", made["AccessKeyId"], made["SecretAccessKey"]).get_session_token()["Credentials"]
    assert noted(given["SecretAccessKey"]) and noted(given["SessionToken"])
    robot = admin(server, "service-account", "create", "leaks", "--user", "leaks")
    assert noted(robot["secret_key"])
    admin(server, "service-account", "delete", robot["access_key"])
    iam.delete_access_key(UserName="leaks", AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName="leaks")

    key = os.urandom(32)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSECustomerAlgorithm="AES256", SSECustomerKey=key)
    assert noted(key) and noted(base64.b64encode(key).rstrip(b"=")[:-2])

    for version in ("s3", "s3v4"):
        signing = server.client(signature_version=version)
        url = signing.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
        assert noted(dict(parse_qsl(url.partition("?")[2]))["Signature" if version == "s3" else "X-Amz-Signature"])
        post = signing.generate_presigned_post(bucket, "k")["fields"]
        assert noted(post["signature" if version == "s3" else "x-amz-signature"])
    before = len(LEDGER.signatures)
    send(server, "GET", f"/{bucket}")
    s3.list_buckets()
    assert len(LEDGER.signatures) == before + 2


def test_what_is_logged_here_is_looked_through(tmp_path: Path) -> None:
    logging.getLogger("objstore.test").warning("a line of test_leaks")
    path = next(path for path in LEDGER.logs if path.name == "logged-in-process")
    assert "a line of test_leaks" in path.read_text()


def test_arguments_that_name_an_access_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, key = Ledger(), "abcdefghijk" * 4
    monkeypatch.setattr(leaks, "LEDGER", mine)
    leaks.note_server(tmp_path / "log", ["--access-log", "", "--access-log", "-"], {"OBJSTORE_MASTER_KEY": key})
    leaks.note_server(tmp_path / "log", ["--access-log", str(tmp_path / "access")], {})
    assert mine.logs == {tmp_path / "log", tmp_path / "access"} and key.encode() in mine.secrets
