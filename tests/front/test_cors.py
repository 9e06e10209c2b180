"""Pages of other origins: what a bucket's rules let a browser do, told before a request and with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from objstore.s3.cross_origin import fits
from tests.front.test_addressing import fetch
from tests.front.wire import Answer, exchange, refused, send
from tests.harness import Running

RULES: list[dict[str, Any]] = [
    {
        "ID": "uploads",
        "AllowedHeaders": ["x-amz-*", "Content-Type"],
        "AllowedMethods": ["PUT", "POST"],
        "AllowedOrigins": ["https://app.example.com", "https://*.example.org"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["*"]},
]


def ask(server: Running, method: str, path: str, **headers: str) -> Answer:
    sent = {"host": f"127.0.0.1:{server.port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(server, method, path, sent)


def told(answer: Answer) -> dict[str, str]:
    """The headers that are about origins."""
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)}


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    return bucket


def test_rules_come_back_as_they_were_put_and_go(s3: Any, bucket: str) -> None:
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=bucket)
    s3.delete_bucket_cors(Bucket=bucket)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


def rule(**change: Any) -> dict[str, Any]:
    return {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]} | change


@pytest.mark.parametrize(
    ("rules", "code", "message"),
    [
        ([rule(AllowedMethods=["PATCH"])], "InvalidRequest", "Unsupported method is PATCH"),
        ([rule(AllowedMethods=["get"])], "InvalidRequest", "Unsupported method is get"),
        ([rule(AllowedOrigins=["http://*.*.com"])], "InvalidRequest", 'AllowedOrigin "http://*.*.com" can not'),
        ([rule(AllowedHeaders=["*-*"])], "InvalidRequest", 'AllowedHeader "*-*" can not have more than one wildcard.'),
        ([rule(ExposeHeaders=["x-*"])], "InvalidRequest", 'ExposeHeader "x-*" contains wildcard'),
        ([rule(MaxAgeSeconds=-1)], "InvalidRequest", "MaxAgeSeconds"),
        ([rule(ID="x" * 256)], "InvalidArgument", "255"),
        ([rule(ID="twice"), rule(ID="twice")], "InvalidRequest", "unique"),
        ([rule()] * 101, "InvalidRequest", "100 rules"),
        ([rule(AllowedOrigins=[""])], "MalformedXML", "schema"),
        ([], "MalformedXML", "schema"),
    ],
)
def test_rules_that_cannot_be_are_refused(s3: Any, bucket: str, rules: Any, code: str, message: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


def test_a_document_that_is_too_large_is_refused(server: Running, bucket: str) -> None:
    answer = send(server, "PUT", f"/{bucket}?cors=", b"<CORSConfiguration>" + b" " * (64 << 10))
    assert answer.error == ("MaxMessageLengthExceeded", 400)


def test_a_preflight_is_answered_by_the_first_rule_that_allows_it(server: Running, shared: str) -> None:
    answer = ask(
        *(server, "OPTIONS", f"/{shared}/k"),
        origin="https://app.example.com",
        access_control_request_method="PUT",
        access_control_request_headers="Content-Type, X-Amz-Meta-Name",
    )
    assert (answer.status, answer.body) == (200, b"")
    assert told(answer) == {
        "allow-origin": "https://app.example.com",
        "allow-credentials": "true",
        "allow-methods": "PUT, POST",
        "allow-headers": "content-type, x-amz-meta-name",
        "expose-headers": "ETag, x-amz-version-id",
        "max-age": "600",
    }
    assert "Origin" in answer.headers["vary"]
    anybody = ask(server, "OPTIONS", f"/{shared}", origin="http://elsewhere", access_control_request_method="GET")
    assert told(anybody) == {"allow-origin": "*", "allow-methods": "GET, HEAD"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ("BadRequest", 400)),
        ({"origin": "https://app.example.com"}, ("BadRequest", 400)),
        ({"access_control_request_method": "PUT"}, ("BadRequest", 400)),
        ({"origin": "http://elsewhere", "access_control_request_method": "PUT"}, ("AccessForbidden", 403)),
        ({"origin": "https://app.example.com", "access_control_request_method": "DELETE"}, ("AccessForbidden", 403)),
        (
            {
                "origin": "https://app.example.com",
                "access_control_request_method": "PUT",
                "access_control_request_headers": "authorization",
            },
            ("AccessForbidden", 403),
        ),
    ],
)
def test_a_preflight_that_no_rule_allows_is_refused(
    server: Running, shared: str, headers: Mapping[str, str], expected: tuple[str, int]
) -> None:
    answer = ask(server, "OPTIONS", f"/{shared}/k", **headers)
    assert answer.error == expected
    assert told(answer) == {}


def test_a_preflight_where_there_are_no_rules_is_refused(server: Running, bucket: str) -> None:
    asked = {"origin": "http://o", "access_control_request_method": "GET"}
    for path in (f"/{bucket}/k", "/no-such-bucket-at-all/k", "/"):
        assert ask(server, "OPTIONS", path, **asked).error == ("AccessForbidden", 403)


def test_answers_and_errors_tell_the_page_what_it_may_see(server: Running, s3: Any, shared: str) -> None:
    mine, other = {"origin": "https://a.b.example.org"}, {"origin": "https://example.com"}
    put = send(server, "PUT", f"/{shared}/k", b"hello", mine)
    assert (put.status, told(put)["allow-origin"]) == (200, "https://a.b.example.org")
    assert told(put)["expose-headers"] == "ETag, x-amz-version-id"
    assert told(send(server, "GET", f"/{shared}/k", headers=mine)) == {
        "allow-origin": "*",
        "allow-methods": "GET, HEAD",
    }
    refusal = ask(server, "PUT", f"/{shared}/k", content_length="0", **mine)
    assert (refusal.error, told(refusal)["allow-origin"]) == (("AccessDenied", 403), mine["origin"])
    missing = send(server, "GET", f"/{shared}/none", headers=other)
    assert (missing.error, told(missing)["allow-origin"]) == (("NoSuchKey", 404), "*")
    silent = send(server, "PUT", f"/{shared}/k", b"hello", other)
    assert (silent.status, told(silent)) == (200, {})
    assert "Origin" in silent.headers["vary"]
    plain = send(server, "GET", f"/{shared}/k")
    assert told(plain) == {}
    assert "vary" not in plain.headers


def test_a_presigned_url_is_used_from_another_origin(server: Running, shared: str) -> None:
    client = server.client(signature_version="s3v4")
    put = client.generate_presigned_url("put_object", {"Bucket": shared, "Key": "k", "ContentType": "text/plain"})
    path = put.removeprefix(server.endpoint)
    origin = "https://app.example.com"
    asked = {"access_control_request_method": "PUT", "access_control_request_headers": "content-type"}
    assert told(ask(server, "OPTIONS", path, origin=origin, **asked))["allow-headers"] == "content-type"
    answer = fetch(server, "PUT", put, b"hello", origin=origin, content_type="text/plain")
    assert (answer.status, told(answer)["allow-origin"]) == (200, origin)
    get = client.generate_presigned_url("get_object", {"Bucket": shared, "Key": "k"})
    answer = fetch(server, "GET", get, origin=origin)
    assert (answer.body, told(answer)["allow-origin"]) == (b"hello", "*")


@given(st.text("ab*", max_size=3), st.text("ab*", max_size=3), st.text("ab", max_size=5))
def test_one_star_stands_for_any_characters(before: str, after: str, middle: str) -> None:
    before, after = before.replace("*", ""), after.replace("*", "")
    assert fits(f"{before}*{after}", before + middle + after)
    assert not fits(f"{before}*{after}c", before + middle + after)
    assert not fits(f"c{before}*{after}", before + middle + after)
    assert fits(before + after, before + after)
    assert not fits("ab*ba", "aba")
