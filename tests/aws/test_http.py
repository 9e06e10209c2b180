"""Requests are read byte for byte: keys are never paths, and what is not text is refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError
from objstore.aws.http import MAX_HEADERS, MAX_TARGET, Request, read_request


def read(path: bytes, query: bytes = b"", domains: tuple[str, ...] = (), **headers: str) -> Request:
    scope: dict[str, Any] = {
        "method": "GET",
        "raw_path": path,
        "query_string": query,
        "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    return read_request(scope, Domains(domains))


def code(path: bytes, query: bytes = b"", **headers: str) -> str:
    with pytest.raises(AwsError) as caught:
        read(path, query, **headers)
    return caught.value.code


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [
        (b"/", None, None),
        (b"/b", "b", None),
        (b"/b/", "b", None),
        (b"/b/k", "b", "k"),
        (b"/b//k", "b", "/k"),
        (b"/b/a/../k", "b", "a/../k"),
        (b"/b/./", "b", "./"),
        (b"/b/a+b%20c%2Fd", "b", "a+b c/d"),
        (b"/b%2Fk", "b", "k"),
        ("/b/ä".encode(), "b", "ä"),
    ],
)
def test_a_path_names_bucket_and_key(path: bytes, bucket: str | None, key: str | None) -> None:
    request = read(path)
    assert (request.bucket, request.key, request.raw_path) == (bucket, key, path)


@given(st.text(min_size=1, max_size=50))
def test_any_text_may_be_a_key(key: str) -> None:
    if not key.isprintable():
        key = key.encode("utf-8", "replace").decode()
    assert read(f"/b/{quote(key, safe='')}".encode()).key == key
    assert read(f"/{quote(key, safe='/')}".encode(), domains=("d",), host="b.d").key == key


@given(st.lists(st.tuples(st.text("ab=&+% é", min_size=1), st.text("ab=&+% é"))))
def test_parameters_keep_order_and_duplicates(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    assert read(b"/", query.encode()).query == pairs


def test_a_parameter_may_lack_its_value_and_plus_is_a_blank() -> None:
    assert read(b"/", b"acl&a+b=c+d&&e=").query == [("acl", ""), ("a b", "c d"), ("e", "")]


@pytest.mark.parametrize("path", [b"/b/%", b"/b/%zz", b"/b/%f", b"/b/%ff", b"/b/\xff", b"/%c3/k", b"/b/%ed%a0%80"])
def test_what_is_not_utf8_is_no_uri(path: bytes) -> None:
    assert code(path) == "InvalidURI"
    assert code(b"/", b"prefix=" + path) == "InvalidURI"


def test_bounds() -> None:
    assert code(b"/b/" + b"k" * MAX_TARGET) == "InvalidURI"
    assert code(b"/b", big="v" * MAX_HEADERS) == "RequestHeaderSectionTooLarge"
    assert code(b"//k") == "InvalidBucketName"


def test_headers_sent_twice_are_joined() -> None:
    scope = {"method": "GET", "raw_path": b"/", "headers": [(b"X-Amz-Meta-A", b"1"), (b"x-amz-meta-a", b"2")]}
    assert read_request(scope, Domains()).headers == {"x-amz-meta-a": "1,2"}


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("photos.s3.example.com", "photos"),
        ("photos.S3.example.com:9000", "photos"),
        ("my.dotted.bucket.example.org", "my.dotted.bucket"),
        ("s3.example.com", None),
        ("s3.example.com.:9000", None),
        ("example.org", None),
        ("evils3.example.com", None),
        ("127.0.0.1:9000", None),
        ("[::1]:9000", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_a_host_below_a_domain_names_a_bucket(host: str, bucket: str | None) -> None:
    request = read(b"/k/l", domains=("s3.example.com", "Example.org."), host=host)
    assert request.host_bucket == bucket
    assert (request.bucket, request.key) == ((bucket, "k/l") if bucket else ("k", "l"))


def test_the_longer_domain_counts() -> None:
    assert Domains(["example.com", "s3.example.com"]).bucket_of("b.s3.example.com") == "b"


def test_headers_that_a_signer_moved_into_the_url_come_back() -> None:
    request = read(b"/b/k", b"X-Amz-Acl=private&X-Amz-Signature=s&x-amz-meta-a=1", x_amz_meta_a="2")
    request.adopt_hoisted()
    assert request.headers == {"x-amz-acl": "private", "x-amz-meta-a": "2"}
