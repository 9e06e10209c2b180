"""A line of an access log has its fields, whatever a client sends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.authentication import Scheme
from objstore.aws.exchange import Exchange
from objstore.aws.http import Request
from objstore.aws.service import service
from objstore.s3.access_logging import names
from objstore.s3.access_logging.records import About, line
from objstore.store.types import Bucket, Owner
from tests.front.test_access_logging import parse

BUCKET = Bucket(1, "bucket", Owner("owner"), 0)
anything = st.text(max_size=40)
header = st.text(st.characters(max_codepoint=255), max_size=40)
# What an HTTP server lets through as a path or query.
target = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


def asked(path: str = "/bucket/k", query: str = "", key: str | None = "k", **headers: str) -> Exchange:
    request = Request(
        *("GET", path.encode("latin-1"), query.encode("latin-1"), headers, [], headers.get("host", "h"), None),
        *("bucket", key),
        client="127.0.0.1",
    )
    exchange = Exchange("GET", request=request, operation="GetObject", status=200)
    call: Any = SimpleNamespace(notes={}, scheme=Scheme.V4_HEADER)
    exchange.call = call
    exchange.finished = exchange.started + 0.25
    return exchange


@given(target, target, anything, header, header, header)
def test_no_client_writes_a_field_or_a_line_of_its_own(
    path: str, query: str, key: str, agent: str, referer: str, host: str
) -> None:
    exchange = asked("/" + path, query, key, **{"user-agent": agent, "referer": referer, "host": host})
    data = line(exchange, BUCKET, 1_700_000_000.0)
    assert data.endswith(b"\n") and data.count(b"\n") == 1
    fields = parse(data.decode()[:-1])
    assert (fields["time"], fields["total"], fields["turnaround"]) == ("[14/Nov/2023:22:13:20 +0000]", "250", "-")
    assert (fields["operation"], fields["access_point"]) == ("REST.GET.OBJECT", "-")
    assert fields["key"] != ""


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("X-Amz-Signature=abc&x=1", "X-Amz-Signature=REDACTED&x=1"),
        ("x=1&X-Amz-Security-Token=abc", "x=1&X-Amz-Security-Token=REDACTED"),
        ("x-amz-signature=abc", "x-amz-signature=REDACTED"),
        ("AWSAccessKeyId=A&Signature=abc%3D&Expires=1", "AWSAccessKeyId=A&Signature=REDACTED&Expires=1"),
        ("my-signature=abc", "my-signature=abc"),
    ],
)
def test_what_would_let_a_reader_in_is_left_out(query: str, shown: str) -> None:
    fields = parse(line(asked(query=query), BUCKET, 0.0).decode()[:-1])
    assert fields["uri"] == f"GET /bucket/k?{shown} HTTP/1.1"


def test_a_line_may_be_about_another_key() -> None:
    about = About(names.ONE_OF_MANY, "other key", "v1", 403, "AccessDenied")
    fields = parse(line(asked(), BUCKET, 0.0, about).decode()[:-1])
    told = ("BATCH.DELETE.OBJECT", "other%20key", "403", "AccessDenied", "v1")
    assert tuple(fields[name] for name in ("operation", "key", "status", "error", "version")) == told


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("GetBucketPolicy", "REST.GET.BUCKETPOLICY"),
        ("PutBucketLogging", "REST.PUT.LOGGING_STATUS"),
        ("PutBucketLifecycleConfiguration", "REST.PUT.LIFECYCLE"),
        ("GetPublicAccessBlock", "REST.GET.PUBLIC_ACCESS_BLOCK"),
        ("GetBucketRequestPayment", "REST.GET.REQUEST_PAYMENT"),
        ("ListObjectsV2", "REST.GET.BUCKET"),
        ("ListObjects", "REST.GET.BUCKET"),
        ("HeadBucket", "REST.HEAD.BUCKET"),
        ("PutObjectRetention", "REST.PUT.RETENTION"),
        ("GetBucketWebsite", "REST.GET.WEBSITE"),
    ],
)
def test_operations_have_the_names_that_logs_give_them(operation: str, name: str) -> None:
    assert names.logged(operation) == name


def test_every_operation_has_a_name() -> None:
    for operation in service().operation_names:
        assert names.logged(operation).startswith("REST.")
