"""A request that is not signed as it should be is refused with AWS's code, before anything is done.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.front.wire import UNSIGNED, Signer, absent, exchange, send
from tests.harness import Running


def put(server: Running, bucket: str, **more: Any) -> tuple[str, int]:
    answer = send(server, "PUT", f"/{bucket}/k", b"body", **more)
    assert answer.status == 200 or (b"<Message>" in answer.body and answer.headers["x-amz-request-id"])
    return answer.error


@pytest.mark.parametrize(
    ("signer", "error"),
    [
        (Signer(secret="wrong"), ("SignatureDoesNotMatch", 403)),
        (Signer(access="AKNOBODY"), ("InvalidAccessKeyId", 403)),
        (Signer(skew=-16 * 60), ("RequestTimeTooSkewed", 403)),
        (Signer(skew=+16 * 60), ("RequestTimeTooSkewed", 403)),
        (Signer(region="mars-north-1"), ("AuthorizationHeaderMalformed", 400)),
        (Signer(skew=-14 * 60), ("", 200)),
    ],
)
def test_who_signs(server: Running, s3: Any, bucket: str, signer: Signer, error: tuple[str, int]) -> None:
    assert put(server, bucket, signer=signer) == error
    assert absent(s3, bucket, "k") == (error[1] != 200)


@pytest.mark.parametrize(
    ("forged", "error"),
    [
        ({"x-amz-meta-added": "later"}, ("AccessDenied", 403)),
        ({"x-amz-content-sha256": UNSIGNED}, ("SignatureDoesNotMatch", 403)),
        ({"x-amz-content-sha256": "nonsense"}, ("InvalidArgument", 400)),
        ({"x-amz-date": "yesterday"}, ("AccessDenied", 403)),
        ({"authorization": "AWS4-HMAC-SHA256 nonsense"}, ("AuthorizationHeaderMalformed", 400)),
        ({"authorization": "Bearer token"}, ("InvalidArgument", 400)),
    ],
)
def test_what_is_changed_after_signing(
    server: Running, s3: Any, bucket: str, forged: dict[str, str], error: tuple[str, int]
) -> None:
    assert put(server, bucket, forged=forged) == error
    assert absent(s3, bucket, "k")


def test_a_body_other_than_the_one_signed(server: Running, s3: Any, bucket: str) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    assert put(server, bucket, payload=other) == ("XAmzContentSHA256Mismatch", 400)
    large = send(server, "PUT", f"/{bucket}/k", b"x" * 6_000_000, payload=other)
    assert large.error == ("XAmzContentSHA256Mismatch", 400)
    assert absent(s3, bucket, "k")


def test_two_signatures_at_once(server: Running, s3: Any, bucket: str) -> None:
    path = f"/{bucket}/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
    assert send(server, "GET", path).error == ("InvalidArgument", 400)


def test_an_anonymous_write(server: Running, s3: Any, bucket: str) -> None:
    host = {"host": f"127.0.0.1:{server.port}", "content-length": "1"}
    assert exchange(server, "PUT", f"/{bucket}/k", host, b"x").error == ("AccessDenied", 403)
    assert absent(s3, bucket, "k")


def test_a_method_that_s3_does_not_have(server: Running, bucket: str) -> None:
    assert send(server, "PATCH", f"/{bucket}/k").error == ("MethodNotAllowed", 405)


def test_a_wrong_region_is_told_the_right_one_even_without_a_document(server: Running, bucket: str) -> None:
    answer = send(server, "HEAD", f"/{bucket}/k", signer=Signer(region="mars-north-1"))
    assert (answer.status, answer.headers["x-amz-bucket-region"]) == (400, "us-east-1")
