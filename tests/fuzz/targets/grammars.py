"""Headers and parameters with a grammar of their own: ranges, copy sources, tags, dates, ACLs, metadata, hosts, tokens
of listings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from objstore.aws import checksums, copy_source, http, timestamps
from objstore.aws.domains import Domains
from objstore.aws.serialising import header_value
from objstore.aws.sigv4 import amz_date, canonical
from objstore.aws.sigv4.payload import parse_payload
from objstore.iam import acl
from objstore.iam.users import ROOT
from objstore.s3 import metadata, ranges, tags, tokens
from objstore.s3.website.hosts import Hosts
from objstore.store import versions
from objstore.store.errors import StoreError
from tests.fuzz.target import Target, designed, pieces
from tests.iam.setting import identities

_USERS = identities().users
_DOMAINS = Domains(["s3.example.com", "example.com"])
_HOSTS = Hosts(["web.example.com"], ["www.example.com"])
_SIZES = (0, 1, 10, 1 << 62)


def _range(text: str) -> None:
    for size in _SIZES:
        with designed():
            span = ranges.parse(text, size)
            assert span is None or (span[0] >= 0 and span[1] > 0 and span[0] + span[1] <= size)


def _metadata(text: str) -> None:
    stored = metadata.accept({"a": text})
    for value in metadata.present(stored).values():
        header_value(value)


def _dates(text: str) -> None:
    moment = amz_date.request_time({"date": text})
    amz_date.basic(moment)
    amz_date.require_fresh(moment, 1_400_000_000)


def _path(text: str) -> None:
    raw = text.encode("latin-1")
    canonical.canonical_path(raw)
    canonical.canonical_query(raw, without="a")
    http.split_path(b"/" + raw, None)


def _moment(text: str) -> None:
    timestamps.rfc822(timestamps.parse(text))


def _checksum(text: str) -> None:
    for one in checksums.ALGORITHMS.values():
        with designed():
            checksums.decode(text, one)


def _host(text: str) -> None:
    _DOMAINS.bucket_of(text)
    _HOSTS.bucket_of(text)


_READERS: dict[str, tuple[Callable[[str], Any], tuple[type[Exception], ...]]] = {
    "range": (_range, ()),
    "copy-range": (ranges.parse_copy, ()),
    "copy-source": (copy_source.parse, ()),
    "tagging": (tags.from_header, ()),
    "date": (_dates, ()),
    "moment": (_moment, (ValueError,)),  # which whoever reads a member turns into its error
    "payload": (parse_payload, ()),
    "metadata": (_metadata, ()),
    "checksum": (_checksum, ()),
    "grant": (lambda text: acl.requested({"GrantRead": text}, {}, _USERS, ROOT), ()),
    "host": (_host, ()),
    "path": (_path, ()),
    "query": (lambda text: http.read_query(text.encode("latin-1")), ()),
    "token": (tokens.unpack, ()),
    "version": (versions.ord_of, (StoreError,)),
}


def run(data: bytes) -> None:
    name, raw = pieces(data, 2)
    found = _READERS.get(name.decode("latin-1"))
    if found is None:
        return
    read, told = found
    with designed(*told):
        read(raw.decode("latin-1"))


_SAMPLES = {
    "range": ("bytes=0-9", "bytes=10-", "bytes=-5", "bytes = 1 - 2", "bytes=0-9,20-30", "items=0-1"),
    "copy-range": ("bytes=0-9",),
    "copy-source": ("/bucket/a%20key?versionId=null", "bucket/a+b", "arn:aws:s3:us-east-1:1:accesspoint/a/object/b"),
    "tagging": ("a=b&c=d%20e", "a", "aws:b=c"),
    "date": ("20130524T000000Z", "Fri, 24 May 2013 00:00:00 GMT", "Fri, 24 May 2013 00:00:00 -0000"),
    "moment": (
        "2030-01-01T00:00:00.123Z",
        "2030-01-01",
        "Tue, 01 Jan 2030 00:00:00 GMT",
        "1893456000",
        "1e3",
        "9999-12-31T23:59:59-01:00",
    ),
    "payload": ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64),
    "metadata": (
        "plain",
        "=?UTF-8?B?w6Q=?=",
        "=?UTF-8?Q?=C3=A4?= x",
        "\xc3\xa4",
        "=?iso-8859-1?q?=E4?=",
        "=?utf-7?q?a?=",
    ),
    "checksum": ("AAAAAA==", "AAAAAAAAAAA="),
    "grant": ('id="tenant", emailAddress=t@example.com', 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'),
    "host": ("bucket.s3.example.com:9000", "www.example.com.", "[::1]:80", "a.web.example.com"),
    "path": ("bucket/a%20b//../c", "%2F%00%ff"),
    "query": ("prefix=a%2Fb&delimiter=/&list-type=2", "uploads", "a=b=c&&="),
    "token": (tokens.pack("a/b"), tokens.pack("ä")),
    "version": ("null", "0123456789abcdef0123456789abcdef"),
}
TARGET = Target(
    "grammars",
    run,
    tuple(f"{name}\0{text}".encode("latin-1") for name, texts in _SAMPLES.items() for text in texts),
    words=(
        *("bytes=", "?versionId=", "arn:", "%2F", "%C3%A4", "=?UTF-8?B?", "=?UTF-8?Q?", "?=", "GMT", "+0000", "-9999"),
        *("0001-01-01T00:00:00", "+23:59", "-23:59", "?unicode_escape?", "?utf-16?", "=5Cud800", "+2AA-", "?punycode?"),
        *('id="', 'emailAddress="', 'uri="', "http://acs.amazonaws.com/groups/global/", "null", "9" * 19, "T", "Z"),
        *(f"{name}\0" for name in _READERS),
    ),
)
