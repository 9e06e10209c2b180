"""Policies of forms: every condition, and documents that are none."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from objstore.aws.errors import AwsError
from objstore.aws.post_policy import parse_policy

NOW = 1_700_000_000.0
LATER = "2030-01-01T00:00:00Z"
EXEMPT = frozenset({"policy", "file", "signature"})


def packed(document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(text.encode()).decode()


def check(conditions: list[Any], fields: dict[str, str], expiration: str = LATER) -> None:
    policy = parse_policy(packed({"expiration": expiration, "conditions": conditions}))
    policy.check({**fields, "policy": "..."}, EXEMPT, NOW)


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"key": "a"}, "a", True),
        ({"KEY": "a"}, "a", True),
        ({"key": "A"}, "a", False),
        (["eq", "$key", "a"], "a", True),
        (["EQ", "$Key", "a"], "ab", False),
        (["starts-with", "$key", "user/"], "user/x", True),
        (["starts-with", "$key", "user/"], "use", False),
        (["starts-with", "$key", ""], "anything", True),
        (["starts-with", "$key", "a"], "a,b", True),
    ],
)
def test_a_condition_on_a_field(condition: Any, value: str, holds: bool) -> None:
    if holds:
        check([condition], {"key": value})
        return
    with pytest.raises(AwsError, match="Policy Condition failed") as caught:
        check([condition], {"key": value})
    assert caught.value.code == "AccessDenied"


@pytest.mark.parametrize(
    ("value", "holds"), [("image/png", True), ("image/png, image/gif", True), ("image/png,text/html", False)]
)
def test_every_item_of_a_list_of_content_types_is_looked_at(value: str, holds: bool) -> None:
    condition = ["starts-with", "$Content-Type", "image/"]
    if holds:
        check([condition], {"content-type": value})
        return
    with pytest.raises(AwsError, match="Policy Condition failed"):
        check([condition], {"content-type": value})


def test_a_field_that_a_condition_names_must_be_there() -> None:
    with pytest.raises(AwsError, match=r'Policy Condition failed: \["starts-with", "\$x-amz-meta-a", "b"\]'):
        check([["starts-with", "$x-amz-meta-a", "b"]], {})
    with pytest.raises(AwsError, match="Policy Condition failed"):
        check([{"x-amz-meta-a": ""}], {})
    check([["starts-with", "$x-amz-meta-a", ""]], {})  # what may be anything may be left out


def test_a_field_that_no_condition_names_must_not_be_there() -> None:
    check([], {"x-ignore-button": "send", "x-amz-checksum-crc32": "AAAAAA==", "file": "", "signature": ""})
    with pytest.raises(AwsError, match="Extra input fields: acl, bucket"):
        check([{"key": "k"}], {"key": "k", "bucket": "b", "acl": "public-read"})


def test_a_policy_ends() -> None:
    with pytest.raises(AwsError, match="Policy expired") as caught:
        check([], {}, "2020-01-01T00:00:00.000Z")
    assert caught.value.code == "AccessDenied"


def test_the_narrowest_of_several_ranges_counts() -> None:
    conditions = [["content-length-range", 1, 100], ["Content-Length-Range", "10", 1000]]
    policy = parse_policy(packed({"expiration": LATER, "conditions": conditions}))
    assert (policy.least, policy.most) == (10, 100)


def test_escapes_that_json_has_not_are_understood() -> None:
    document = '{"expiration": "' + LATER + '", "conditions": [["eq", "$key", "\\$a\\\\$\\v"]]}'
    parse_policy(packed(document)).check({"key": "$a\\$\v"}, frozenset(), NOW)


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "[]",
        "[" * 100_000,
        {"conditions": []},
        {"expiration": LATER},
        {"EXPIRATION": LATER, "conditions": []},
        {"expiration": LATER, "CONDITIONS": []},
        {"expiration": LATER, "conditions": [], "more": 1},
        {"expiration": LATER, "conditions": {}},
        {"expiration": "tomorrow", "conditions": []},
        {"expiration": "2030-01-01 00:00:00+00:00", "conditions": []},
        {"expiration": "2030-13-01T00:00:00Z", "conditions": []},
        {"expiration": 1, "conditions": []},
        *(
            {"expiration": LATER, "conditions": [one]}
            for one in (
                {},
                {"a": "1", "b": "2"},
                {"a": 1},
                [],
                "eq",
                None,
                ["eq", "$key"],
                ["eq", "key", "k"],
                ["ends-with", "$key", "k"],
                ["eq", "$key", 1],
                ["content-length-range", 0],
                ["content-length-range", -1, 0],
                ["content-length-range", 2, 1],
                ["content-length-range", "x", 1],
                ["content-length-range", 0, None],
            )
        ),
    ],
)
def test_a_document_that_is_no_policy_is_refused(document: Any) -> None:
    with pytest.raises(AwsError, match="Invalid Policy") as caught:
        parse_policy(packed(document))
    assert (caught.value.code, caught.value.status) == ("InvalidPolicyDocument", 400)


def test_a_policy_that_is_no_base64_is_refused() -> None:
    for text in ("%%%", "gA==", "abc"):
        with pytest.raises(AwsError, match="Invalid Policy"):
            parse_policy(text)
