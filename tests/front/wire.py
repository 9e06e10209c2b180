"""Requests by hand: a signer of SigV4 of our own, every step of which a test may get wrong on purpose, and raw sockets.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from tests import leaks
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@contextlib.contextmanager
def refused(code: str, status: int) -> Iterator[None]:
    """The block's boto3 call is answered with this code and status, a message and a request id.

    An answer to HEAD has no document: its code is then the status.
    """
    with pytest.raises(ClientError) as caught:
        yield
    response = caught.value.response
    found = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
    assert found == (code, status), response["Error"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    if code != str(status):
        assert response["Error"]["Message"]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error document, empty without one."""
        found = re.search(rb"<Code>(.*?)</Code>", self.body)
        return found[1].decode() if found else ""

    @property
    def error(self) -> tuple[str, int]:
        return self.code, self.status


@dataclass(frozen=True)
class Signer:
    """Signs as one user at one moment; `key` for the chunks that follow."""

    access: str = ROOT_USER
    secret: str = ROOT_PASSWORD
    region: str = "us-east-1"
    skew: float = 0.0

    def date(self) -> str:
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self.skew))

    def scope(self, date: str) -> str:
        return f"{date[:8]}/{self.region}/s3/aws4_request"

    def key(self, date: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for step in (date[:8], self.region, "s3", "aws4_request"):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        return key

    def headers(
        self, method: str, host: str, path: str, payload: str, more: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """All headers of a request to `path`, which may have a query, signed."""
        date = self.date()
        lower = {name.lower(): value for name, value in (more or {}).items()}
        lower |= {"host": host, "x-amz-date": date, "x-amz-content-sha256": payload}
        names = ";".join(sorted(lower))
        where, _, query = path.partition("?")
        pairs = sorted(tuple(part.partition("=")[::2]) for part in query.split("&") if part)
        canonical = "\n".join(
            [
                method,
                where,
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{lower[name].strip()}" for name in sorted(lower)),
                "",
                names,
                payload,
            ]
        )
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{date}\n{self.scope(date)}\n{hashed}"
        signature = hmac.new(self.key(date), text.encode(), hashlib.sha256).hexdigest()
        leaks.LEDGER.signature(signature)
        leaks.LEDGER.secret(self.secret, "a secret key")
        credential = f"{self.access}/{self.scope(date)}"
        lower["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        )
        return lower


def path_of(bucket: str, key: str = "") -> str:
    return f"/{bucket}" + (f"/{quote(key, safe='/-_.~')}" if key else "")


def send(
    server: Running,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    payload: str | None = None,
    signer: Signer | None = None,
    forged: Mapping[str, str] | None = None,
    host: str | None = None,
) -> Answer:
    """Sign and send one request; `forged` headers are set after signing (None removes one)."""
    host = host or f"127.0.0.1:{server.port}"
    payload = hashlib.sha256(body).hexdigest() if payload is None else payload
    signed = (signer or Signer()).headers(method, host, path, payload, headers)
    signed |= forged or {}
    if body or method in ("PUT", "POST"):
        signed.setdefault("content-length", str(len(body)))
    return exchange(server, method, path, signed, body)


def exchange(server: Running, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """Send one request as it is given."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent
            connection.send(body)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def head_of(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Request line and headers as bytes."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes, or an answer of known length has come whole."""
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            data += piece
            head, end, body = bytes(data).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                break
    return bytes(data)


def absent(s3: Any, bucket: str, key: str) -> bool:
    """Nothing of the key is there: no object, no version, not in the listing."""
    versions = s3.list_object_versions(Bucket=bucket, Prefix=key)
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key)
    return "Versions" not in versions and "DeleteMarkers" not in versions and listed["KeyCount"] == 0


def until(
    condition: Any,
    what: str | Callable[[], str],
    seconds: float = 30.0,
    left: Callable[[], Sequence[int]] | None = None,
) -> Any:
    """What `condition` gives as soon as it is true; fails with `what`, which may tell how it is at the end.

    That is after `seconds`, or, where `left` counts what is still to be done, after `seconds` in which none of its
    numbers went down: work that is slow may take its time."""
    before: Sequence[int] = left() if left else ()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        if left:
            now = left()
            if any(one < other for one, other in zip(now, before, strict=True)):
                deadline = time.monotonic() + seconds
            before = now
        time.sleep(0.05)
    what = what if isinstance(what, str) else what()
    if left:
        raise AssertionError(f"no progress within {seconds} s: {what}; left: {left()}, before: {before}")
    raise AssertionError(f"not within {seconds} s: {what}")
