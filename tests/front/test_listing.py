"""Listings: in byte order, in pages that miss and repeat nothing, with common prefixes.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.front.wire import refused, send
from tests.harness import Running

KEYS = ["a", "a/", "a/1", "a/2", "a/b/1", "a-b", "b", "b//c", "c/d/e", "d", "Z", "é/1", "\uffff", "\U0001f5dd"]


def fill(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))


def expected(keys: Iterable[str], prefix: str, delimiter: str, after: str = "") -> list[str]:
    """Keys and common prefixes by the definition."""
    found = set()
    for key in keys:
        if key.startswith(prefix) and key.encode() > after.encode():
            rest = key[len(prefix) :]
            cut = rest.find(delimiter) if delimiter else -1
            found.add(key if cut < 0 else prefix + rest[: cut + len(delimiter)])
    return sorted(found, key=str.encode)


@pytest.fixture(scope="module")
def filled(s3: Any) -> str:
    s3.create_bucket(Bucket="listing-filled")
    fill(s3, "listing-filled", KEYS)
    return "listing-filled"


@pytest.mark.parametrize("prefix", ["", "a", "a/", "b/", "c/d/", "é", "none"])
@pytest.mark.parametrize("delimiter", ["", "/", "//", "b"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_pages_add_up_to_the_definition(s3: Any, filled: str, prefix: str, delimiter: str, size: int) -> None:
    wanted = expected(KEYS, prefix, delimiter)
    for name in ("list_objects", "list_objects_v2"):
        pages = list(
            s3.get_paginator(name).paginate(
                Bucket=filled, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}
            )
        )
        got = []
        for page in pages:
            items = [one["Key"] for one in page.get("Contents", [])]
            items += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            assert len(items) <= size
            got += sorted(items, key=str.encode)
        assert got == wanted, name
        assert len(pages) == max(1, -(-len(wanted) // size))


def test_start_after_and_markers(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, StartAfter="a/1", Delimiter="")
    assert [one["Key"] for one in page["Contents"]] == expected(KEYS, "", "", "a/1")
    page = s3.list_objects(Bucket=filled, Marker="c/", MaxKeys=2)
    assert [one["Key"] for one in page["Contents"]] == ["c/d/e", "d"]


def test_entries_say_what_an_object_is(s3: Any, filled: str) -> None:
    entry = s3.list_objects_v2(Bucket=filled, MaxKeys=1, FetchOwner=True)["Contents"][0]
    assert (entry["Key"], entry["Size"], entry["StorageClass"]) == ("Z", 1, "STANDARD")
    assert entry["ETag"] == '"9dd4e461268c8034f5c8564e155c67a6"'
    assert entry["Owner"]["ID"] and entry["LastModified"]
    assert "Owner" not in s3.list_objects_v2(Bucket=filled, MaxKeys=1)["Contents"][0]


def test_a_page_of_none_is_empty_and_ends(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


def test_more_than_a_thousand_come_in_pages_of_a_thousand(s3: Any, bucket: str) -> None:
    keys = [f"{number:05}" for number in range(1100)]
    fill(s3, bucket, keys)
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (page["KeyCount"], page["IsTruncated"], page["MaxKeys"]) == (1000, True, 1000)
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    assert [one["Key"] for one in page["Contents"] + rest["Contents"]] == keys


def test_bad_parameters_are_named(server: Running, s3: Any, filled: str) -> None:
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=filled, ContinuationToken="not a token")
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=filled, EncodingType="rot13")
    for value in ("-1", "many"):
        assert send(server, "GET", f"/{filled}?list-type=2&max-keys={value}").error == ("InvalidArgument", 400)


def test_keys_that_xml_cannot_hold_are_listed_encoded(server: Running, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="bell\x07", Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]  # boto3 asks for encoding-type=url and decodes
    assert [one["Key"] for one in listed] == ["bell\x07"]


def test_the_prefix_of_a_listing_comes_back(s3: Any, bucket: str) -> None:
    for prefix in ("\n", "a b", "ünder/"):
        assert s3.list_objects(Bucket=bucket, Prefix=prefix)["Prefix"] == prefix
        assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Prefix"] == prefix
    for prefix in ("100%", "a+b", "\x01"):
        assert s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Prefix"] == prefix
