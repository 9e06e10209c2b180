"""Condition keys: what a request tells of itself, by the names that policies use."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.aws.authentication import Scheme
from objstore.aws.operation import Call, Operation, operation_model
from objstore.aws.principal import ANONYMOUS, Principal, Session
from objstore.aws.sigv4.amz_date import basic
from objstore.iam.conditions import Facts, RequestKeys
from objstore.store.types import Owner, Version


async def nothing(call: Call, context: Any) -> None: ...


def facts_of(
    *,
    headers: dict[str, str] | None = None,
    query: tuple[tuple[str, str], ...] = (),
    scheme: Scheme = Scheme.ANONYMOUS,
    principal: Principal = ANONYMOUS,
    secure: bool = False,
    tls: str | None = None,
    **members: Any,
) -> Facts:
    made = Operation("PutObject", operation_model("PutObject"), "s3:PutObject", nothing, frozenset(), "object")
    request = SimpleNamespace(
        headers=headers or {}, query=list(query), client="192.0.2.7", secure=secure, tls_version=tls
    )
    call = Call(made, request, "", principal, members, SimpleNamespace(), "eu-west-1", scheme=scheme)  # type: ignore[arg-type]
    return Facts(call)


def value(name: str, **request: Any) -> tuple[str, ...] | None:
    return RequestKeys(facts_of(**request)).get(name)


def test_the_source_is_that_of_the_connection() -> None:
    assert value("aws:sourceip", headers={"x-forwarded-for": "203.0.113.1", "forwarded": "for=203.0.113.1"}) == (
        "192.0.2.7",
    )


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("aws:referer", "referer"),
        ("aws:useragent", "user-agent"),
        ("s3:if-match", "if-match"),
        ("s3:if-none-match", "if-none-match"),
        ("s3:x-amz-acl", "x-amz-acl"),
        ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
        ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
        ("s3:x-amz-grant-read", "x-amz-grant-read"),
        ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
        ("s3:x-amz-object-ownership", "x-amz-object-ownership"),
        ("s3:x-amz-server-side-encryption", "x-amz-server-side-encryption"),
        ("s3:x-amz-server-side-encryption-aws-kms-key-id", "x-amz-server-side-encryption-aws-kms-key-id"),
        ("s3:x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-algorithm"),
        ("s3:x-amz-storage-class", "x-amz-storage-class"),
        ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
    ],
)
def test_headers_are_keys(name: str, header: str) -> None:
    assert value(name) is None
    assert value(name, headers={header: "said"}) == ("said",)


@pytest.mark.parametrize(
    ("name", "member", "said"),
    [
        ("s3:prefix", "Prefix", ""),
        ("s3:prefix", "Prefix", "a/"),
        ("s3:delimiter", "Delimiter", "/"),
        ("s3:max-keys", "MaxKeys", 7),
        ("s3:object-lock-mode", "ObjectLockMode", "GOVERNANCE"),
        ("s3:object-lock-legal-hold", "ObjectLockLegalHoldStatus", "ON"),
    ],
)
def test_members_are_keys(name: str, member: str, said: Any) -> None:
    assert value(name) is None
    assert value(name, **{member: said}) == (str(said),)


def test_documents_of_locks_are_looked_into() -> None:
    until = datetime.now(UTC) + timedelta(days=10, hours=1)
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    assert value("s3:object-lock-mode", Retention=retention) == ("COMPLIANCE",)
    assert value("s3:object-lock-remaining-retention-days", Retention=retention) == ("10",)
    assert value("s3:object-lock-remaining-retention-days", ObjectLockRetainUntilDate=until) == ("10",)
    assert value("s3:object-lock-retain-until-date", Retention=retention) == (until.strftime("%Y-%m-%dT%H:%M:%SZ"),)
    assert value("s3:object-lock-legal-hold", LegalHold={"Status": "OFF"}) == ("OFF",)
    assert value("s3:locationconstraint", CreateBucketConfiguration={"LocationConstraint": "EU"}) == ("EU",)


@pytest.mark.parametrize(
    "header", ["bucket/public/k", "/bucket/public/k", "bucket%2Fpublic%2Fk", "bucket/%70ublic/k", "/bucket/public%2fk"]
)
def test_a_copy_source_is_compared_decoded(header: str) -> None:
    assert value("s3:x-amz-copy-source", CopySource=header) == ("bucket/public/k",)


def test_a_copy_source_tells_its_version() -> None:
    assert value("s3:x-amz-copy-source", CopySource="b/k?versionId=v") == ("b/k?versionId=v",)
    assert value("s3:x-amz-copy-source", CopySource="nothing") == ("nothing",)


@pytest.mark.parametrize(
    ("scheme", "kind", "version"),
    [
        (Scheme.V4_HEADER, "REST-HEADER", "AWS4-HMAC-SHA256"),
        (Scheme.V4_PRESIGNED, "REST-QUERY-STRING", "AWS4-HMAC-SHA256"),
        (Scheme.V2_HEADER, "REST-HEADER", "AWS"),
        (Scheme.V2_PRESIGNED, "REST-QUERY-STRING", "AWS"),
    ],
)
def test_how_a_request_was_signed(scheme: Scheme, kind: str, version: str) -> None:
    assert value("s3:authtype", scheme=scheme) == (kind,)
    assert value("s3:signatureversion", scheme=scheme) == (version,)


def test_a_form_and_nobody_are_told_apart() -> None:
    assert value("s3:authtype", scheme=Scheme.FORM) == ("POST",)
    assert value("s3:authtype") is value("s3:signatureversion") is value("s3:signatureage") is None


def test_the_age_of_a_signature() -> None:
    then = int(time.time()) - 90
    for request in (
        {"scheme": Scheme.V4_HEADER, "headers": {"x-amz-date": basic(then)}},
        {"scheme": Scheme.V4_PRESIGNED, "query": (("X-Amz-Date", basic(then)),)},
    ):
        found = value("s3:signatureage", **request)
        assert found is not None and 89_000 <= int(found[0]) < 150_000


def test_transport_and_moment() -> None:
    assert value("aws:securetransport") == ("false",)
    assert value("aws:securetransport", secure=True) == ("true",)
    assert (value("s3:tlsversion"), value("s3:tlsversion", tls="1.3")) == (None, ("1.3",))
    now, second = value("aws:currenttime"), value("aws:epochtime")
    assert now is not None and second is not None
    assert abs(datetime.fromisoformat(now[0]).timestamp() - int(second[0])) <= 1
    assert value("aws:requestedregion") == ("eu-west-1",)
    assert value("aws:multifactorauthpresent") is None


def test_tags_of_the_request_come_from_header_and_documents() -> None:
    for request in (
        {"headers": {"x-amz-tagging": "Team=blue&x=1%202"}},
        {"Tagging": {"TagSet": [{"Key": "Team", "Value": "blue"}, {"Key": "x", "Value": "1 2"}]}},
    ):
        assert value("s3:requestobjecttag/team", **request) == ("blue",)
        assert value("s3:requestobjecttag/x", **request) == ("1 2",)
        assert value("s3:requestobjecttag/y", **request) is None
        assert value("s3:requestobjecttagkeys", **request) == ("Team", "x")
    made = {"CreateBucketConfiguration": {"Tags": [{"Key": "Team", "Value": "blue"}]}}
    assert value("aws:requesttag/team", **made) == ("blue",)
    assert value("aws:tagkeys", **made) == ("Team",)
    assert value("s3:requestobjecttagkeys") is None


def test_tags_of_the_object_are_looked_up_when_a_policy_asks() -> None:
    looked: list[int] = []

    def find() -> Version:
        looked.append(1)
        return Version("null", 1, True, False, "e", 4, 0, Owner("o"), tags={"Class": "open"})

    facts = facts_of()
    facts.version = find
    keys = RequestKeys(facts)
    assert keys.get("aws:sourceip") and not looked
    assert keys.get("s3:existingobjecttag/class") == ("open",)
    assert keys.get("s3:existingobjecttag/class") == ("open",)
    assert looked == [1]
    facts.version = lambda: None
    assert RequestKeys(facts).get("s3:existingobjecttag/class") is None


def test_what_the_caller_brings() -> None:
    session = Session(issued=1_700_000_000, keys=(("idp.example.com:sub", ("me",)),), source_identity="me@example.com")
    caller = Principal("id", "n", "arn", tags=(("Team", "blue"),), session=session)
    assert value("aws:principaltag/team", principal=caller) == ("blue",)
    assert value("aws:tokenissuetime", principal=caller) == ("2023-11-14T22:13:20Z",)
    assert value("idp.example.com:sub", principal=caller) == ("me",)
    assert value("aws:sourceidentity", principal=caller) == ("me@example.com",)


def test_what_is_no_key_has_no_value() -> None:
    for name in ("aws:nothing", "s3:nothing/x", "nothing", "s3:existingobjecttag/"):
        assert value(name) is None


def test_a_version_and_a_prefix_are_those_of_the_decision() -> None:
    facts = facts_of(Prefix="asked", VersionId="of-the-request")
    facts.version_id, facts.prefix = "v", "key"
    keys = RequestKeys(facts)
    assert (keys.get("s3:versionid"), keys.get("s3:prefix")) == (("v",), ("key",))
