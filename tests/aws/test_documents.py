"""Documents from clients: attacks are refused early and cheaply, mistakes are named."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws import xmlbody
from objstore.aws.errors import AwsError
from objstore.aws.parsing import Parser
from objstore.aws.service import operation_model

NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
BOMB = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


def read(name: str, text: str | bytes) -> dict[str, Any]:
    return Parser(operation_model(name)).document(text.encode() if isinstance(text, str) else text)


def refused(name: str, text: str | bytes) -> AwsError:
    with pytest.raises(AwsError) as caught:
        read(name, text)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE d [<!ENTITY l0 "lol">{BOMB}]><Delete><Object><Key>&l9;</Key></Object></Delete>',
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&x;</Key></Object></Delete>',
        '<!DOCTYPE d SYSTEM "http://127.0.0.1/d.dtd"><Delete><Object><Key>k</Key></Object></Delete>',
        "<!DOCTYPE d><Delete><Object><Key>k</Key></Object></Delete>",
        "<Delete><Object><Key>&undefined;</Key></Object></Delete>",
        "<Delete><Object><Key>k</Key></Object>",
        "<Delete><Object><Key>k</Object></Key></Delete>",
        "<Delete><Object><Key>\x01</Key></Object></Delete>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        '<?xml version="1.0" encoding="UTF-16"?><Delete/>'.encode("utf-16"),
        "not xml",
        " ",
        "<a/><b/>",
        "<Delete a='1' b='1' c='1' d='1' e='1' f='1' g='1' h='1' i='1'/>",
    ],
)
def test_attacks_and_nonsense_are_malformed(text: str | bytes) -> None:
    assert refused("DeleteObjects", text).code == "MalformedXML"


def test_deep_nesting_costs_nothing() -> None:
    deep = b"<a>" * 1_000_000
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(AwsError, match="nested deeper"):
        xmlbody.parse(deep)
    assert time.process_time() - started < 1
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_many_elements_are_bounded() -> None:
    with pytest.raises(AwsError, match="elements"):
        xmlbody.parse(b"<a>" + b"<b/>" * (xmlbody.MAX_ELEMENTS + 1) + b"</a>")


@given(st.binary(max_size=60) | st.text("<>/ab&;!?-[]\"'= x", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        xmlbody.parse(data)
    except AwsError as error:
        assert error.code == "MalformedXML"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("DeleteObjects", "<Remove/>", "root element is Remove, not Delete"),
        ("DeleteObjects", "<Delete/>", "Objects is missing"),
        ("DeleteObjects", "<Delete><Object/></Delete>", "Object: Key is missing"),
        ("DeleteObjects", "<Delete><Object><Key/></Object></Delete>", "Key: '' is length not between 1"),
        ("DeleteObjects", "<Delete><Frob/><Object><Key>k</Key></Object></Delete>", "unknown element Frob"),
        ("DeleteObjects", "<Delete>text<Object><Key>k</Key></Object></Delete>", "text among elements"),
        ("DeleteObjects", "<Delete><Quiet>1</Quiet><Object><Key>k</Key></Object></Delete>", "neither true nor false"),
        ("DeleteObjects", "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>", "Key: more than once"),
        ("DeleteObjects", "<Delete><Object><Key><b/></Key></Object></Delete>", "text expected"),
        ("PutBucketVersioning", "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>", "not one of"),
        ("PutBucketTagging", "<Tagging><TagSet><Tug/></TagSet></Tagging>", "unknown element Tug"),
        (
            "CompleteMultipartUpload",
            "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
            "not an integer",
        ),
        (
            "PutObjectRetention",
            "<Retention><RetainUntilDate>soon</RetainUntilDate></Retention>",
            "not a date",
        ),
    ],
)
def test_mistakes_are_named(name: str, text: str, why: str) -> None:
    error = refused(name, text)
    assert error.code == "MalformedXML"
    assert why in error.message


def test_an_acl_has_its_own_code() -> None:
    assert refused("PutBucketAcl", "<AccessControlPolicy><X/></AccessControlPolicy>").code == "MalformedACLError"


def test_an_empty_body_counts_where_headers_may_say_it() -> None:
    assert read("CreateBucket", "") == {}
    assert refused("PutBucketTagging", "").code == "MissingRequestBodyError"


def test_namespaces_prefixes_comments_and_blanks_do_not_matter() -> None:
    plain = {"Delete": {"Objects": [{"Key": " a "}, {"Key": "<b>"}], "Quiet": True}}
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
        <s3:Delete xmlns:s3="x" {NS}> <!-- two -->
          <s3:Object><Key> a </Key></s3:Object>
          <Object><Key><![CDATA[<b>]]></Key></Object><Quiet> true </Quiet>
        </s3:Delete>"""
    assert read("DeleteObjects", text) == plain


def test_a_grantees_type_is_an_attribute() -> None:
    text = f"""<AccessControlPolicy {NS}><Owner><ID>me</ID></Owner><AccessControlList><Grant>
        <Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>you</ID></Grantee>
        <Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>"""
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "you"}, "Permission": "READ"}
    assert read("PutBucketAcl", text) == {"AccessControlPolicy": {"Owner": {"ID": "me"}, "Grants": [grant]}}


def test_an_empty_list_is_empty() -> None:
    assert read("PutBucketTagging", "<Tagging><TagSet/></Tagging>") == {"Tagging": {"TagSet": []}}


def test_a_region_is_for_the_operation_to_judge() -> None:
    text = "<CreateBucketConfiguration><LocationConstraint>my-room</LocationConstraint></CreateBucketConfiguration>"
    assert read("CreateBucket", text) == {"CreateBucketConfiguration": {"LocationConstraint": "my-room"}}


def test_a_policy_is_text() -> None:
    assert read("PutBucketPolicy", '{"a": 1}') == {"Policy": '{"a": 1}'}
    assert refused("PutBucketPolicy", b"\xff").code == "InvalidRequest"
