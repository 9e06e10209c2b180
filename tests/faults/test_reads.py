"""Reads beside writes, deletes and the reaper: whoever is held up between looking an object up and reading it gets an
object that is whole, the one that it found or the one that is there by now."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.faults.cluster import sql
from tests.front.wire import refused, until
from tests.harness import Running, serving

BUCKET = "bucket"
SIZE = 2_000_000  # more than is read at once
SEALED = {"ServerSideEncryption": "aws:kms"}


class Keeper:
    """A keeper of keys, which a server asks between the two: it answers when it may."""

    def __init__(self) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.go.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                asked = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
                key = os.urandom(32)
                if "ciphertext" in asked:
                    key = base64.b64decode(asked["ciphertext"].rpartition(":")[2])
                    self.asked.set()
                    self.go.wait(60)
                told = base64.b64encode(key).decode()
                answer = json.dumps({"data": {"plaintext": told, "ciphertext": f"vault:v1:{told}"}}).encode()
                handler.send_response(200)
                handler.send_header("content-length", str(len(answer)))
                handler.end_headers()
                handler.wfile.write(answer)

            def log_message(handler, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def hold(self) -> None:
        """Answer nothing before `go`."""
        self.asked.clear()
        self.go.clear()

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def keeper() -> Iterator[Keeper]:
    with contextlib.closing(Keeper()) as keeper:
        yield keeper


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keeper: Keeper) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("reads")
    (folder / "token").write_text("a token\n")
    (folder / "token").chmod(0o600)
    config = folder / "objstore.toml"
    vault = f'[kms.vault]\naddress = "{keeper.address}"\ntoken_file = "{folder / "token"}"\ntimeout = 60.0\n'
    config.write_text(f'reap_grace = 0.0\n[kms]\nengine = "vault"\n{vault}')
    with serving(folder, arguments=("--config", str(config))) as running:
        running.client().create_bucket(Bucket=BUCKET)
        yield running


def held_up(
    server: Running,
    keeper: Keeper,
    key: str,
    meanwhile: Callable[[], Any],
    read: Callable[[], Any],
    **more: Any,
) -> Any:
    """What `read` brings of an object in a blob of many, held up until what happens `meanwhile` to it is cleaned up."""
    s3 = server.client()
    s3.put_object(Bucket=BUCKET, Key=key, Body=os.urandom(SIZE), **SEALED, **more)
    keeper.hold()
    with ThreadPoolExecutor(1) as pool:
        try:
            reading = pool.submit(read)
            assert keeper.asked.wait(30)
            meanwhile()
            until(lambda: sql(server, "SELECT count(*) FROM garbage") == [(0,)], "what it was is given back")
        finally:
            keeper.go.set()
        return reading.result()


ONCE = {"retries": {"total_max_attempts": 1}}


def get(client: Any, key: str) -> Callable[[], tuple[str, bytes]]:
    def read() -> tuple[str, bytes]:
        answer = client.get_object(Bucket=BUCKET, Key=key)
        return answer["ETag"], answer["Body"].read()

    return read


def test_a_read_of_what_is_overwritten_meanwhile_gets_the_newer_object(server: Running, keeper: Keeper) -> None:
    s3, newer = server.client(**ONCE), os.urandom(SIZE + 1)
    etag, body = held_up(
        server, keeper, "over", lambda: s3.put_object(Bucket=BUCKET, Key="over", Body=newer), get(s3, "over")
    )
    assert body == newer and etag == s3.head_object(Bucket=BUCKET, Key="over")["ETag"]


def test_a_read_of_what_is_deleted_meanwhile_finds_nothing(server: Running, keeper: Keeper) -> None:
    s3 = server.client(**ONCE)
    with refused("NoSuchKey", 404):
        held_up(server, keeper, "gone", lambda: s3.delete_object(Bucket=BUCKET, Key="gone"), get(s3, "gone"))


def test_a_reader_who_may_not_read_what_it_is_by_now_is_refused(server: Running, keeper: Keeper) -> None:
    s3, iam = server.client(), server.client("iam")
    iam.create_user(UserName="reader")
    statement = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/for": "readers"}},
    }
    allow = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=allow)
    given = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = server.client("s3", given["AccessKeyId"], given["SecretAccessKey"], **ONCE)
    with refused("AccessDenied", 403):
        held_up(
            server,
            keeper,
            "secret",
            lambda: s3.put_object(Bucket=BUCKET, Key="secret", Body=os.urandom(SIZE)),
            get(reader, "secret"),
            Tagging="for=readers",
        )
