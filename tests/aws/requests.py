"""Requests made and signed by other hands: botocore's signers, and an encoder of `aws-chunked` of its own."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from objstore.aws.principal import Credential, Principal

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # AWS's own example
REGION = "us-east-1"
NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
ALICE = Principal(id="a" * 64, name="alice", arn="arn:aws:iam:::user/alice", access_key=ACCESS_KEY)


def credentials(access_key: str) -> Credential | None:
    return Credential(ACCESS_KEY, SECRET, ALICE) if access_key == ACCESS_KEY else None


@dataclass
class Sent:
    """A request as the wire hands it over."""

    method: str
    raw_path: bytes
    raw_query: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    host_bucket: str | None = None

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.raw_query.decode("ascii"), keep_blank_values=True)


def send(method: str, url: str, headers: dict[str, str]) -> Sent:
    """The request that a client makes of a URL and headers."""
    parts = urlsplit(url)
    lower = {name.lower(): value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
    lower.setdefault("host", parts.netloc)
    return Sent(method, parts.path.encode("ascii"), parts.query.encode("ascii"), lower)


def sign(
    signer: str,
    method: str,
    url: str,
    headers: dict[str, str] | None = None,
    *,
    data: bytes = b"",
    params: dict[str, str] | None = None,
    now: float = NOW,
    secret: str = SECRET,
    region: str = REGION,
    **options: Any,
) -> Sent:
    """Has botocore's signer of that name sign a request, and gives what the server would see."""
    request = AWSRequest(method, url, headers=headers or {}, data=data, params=params or {})
    moment = datetime.fromtimestamp(now, UTC)
    keys = BotoCredentials(ACCESS_KEY, secret)
    with (
        mock.patch("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: moment.replace(tzinfo=None)),
        mock.patch("botocore.auth.formatdate", lambda *_, **__: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        mock.patch("botocore.auth.time.time", lambda: now),
    ):
        if signer.startswith("Hmac"):
            getattr(botocore.auth, signer)(keys, **options).add_auth(request)
        else:
            getattr(botocore.auth, signer)(keys, "s3", region, **options).add_auth(request)
    prepared = request.prepare()
    sent = {name: str(value) for name, value in request.headers.items()}
    return send(method, prepared.url, sent)


def chunked(
    chunks: list[bytes],
    *,
    seed: str | None = None,
    trailers: dict[str, str] | None = None,
    signed_trailer: bool = False,
    day: str = "20130524",
    date: str = "20130524T000000Z",
) -> bytes:
    """Encodes a body as `aws-chunked`; signed from the seed signature on when there is one."""
    key = f"AWS4{SECRET}".encode()
    for step in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    scope = f"{day}/{REGION}/s3/aws4_request"
    out = []
    for chunk in [*chunks, b""]:
        line = f"{len(chunk):x}"
        if seed is not None:
            hashes = f"{hashlib.sha256().hexdigest()}\n{hashlib.sha256(chunk).hexdigest()}"
            text = f"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{seed}\n{hashes}"
            seed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
            line += f";chunk-signature={seed}"
        out.append(line.encode() + b"\r\n")
        if chunk:
            out.append(chunk + b"\r\n")
    for name, value in (trailers or {}).items():
        out.append(f"{name}:{value}\r\n".encode())
    if signed_trailer:
        lines = "".join(f"{name}:{value}\n" for name, value in (trailers or {}).items())
        text = f"AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{seed}\n{hashlib.sha256(lines.encode()).hexdigest()}"
        out.append(f"x-amz-trailer-signature:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}\r\n".encode())
    return b"".join([*out, b"\r\n"])
