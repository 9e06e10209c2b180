"""Copy sources, metadata, tokens, url encoding, numbers."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws import copy_source
from objstore.aws.errors import AwsError
from objstore.s3 import limits, metadata, tokens
from objstore.s3.encoding import encoder
from objstore.store.types import ObjectName

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def code_of(function, *arguments) -> str:
    with pytest.raises(AwsError) as caught:
        function(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bucket/key", ObjectName("bucket", "key")),
        ("/bucket/key", ObjectName("bucket", "key")),
        ("bucket%2Fkey", ObjectName("bucket", "key")),
        ("bucket/a/b//c", ObjectName("bucket", "a/b//c")),
        ("bucket//key", ObjectName("bucket", "/key")),
        ("bucket/key?versionId=abc", ObjectName("bucket", "key", "abc")),
        ("bucket/key?versionId=null", ObjectName("bucket", "key", "null")),
        ("bucket/%3FversionId", ObjectName("bucket", "?versionId")),
        ("bucket/%3FversionId=x?versionId=y", ObjectName("bucket", "?versionId=x", "y")),
        ("bucket/foo%3Fbar?versionId=y", ObjectName("bucket", "foo?bar", "y")),
        ("bucket/anyfilename%25.txt", ObjectName("bucket", "anyfilename%.txt")),
        ("bucket/a+b%2Bc", ObjectName("bucket", "a b+c")),
        ("bucket/%C3%BC", ObjectName("bucket", "ü")),
        ("bucket/%20", ObjectName("bucket", " ")),
    ],
)
def test_copy_sources(header, expected):
    assert copy_source.parse(header) == expected


@pytest.mark.parametrize("header", ["", "bucket", "bucket/", "/bucket", "/", "bucket/key?versionId=", "bucket/%FF"])
def test_bad_copy_sources_are_refused(header):
    assert code_of(copy_source.parse, header) == "InvalidArgument"


def test_access_points_are_not_there():
    arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/my-access-point/object/key"
    assert code_of(copy_source.parse, arn) == "NotImplemented"


@given(KEYS, st.none() | st.from_regex("[0-9a-f]{32}", fullmatch=True))
def test_any_key_may_be_copied(key, version_id):
    header = quote(f"bucket/{key}", safe="/~") + (f"?versionId={version_id}" if version_id else "")
    assert copy_source.parse(header) == ObjectName("bucket", key, version_id)


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("plain value", "plain value"),
        ("", ""),
        ("=?UTF-8?B?w7w=?=", "ü"),
        ("=?UTF-8?Q?=C3=BC?=", "ü"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?nonsense?=", "=?nonsense?="),
        ("=?no-such-charset?B?w7w=?=", "=?no-such-charset?B?w7w=?="),
        ("ü".encode().decode("latin-1"), "ü"),
        ("\xfc", "\xfc"),
    ],
)
def test_metadata_is_stored_decoded(sent, stored):
    assert metadata.accept({"Name": sent}) == {"name": stored}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=100))
def test_metadata_comes_back(value):
    shown = metadata.present({"name": value})["name"]
    assert shown.isascii()
    if not (value.startswith("=?") and value.endswith("?=")):
        assert metadata.accept({"name": shown}) == {"name": value}


def test_metadata_has_two_kibibytes():
    assert metadata.accept({"a" * 48: "b" * 2000})
    assert code_of(metadata.accept, {"a" * 48: "b" * 2001}) == "MetadataTooLarge"
    assert code_of(metadata.accept, metadata.present({"a": "ü" * 1024})) == "MetadataTooLarge"


@given(KEYS)
def test_tokens_continue_behind_any_key(key):
    token = tokens.pack(key)
    assert token.isascii() and tokens.unpack(token) == key


@pytest.mark.parametrize("token", ["nonsense", "", "AAAA", "ü", "MQ==x", "Mf8="])
def test_foreign_tokens_are_refused(token):
    assert code_of(tokens.unpack, token) == "InvalidArgument"


def test_names_are_encoded_when_asked():
    encode = encoder("url")
    assert encode("asdf+b") == "asdf%2Bb"
    assert encode("quux ab/") == "quux%20ab/"
    assert encoder(None)("a b") == "a b"
    assert code_of(encoder, "base64") == "InvalidArgument"


@given(KEYS)
def test_encoded_names_can_be_decoded(key):
    assert unquote(encoder("url")(key)) == key


def test_sizes_of_pages():
    assert limits.page_size(None, "max-keys") == 1000
    assert limits.page_size(0, "max-keys") == 0
    assert limits.page_size(5000, "max-keys") == 1000
    assert limits.page_size(5000, "max-buckets", most=10_000, least=1) == 5000
    for value in (-1, 1 << 31):
        assert code_of(limits.page_size, value, "max-keys") == "InvalidArgument"
    with pytest.raises(AwsError):
        limits.page_size(0, "max-buckets", least=1)


def test_numbers_of_parts():
    assert [limits.part_number(number) for number in (1, 10_000)] == [1, 10_000]
    for number in (0, -1, 10_001):
        assert code_of(limits.part_number, number) == "InvalidArgument"
    assert limits.part_marker(None) == limits.part_marker(0) == 0
    assert code_of(limits.part_marker, -1) == "InvalidArgument"
