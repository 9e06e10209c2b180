"""Whoever fails to sign again and again is told to slow down, by every door; whoever signs rightly is not held up.

Clients are told apart by their address: each test has one of the loopback's to itself.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.front.wire import Answer, Signer
from tests.harness import Running, serving

BURST = 4
SETTINGS = f"""
[limits]
failed_signatures = 0.001
failed_signatures_burst = {BURST}
[[users]]
id = "alice"
name = "Alice"
access_key = "alices-key"
secret_key = "alices-secret"
"""
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
WRONG = Signer(secret="not-the-password")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with one worker that gives a token in a quarter of an hour."""
    folder = tmp_path_factory.mktemp("strict")
    config = folder / "objstore.toml"
    config.touch(0o600)
    config.write_text(SETTINGS)
    with serving(folder / "server", drives=1, arguments=("--config", str(config))) as running:
        running.client().create_bucket(Bucket="bucket")
        yield running


@dataclass(frozen=True)
class Client:
    """A client at an address of its own."""

    server: Running
    address: str

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, timeout=30, source_address=(self.address, 0)
        )
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def signed(self, signer: Signer, path: str = "/bucket", method: str = "GET") -> Answer:
        return self.send(method, path, signer.headers(method, f"127.0.0.1:{self.server.port}", path, EMPTY))


def codes(answers: list[Answer]) -> list[tuple[str, int]]:
    return [answer.error for answer in answers]


REFUSED, SLOW = ("SignatureDoesNotMatch", 403), ("SlowDown", 503)


def test_a_burst_then_nothing_is_tried_any_more(strict: Running) -> None:
    client = Client(strict, "127.0.0.11")
    answers = [client.signed(WRONG) for _ in range(BURST + 2)]
    assert codes(answers) == [REFUSED] * BURST + [SLOW] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 1000
    assert client.signed(Signer()).error == SLOW, "a right guess is not told from a wrong one"
    assert client.signed(Signer("alices-key", "alices-secret"), "/").status == 200, "another key behind the address"
    assert Client(strict, "127.0.0.12").signed(Signer()).status == 200, "the same key from elsewhere"
    assert client.send("GET", "/bucket", {}).error == ("AccessDenied", 403), "who does not sign does not fail to"


def test_who_signed_rightly_goes_on_beside_a_neighbour_that_does_not(strict: Running) -> None:
    client = Client(strict, "127.0.0.13")
    assert client.signed(Signer()).status == 200
    assert codes([client.signed(WRONG) for _ in range(BURST + 8)]) == [REFUSED] * BURST + [SLOW] * 8
    for _ in range(20):
        assert client.signed(Signer()).status == 200


def test_heads_are_told_without_a_document(strict: Running) -> None:
    client = Client(strict, "127.0.0.14")
    answers = [client.signed(WRONG, method="HEAD") for _ in range(BURST + 1)]
    assert [answer.status for answer in answers] == [403] * BURST + [503]
    assert "retry-after" in answers[-1].headers


def presigned(strict: Running) -> str:
    url: str = strict.client(secret="not-the-password").generate_presigned_url(
        "get_object", {"Bucket": "b", "Key": "k"}
    )
    return url.removeprefix(strict.endpoint)


def test_presigned_urls(strict: Running) -> None:
    client, path = Client(strict, "127.0.0.15"), presigned(strict)
    assert codes([client.send("GET", path, {}) for _ in range(BURST + 1)]) == [REFUSED] * BURST + [SLOW]


def test_forms(strict: Running) -> None:
    client = Client(strict, "127.0.0.16")
    post = strict.client(secret="not-the-password").generate_presigned_post("bucket", "key")
    parts = [f'--X\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in post["fields"].items()]
    body = "".join(parts) + '--X\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--X--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=X"}
    answers = [client.send("POST", "/bucket", headers, body.encode()) for _ in range(BURST + 1)]
    assert codes(answers) == [REFUSED] * BURST + [SLOW]


def test_iam_and_sts(strict: Running) -> None:
    client = Client(strict, "127.0.0.17")
    query = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    date = WRONG.date()
    credential = f"{WRONG.access}/{date[:8]}/us-east-1/sts/aws4_request"
    claim = f"Credential={credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    headers = {"x-amz-date": date, "authorization": f"AWS4-HMAC-SHA256 {claim}"}
    answers = [client.send("GET", f"/?{query}", headers) for _ in range(BURST + 1)]
    assert codes(answers) == [REFUSED] * BURST + [SLOW]
    assert "retry-after" in answers[-1].headers


def test_the_admin_api(strict: Running) -> None:
    client = Client(strict, "127.0.0.18")
    answers = [client.signed(WRONG, "/-/admin/v1/info") for _ in range(BURST + 1)]
    assert [(json.loads(answer.body)["code"], answer.status) for answer in answers] == [REFUSED] * BURST + [SLOW]
    assert "retry-after" in answers[-1].headers


def test_keys_that_do_not_exist(strict: Running) -> None:
    client = Client(strict, "127.0.0.19")
    answers = [client.signed(Signer(access=f"AKIA{number:016}")) for number in range(BURST + 1)]
    assert codes(answers) == [("InvalidAccessKeyId", 403)] * BURST + [SLOW]
    assert client.signed(Signer()).status == 200


def test_it_is_counted_and_told_once(strict: Running) -> None:
    client = Client(strict, "127.0.0.20")
    for _ in range(BURST + 3):
        client.signed(WRONG)
    page = strict.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
    counts = dict(re.findall(r'objstore_failed_signatures_total\{answered="(\w+)"\} ([\d.]+)', page))
    assert float(counts["wrong"]) >= BURST and float(counts["slowed"]) >= 3
    lines: list[dict[str, Any]] = [json.loads(one) for one in strict.log.read_text().splitlines() if one[:1] == "{"]
    assert [one for one in lines if one["level"] == "error"] == []
    assert sum("told to slow down" in one["message"] for one in lines) == 1


@pytest.mark.parametrize("setting", ["failed_signatures = -1", "failed_signatures_burst = 0"])
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, setting: str) -> None:
    from objstore.server.settings import SettingsError, load

    (tmp_path / "objstore.toml").write_text(f"[limits]\n{setting}\n")
    with pytest.raises(SettingsError, match="failed_signatures"):
        load({}, [str(tmp_path)], tmp_path / "objstore.toml", {})
