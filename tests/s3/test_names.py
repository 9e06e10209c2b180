"""Names of buckets and keys, locations, storage classes."""

from __future__ import annotations

import ipaddress
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.errors import AwsError
from objstore.s3 import bucket_names, keys, locations, storage_classes

GOOD = ["abc", "a-b", "a.b", "123", "aaa-111", "aaa.111", "a" * 63, "1.2.3", "192.168.5.1234", "my-bucket.name.x"]
BAD = [
    "", "a", "aa", "a" * 64, "Abc", "foo_bar", "foo-", "-foo", "foo.-bar", "foo-.bar", "foo..bar", ".foo", "foo.",
    "192.168.5.123", "1.1.1.1", "xn--foo", "sthree-foo", "amzn-s3-demo-x", "foo-s3alias", "foo--ol-s3", "foo.mrap",
    "foo--x-s3", "foo--table-s3", "föö", "foo bar", "foo\n", "foo/bar", "٣٣٣",
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_bucket_names_are_taken(name):
    assert bucket_names.check(name) == name


@pytest.mark.parametrize("name", BAD)
def test_bad_bucket_names_are_refused(name):
    with pytest.raises(AwsError) as caught:
        bucket_names.check(name)
    assert (caught.value.code, caught.value.status) == ("InvalidBucketName", 400)
    assert caught.value.detail["BucketName"] == name


@given(st.text("abz09.-", min_size=1, max_size=66))
def test_every_valid_name_is_a_host_name(name):
    if bucket_names.is_valid(name):
        assert len(name) <= 63
        assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) for label in name.split("."))


@given(st.ip_addresses(v=4))
def test_no_address_is_a_name(address: ipaddress.IPv4Address):
    assert not bucket_names.is_valid(str(address))


@pytest.mark.parametrize("key", ["a", "a" * 1024, "ü" * 512, "a//b", "../..", "\x00", " ", "a/"])
def test_keys_are_any_text_of_1024_bytes(key):
    assert keys.check(key) == key


@pytest.mark.parametrize("key", ["a" * 1025, "ü" * 513, "😀" * 257])
def test_longer_keys_are_refused(key):
    with pytest.raises(AwsError) as caught:
        keys.check(key)
    assert caught.value.code == "KeyTooLongError"
    assert caught.value.detail == {"Size": str(len(key.encode())), "MaxSizeAllowed": "1024"}


@pytest.mark.parametrize(
    ("constraint", "region", "remembered", "shown"),
    [
        (None, "us-east-1", "", None),
        ("", "us-east-1", "", None),
        ("us-east-1", "us-east-1", "us-east-1", "us-east-1"),
        (None, "eu-west-1", "", "eu-west-1"),
        ("eu-west-1", "eu-west-1", "eu-west-1", "eu-west-1"),
        ("EU", "eu-west-1", "EU", "EU"),
        ("garage", "garage", "garage", "garage"),
    ],
)
def test_a_bucket_is_in_the_region_of_the_server(constraint, region, remembered, shown):
    assert locations.check(constraint, region) == remembered
    assert locations.shown(remembered, region) == shown


@pytest.mark.parametrize(
    ("constraint", "code"),
    [
        ("eu-west-1", "IllegalLocationConstraintException"),
        ("ap-southeast-12", "IllegalLocationConstraintException"),
        ("us-gov-west-1", "IllegalLocationConstraintException"),
        ("EU", "IllegalLocationConstraintException"),
        ("mars", "InvalidLocationConstraint"),
        ("US-EAST-1", "InvalidLocationConstraint"),
    ],
)
def test_there_are_no_other_regions(constraint, code):
    with pytest.raises(AwsError) as caught:
        locations.check(constraint, "us-east-1")
    assert caught.value.code == code


def test_storage_classes():
    store = SimpleNamespace(storage_classes={"STANDARD": 2, "REDUCED_REDUNDANCY": 1, "COLD": 3})
    assert storage_classes.check(None, store) == storage_classes.check("STANDARD", store) == "STANDARD"
    assert storage_classes.check("REDUCED_REDUNDANCY", store) == "REDUCED_REDUNDANCY"
    assert storage_classes.check("COLD", store) == "COLD"
    for name in ("GLACIER", "standard", "", "STANDARD_IA"):
        with pytest.raises(AwsError) as caught:
            storage_classes.check(name, store)
        assert caught.value.code == "InvalidStorageClass"
    assert storage_classes.shown("STANDARD") is None
    assert storage_classes.shown("REDUCED_REDUNDANCY") == "REDUCED_REDUNDANCY"
