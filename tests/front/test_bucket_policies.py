"""Bucket policies: put, shown, judged public or not, and obeyed.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.front.people import ALICE, BOB
from tests.front.wire import refused, send
from tests.harness import Running

BOBS = {"AWS": f"arn:aws:iam::{BOB.id}:root"}


def allow(shelf: str, *actions: str, who: Any = "*", on: str = "/*", **condition: Any) -> dict[str, Any]:
    return _statement("Allow", shelf, actions, who, on, condition)


def deny(shelf: str, *actions: str, who: Any = "*", on: str = "/*", **condition: Any) -> dict[str, Any]:
    return _statement("Deny", shelf, actions, who, on, condition)


def _statement(effect: str, shelf: str, actions: Any, who: Any, on: str, condition: Any) -> dict[str, Any]:
    made = {"Effect": effect, "Principal": who, "Action": list(actions), "Resource": f"arn:aws:s3:::{shelf}{on}"}
    return made | ({"Condition": condition} if condition else {})


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def put(client: Any, shelf: str, *statements: dict[str, Any], **more: Any) -> str:
    text = document(*statements)
    client.put_bucket_policy(Bucket=shelf, Policy=text, **more)
    return text


def test_a_policy_comes_back_as_it_was_put_until_it_is_deleted(alice: Any, shelf: str) -> None:
    with refused("NoSuchBucketPolicy", 404):
        alice.get_bucket_policy(Bucket=shelf)
    text = json.dumps(json.loads(document(allow(shelf, "s3:GetObject"))), indent=3)
    answer = alice.put_bucket_policy(Bucket=shelf, Policy=text)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert alice.get_bucket_policy(Bucket=shelf)["Policy"] == text
    for _ in range(2):
        alice.delete_bucket_policy(Bucket=shelf)
    with refused("NoSuchBucketPolicy", 404):
        alice.get_bucket_policy(Bucket=shelf)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no policy",
        "{}",
        '{"Version":"2012-10-17","Statement":[]}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}]}',
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::%/*"}]}',
    ],
)
def test_what_is_no_policy_is_malformed(server: Running, bucket: str, text: str) -> None:
    answer = send(server, "PUT", f"/{bucket}?policy=", text.replace("%", bucket).encode())
    assert answer.error == (("MalformedPolicy" if text else "MissingRequestBodyError"), 400)


def test_a_policy_speaks_of_its_own_bucket(alice: Any, shelf: str) -> None:
    for other in ("other-bucket", f"{shelf}x", shelf[:-1]):
        with refused("MalformedPolicy", 400):
            put(alice, shelf, allow(other, "s3:GetObject"))
    put(alice, shelf, allow(f"{shelf[:8]}*", "s3:GetObject", on=""))


def test_a_policy_may_have_20_kib(alice: Any, shelf: str) -> None:
    filler = document(allow(shelf, "s3:GetObject"))
    alice.put_bucket_policy(Bucket=shelf, Policy=filler + " " * (20_480 - len(filler)))
    with refused("EntityTooLarge", 400):
        alice.put_bucket_policy(Bucket=shelf, Policy=filler + " " * (20_481 - len(filler)))


def test_another_owner_than_expected_is_denied(alice: Any, shelf: str) -> None:
    with refused("AccessDenied", 403):
        alice.get_bucket_policy(Bucket=shelf, ExpectedBucketOwner="999999999999")
    with refused("NoSuchBucketPolicy", 404):
        alice.get_bucket_policy(Bucket=shelf, ExpectedBucketOwner=ALICE.id)


def test_a_policy_lets_in_whom_it_names_for_what_it_says(alice: Any, bob: Any, nobody: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x")
    put(alice, shelf, allow(shelf, "s3:GetObject", who=BOBS))
    assert bob.get_object(Bucket=shelf, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=shelf, Key="k")
    with refused("403", 403):
        nobody.head_object(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        bob.put_object(Bucket=shelf, Key="k", Body=b"y")
    with refused("AccessDenied", 403):
        bob.get_object(Bucket=shelf, Key="gone")
    put(alice, shelf, allow(shelf, "s3:GetObject"), allow(shelf, "s3:ListBucket", on=""))
    assert nobody.get_object(Bucket=shelf, Key="k")["Body"].read() == b"x"
    assert nobody.list_objects_v2(Bucket=shelf)["KeyCount"] == 1
    with refused("NoSuchKey", 404):
        nobody.get_object(Bucket=shelf, Key="gone")


def test_a_change_of_policy_holds_from_the_next_request_on(alice: Any, nobody: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x")
    for _ in range(5):  # whichever worker answers
        put(alice, shelf, allow(shelf, "s3:GetObject"))
        nobody.get_object(Bucket=shelf, Key="k")
        alice.delete_bucket_policy(Bucket=shelf)
        with refused("AccessDenied", 403):
            nobody.get_object(Bucket=shelf, Key="k")


def test_a_deny_holds_for_the_owner_who_can_still_repair_it(alice: Any, s3: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x", ACL="public-read")
    text = put(alice, shelf, deny(shelf, "s3:*"), deny(shelf, "s3:*", on=""))
    with refused("AccessDenied", 403):
        alice.get_object(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        alice.list_objects_v2(Bucket=shelf)
    assert alice.get_bucket_policy(Bucket=shelf)["Policy"] == text
    assert s3.get_object(Bucket=shelf, Key="k")["Body"].read() == b"x"
    alice.delete_bucket_policy(Bucket=shelf)
    alice.get_object(Bucket=shelf, Key="k")


def test_others_never_see_or_change_the_policy(alice: Any, bob: Any, shelf: str) -> None:
    text = put(alice, shelf, allow(shelf, "s3:*", who=BOBS), allow(shelf, "s3:*", who=BOBS, on=""))
    for refusal in (bob.get_bucket_policy, bob.delete_bucket_policy):
        with refused("MethodNotAllowed", 405):
            refusal(Bucket=shelf)
    with refused("MethodNotAllowed", 405):
        bob.put_bucket_policy(Bucket=shelf, Policy=text)
    assert bob.get_bucket_acl(Bucket=shelf)["Owner"]["ID"] == ALICE.id


def test_conditions_look_at_the_request(alice: Any, nobody: Any, bob: Any, server: Running, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x")

    def reads(**condition: Any) -> bool:
        put(alice, shelf, allow(shelf, "s3:GetObject", **condition))
        headers = {"user-agent": "probe/1", "referer": "http://a.example/", "x-forwarded-for": "203.0.113.9"}
        return server.request("GET", f"/{shelf}/k", headers=headers).status == 200

    assert reads(IpAddress={"aws:SourceIp": "127.0.0.0/8"})
    assert not reads(IpAddress={"aws:SourceIp": "203.0.113.0/24"})
    assert reads(Bool={"aws:SecureTransport": "false"}) and not reads(Bool={"aws:SecureTransport": "true"})
    assert reads(StringEquals={"aws:UserAgent": "probe/1"}) and not reads(StringEquals={"aws:UserAgent": "other"})
    assert reads(StringLike={"aws:Referer": "http://a.example/*"}) and not reads(
        StringLike={"aws:Referer": "http://b*"}
    )
    assert reads(DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})
    assert not reads(NumericLessThan={"aws:EpochTime": "1577836800"})
    assert reads(StringEquals={"aws:PrincipalType": "Anonymous"}) and not reads(Null={"aws:PrincipalArn": "false"})
    assert reads(Null={"s3:TlsVersion": "true"}) and reads(Null={"s3:authType": "true"})
    put(alice, shelf, allow(shelf, "s3:GetObject", StringEquals={"s3:signatureversion": "AWS4-HMAC-SHA256"}))
    bob.get_object(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        nobody.get_object(Bucket=shelf, Key="k")


def test_listings_may_be_limited_to_a_prefix(alice: Any, bob: Any, shelf: str) -> None:
    for key in ("public/a", "private/b"):
        alice.put_object(Bucket=shelf, Key=key, Body=b"")
    put(alice, shelf, allow(shelf, "s3:ListBucket", who=BOBS, on="", StringEquals={"s3:prefix": "public/"}))
    assert bob.list_objects_v2(Bucket=shelf, Prefix="public/")["KeyCount"] == 1
    for more in ({}, {"Prefix": ""}, {"Prefix": "private/"}):
        with refused("AccessDenied", 403):
            bob.list_objects_v2(Bucket=shelf, **more)


def test_the_shape_of_a_listing_may_be_required(alice: Any, bob: Any, shelf: str) -> None:
    for condition, good, bad in (
        ({"StringEquals": {"s3:delimiter": "/"}}, {"Delimiter": "/"}, {"Delimiter": "-"}),
        ({"NumericLessThanEquals": {"s3:max-keys": "10"}}, {"MaxKeys": 10}, {"MaxKeys": 11}),
    ):
        put(alice, shelf, allow(shelf, "s3:ListBucket", who=BOBS, on="", **condition))
        for listing in (bob.list_objects_v2, bob.list_objects):
            listing(Bucket=shelf, **good)
            for members in (bad, {}):
                with refused("AccessDenied", 403):
                    listing(Bucket=shelf, **members)


def test_tags_and_versions_that_are_there_decide(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_bucket_versioning(Bucket=shelf, VersioningConfiguration={"Status": "Enabled"})
    for key in ("open", "closed"):
        alice.put_object(Bucket=shelf, Key=key, Body=b"", Tagging=f"State={key}")
    may = ("s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging")
    put(alice, shelf, allow(shelf, *may, who=BOBS, StringEquals={"s3:ExistingObjectTag/state": "open"}))
    closed = {"TagSet": [{"Key": "State", "Value": "closed"}]}
    for call, members in (
        (bob.get_object, {}),
        (bob.head_object, {}),
        (bob.get_object_tagging, {}),
        (bob.put_object_tagging, {"Tagging": closed}),
    ):
        with refused("403" if call == bob.head_object else "AccessDenied", 403):
            call(Bucket=shelf, Key="closed", **members)
        call(Bucket=shelf, Key="open", **members)
    with refused("AccessDenied", 403):
        bob.get_object(Bucket=shelf, Key="open")
    one, other = (alice.put_object(Bucket=shelf, Key="v", Body=body)["VersionId"] for body in (b"1", b"2"))
    put(alice, shelf, allow(shelf, "s3:GetObjectVersion", who=BOBS, StringEquals={"s3:VersionId": one}))
    assert bob.get_object(Bucket=shelf, Key="v", VersionId=one)["Body"].read() == b"1"
    for version in (other, "null"):
        with refused("AccessDenied", 403):
            bob.get_object(Bucket=shelf, Key="v", VersionId=version)


def test_old_signatures_and_ways_to_sign_may_be_refused(alice: Any, bob: Any, server: Running, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x")
    v4 = BOB.client(server, signature_version="s3v4")
    url = v4.generate_presigned_url("get_object", {"Bucket": shelf, "Key": "k"}).removeprefix(server.endpoint)
    for condition, by_url, by_header in (
        ({"NumericLessThan": {"s3:signatureAge": "600000"}}, 200, 200),
        ({"NumericLessThan": {"s3:signatureAge": "-1"}}, 403, 403),
        ({"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}, 200, 403),
        ({"StringEquals": {"s3:authType": "REST-HEADER"}}, 403, 200),
        ({"StringEquals": {"s3:signatureversion": "AWS"}}, 403, 403),
    ):
        put(alice, shelf, allow(shelf, "s3:GetObject", who=BOBS, **condition))
        assert server.request("GET", url).status == by_url, condition
        if by_header == 200:
            v4.get_object(Bucket=shelf, Key="k")
        else:
            with refused("AccessDenied", 403):
                v4.get_object(Bucket=shelf, Key="k")


def test_what_a_put_asks_for_may_be_required_and_forbidden(alice: Any, bob: Any, shelf: str) -> None:
    full = {"s3:x-amz-acl": "bucket-owner-full-control"}
    put(alice, shelf, allow(shelf, "s3:PutObject", who=BOBS, StringEquals=full))
    with refused("AccessDenied", 403):
        bob.put_object(Bucket=shelf, Key="k", Body=b"")
    bob.put_object(Bucket=shelf, Key="k", Body=b"", ACL="bucket-owner-full-control")
    alice.get_object(Bucket=shelf, Key="k")
    tagged = {"s3:RequestObjectTag/class": "open"}
    may = ("s3:PutObject", "s3:PutObjectTagging")
    put(alice, shelf, allow(shelf, *may, who=BOBS, StringEquals=tagged))
    bob.put_object(Bucket=shelf, Key="t", Body=b"", Tagging="class=open")
    with refused("AccessDenied", 403):
        bob.put_object(Bucket=shelf, Key="t", Body=b"", Tagging="class=closed")
    bob.put_object_tagging(Bucket=shelf, Key="t", Tagging={"TagSet": [{"Key": "class", "Value": "open"}]})
    with refused("AccessDenied", 403):
        bob.put_object_tagging(Bucket=shelf, Key="t", Tagging={"TagSet": [{"Key": "class", "Value": "closed"}]})


def test_keys_of_a_delete_are_decided_one_by_one(alice: Any, bob: Any, nobody: Any, shelf: str) -> None:
    for key in ("a/1", "a/2", "b/1"):
        alice.put_object(Bucket=shelf, Key=key, Body=b"")
    put(alice, shelf, allow(shelf, "s3:DeleteObject", who=BOBS, on="/a/*"))
    wanted = {"Objects": [{"Key": key} for key in ("a/1", "b/1", "a/2")]}
    answer = nobody.delete_objects(Bucket=shelf, Delete=wanted)
    assert [one["Code"] for one in answer["Errors"]] == ["AccessDenied"] * 3
    answer = bob.delete_objects(Bucket=shelf, Delete=wanted)
    assert [one["Key"] for one in answer["Deleted"]] == ["a/1", "a/2"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("b/1", "AccessDenied")]
    assert [one["Key"] for one in alice.list_objects_v2(Bucket=shelf)["Contents"]] == ["b/1"]


def test_versions_are_allowed_apart(alice: Any, bob: Any, shelf: str) -> None:
    alice.put_bucket_versioning(Bucket=shelf, VersioningConfiguration={"Status": "Enabled"})
    first = alice.put_object(Bucket=shelf, Key="k", Body=b"1")["VersionId"]
    alice.put_object(Bucket=shelf, Key="k", Body=b"2")
    put(alice, shelf, allow(shelf, "s3:GetObject", "s3:DeleteObject", who=BOBS))
    assert bob.get_object(Bucket=shelf, Key="k")["Body"].read() == b"2"
    with refused("AccessDenied", 403):
        bob.get_object(Bucket=shelf, Key="k", VersionId=first)
    bob.delete_object(Bucket=shelf, Key="k")
    with refused("AccessDenied", 403):
        bob.delete_object(Bucket=shelf, Key="k", VersionId=first)
    only = {"s3:VersionId": first}
    put(alice, shelf, allow(shelf, "s3:GetObjectVersion", who=BOBS, StringEquals=only))
    assert bob.get_object(Bucket=shelf, Key="k", VersionId=first)["Body"].read() == b"1"


def test_a_copy_source_may_be_required(alice: Any, bob: Any, shelf: str) -> None:
    for key in ("from/é", "other"):
        alice.put_object(Bucket=shelf, Key=key, Body=b"x")
    source = {"s3:x-amz-copy-source": f"{shelf}/from/*"}
    put(
        alice,
        shelf,
        allow(shelf, "s3:GetObject", who=BOBS),
        allow(shelf, "s3:PutObject", who=BOBS, StringLike=source),
    )
    bob.copy_object(Bucket=shelf, Key="to", CopySource={"Bucket": shelf, "Key": "from/é"})
    for refusal in (
        lambda: bob.copy_object(Bucket=shelf, Key="to", CopySource={"Bucket": shelf, "Key": "other"}),
        lambda: bob.put_object(Bucket=shelf, Key="to", Body=b""),
    ):
        with refused("AccessDenied", 403):
            refusal()


@pytest.mark.parametrize(
    ("who", "condition", "public"),
    [
        ("*", {}, True),
        ({"AWS": "*"}, {}, True),
        (BOBS, {}, False),
        ("*", {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False),
        ("*", {"StringLike": {"aws:Referer": "http://a.example/*"}}, True),
    ],
)
def test_a_policy_is_public_when_it_opens_the_bucket(
    alice: Any, shelf: str, who: Any, condition: dict[str, Any], public: bool
) -> None:
    put(alice, shelf, allow(shelf, "s3:GetObject", who=who, **condition))
    assert alice.get_bucket_policy_status(Bucket=shelf)["PolicyStatus"]["IsPublic"] is public
    alice.put_public_access_block(Bucket=shelf, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    alice.delete_bucket_policy(Bucket=shelf)
    if public:
        with refused("AccessDenied", 403):
            put(alice, shelf, allow(shelf, "s3:GetObject", who=who, **condition))
    else:
        put(alice, shelf, allow(shelf, "s3:GetObject", who=who, **condition))


def test_an_acl_makes_a_bucket_public_too_unless_it_is_ignored(alice: Any, shelf: str) -> None:
    def public() -> bool:
        return bool(alice.get_bucket_policy_status(Bucket=shelf)["PolicyStatus"]["IsPublic"])

    assert not public()
    alice.put_bucket_acl(Bucket=shelf, ACL="public-read")
    assert public()
    alice.put_public_access_block(Bucket=shelf, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert not public()


def test_a_restricted_bucket_is_for_its_account(alice: Any, bob: Any, nobody: Any, shelf: str) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"x")
    put(alice, shelf, allow(shelf, "s3:GetObject"))
    bob.get_object(Bucket=shelf, Key="k")
    alice.put_public_access_block(Bucket=shelf, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    for one in (bob, nobody):
        with refused("AccessDenied", 403):
            one.get_object(Bucket=shelf, Key="k")
    alice.get_object(Bucket=shelf, Key="k")
    put(alice, shelf, allow(shelf, "s3:GetObject", who=BOBS))
    bob.get_object(Bucket=shelf, Key="k")
