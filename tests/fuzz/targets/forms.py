"""POST forms: multipart bodies cut anywhere, their policies, signatures and what they stand for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator

from objstore.aws import post_object
from objstore.aws.domains import Domains
from objstore.aws.forms import read_form
from objstore.aws.http import read_request
from objstore.aws.parsing import Parser
from objstore.aws.serialising import Response
from objstore.aws.service import operation_model
from tests.aws.requests import ACCESS_KEY, NOW, REGION, SECRET, credentials
from tests.fuzz.target import Target, designed, pieces
from tests.fuzz.targets import heads

_PUT = Parser(operation_model("PutObject"))
MOST_CUTS = 100
_LOOP = asyncio.new_event_loop()
_HEAD = heads.write("x", "POST", "/bucket", {"host": "s3.example.com", "content-type": "multipart/form-data"})


def run(data: bytes) -> None:
    mode, kind, body = pieces(data, 3)
    step = max((mode[0] if mode else 255) + 1, len(body) // MOST_CUTS)
    _LOOP.run_until_complete(_upload(kind.decode("latin-1"), body, step))


async def _upload(kind: str, body: bytes, step: int) -> None:
    async def source() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    head = heads.read(_HEAD)
    assert head is not None
    with designed():
        request = read_request(head.scope, Domains())
        form = await read_form(source(), kind)
        upload = post_object.upload(request, form, credentials, region=REGION, now=NOW)
        _PUT.head(upload.request)
        more = True
        while more:
            more = (await upload.receive())["more_body"]
        await form.drain()
        upload.answer(Response(200, []), '"etag"')


def _seed(fields: dict[str, str], file: bytes = b"file", step: int = 255) -> bytes:
    parts = [f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    parts.append('--X\r\nContent-Disposition: form-data; name="file"; filename="a\\b.txt"\r\nContent-Type: a/b\r\n\r\n')
    body = "".join(parts).encode() + file + b"\r\n--X--\r\n"
    return bytes([step]) + b"\0multipart/form-data; boundary=X\0" + body


def _policy(*conditions: object) -> str:
    document = {"expiration": "2030-01-01T00:00:00.000Z", "conditions": [*conditions]}
    return base64.b64encode(json.dumps(document).encode()).decode()


def _signed(fields: dict[str, str]) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(SECRET.encode(), fields["policy"].encode(), hashlib.sha1).digest()).decode()
    return fields | {"AWSAccessKeyId": ACCESS_KEY, "signature": signature}


_FIELDS = {
    "key": "a/${filename}",
    "acl": "private",
    "success_action_status": "201",
    "x-amz-meta-a": "b",
    "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
}
TARGET = Target(
    "forms",
    run,
    (
        _seed(_FIELDS),
        _seed(_FIELDS, b"x" * 3000, 7),
        _seed(
            _signed(
                _FIELDS
                | {"policy": _policy({"bucket": "bucket"}, ["starts-with", "$key", ""], ["content-length-range", 0, 9])}
            )
        ),
        _seed(_FIELDS | {"success_action_redirect": "http://example.com/a?b=c#d", "content-type": "a/b"}),
        _seed(
            _FIELDS
            | {
                "policy": _policy({"acl": "private"}),
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": f"{ACCESS_KEY}/20130524/{REGION}/s3/aws4_request",
                "x-amz-date": "20130524T000000Z",
                "x-amz-signature": "00",
            }
        ),
    ),
    words=(
        *('Content-Disposition: form-data; name="', '"; filename="', "\r\n\r\n", "--X\r\n", "--X--", "boundary="),
        *("starts-with", "content-length-range", '"conditions":', '"expiration":', "${filename}", "$key", "policy"),
        *("x-amz-signature", "success_action_redirect", "filename*=utf-8''", "[]", "{}", "1e999", "NaN", "\\u0000"),
    ),
    longest=8192,
)
