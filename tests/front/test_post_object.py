"""Uploads by HTML forms: signed and anonymous, with every answer they may ask for, and the forms that are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from tests.front.wire import Answer, absent, connect, exchange, head_of, send
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

BOUNDARY = "boundary-of-the-test"


def body_of(fields: dict[str, str], file: bytes | None, filename: str, after: dict[str, str]) -> bytes:
    def part(name: str, value: bytes, told: str = "") -> bytes:
        return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode() + value + b"\r\n"

    parts = [part(name, value.encode()) for name, value in fields.items()]
    if file is not None:
        parts.append(part("file", file, f'; filename="{filename}"\r\nContent-Type: image/x-of-the-browser'))
    parts += [part(name, value.encode()) for name, value in after.items()]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def post(
    server: Running,
    bucket: str,
    fields: dict[str, str],
    file: bytes | None = b"hello",
    *,
    filename: str = "sea.jpg",
    after: dict[str, str] | None = None,
    host: str | None = None,
) -> Answer:
    body = body_of(fields, file, filename, after or {})
    headers = {
        "host": host or f"127.0.0.1:{server.port}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": str(len(body)),
        "user-agent": "a browser",
    }
    return exchange(server, "POST", f"/{bucket}" if host is None else "/", headers, body)


def presigned(s3: Any, bucket: str, key: str, fields: dict[str, str] | None = None, *more: Any) -> dict[str, str]:
    """The fields that boto3 signs for a form, in version 4."""
    fields = fields or {}
    conditions = [{name: value} for name, value in fields.items()] + list(more)
    given: dict[str, str] = s3.generate_presigned_post(bucket, key, fields, conditions, 300)["fields"]
    return given


@pytest.fixture(scope="module")
def signing(server: Running) -> Any:
    return server.client(signature_version="s3v4")


def version2(conditions: list[Any], fields: dict[str, str], secret: str = ROOT_PASSWORD) -> dict[str, str]:
    expires = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = base64.b64encode(json.dumps({"expiration": expires, "conditions": conditions}).encode())
    signature = base64.b64encode(hmac.new(secret.encode(), policy, hashlib.sha1).digest()).decode()
    return {**fields, "AWSAccessKeyId": ROOT_USER, "policy": policy.decode(), "signature": signature}


def test_a_signed_form_makes_the_object_that_it_describes(server: Running, s3: Any, signing: Any, bucket: str) -> None:
    told = {
        "Content-Type": "image/jpeg",
        "Cache-Control": "max-age=60",
        "x-amz-meta-Place": "größe ♥",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>ü+</Value></Tag></TagSet></Tagging>",
    }
    fields = presigned(signing, bucket, "album/${filename}", told)
    answer = post(server, bucket, fields, b"picture", filename="C:\\Users\\me\\sea 1.jpg")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["location"] == f"{server.endpoint}/{bucket}/album/sea%201.jpg"
    found = s3.get_object(Bucket=bucket, Key="album/sea 1.jpg")
    assert found["Body"].read() == b"picture"
    assert answer.headers["etag"] == found["ETag"] == f'"{hashlib.md5(b"picture").hexdigest()}"'
    assert (found["ContentType"], found["CacheControl"]) == ("image/jpeg", "max-age=60")
    assert found["Metadata"] == {"place": "=?UTF-8?B?Z3LDtsOfZSDimaU=?="}
    assert found["StorageClass"] == "REDUCED_REDUNDANCY"
    tags = s3.get_object_tagging(Bucket=bucket, Key="album/sea 1.jpg")["TagSet"]
    assert tags == [{"Key": "a b", "Value": "ü+"}]


def test_a_form_signed_with_version_2_is_understood(server: Running, s3: Any, bucket: str) -> None:
    conditions = [{"bucket": bucket}, ["starts-with", "$key", "in/"], {"acl": "public-read"}]
    answer = post(server, bucket, version2(conditions, {"key": "in/a", "acl": "public-read"}))
    assert answer.status == 204
    assert server.request("GET", f"/{bucket}/in/a").data == b"hello"  # type: ignore[attr-defined]
    assert s3.head_object(Bucket=bucket, Key="in/a")["ContentType"] == "binary/octet-stream"


def test_a_large_file_streams_through(server: Running, s3: Any, signing: Any, bucket: str) -> None:
    data = os.urandom(9 << 20) + b"\r\n--" + BOUNDARY.encode()[:-1] + b"\r\n"
    fields = presigned(signing, bucket, "large", None, ["content-length-range", 1 << 20, 10 << 20])
    answer = post(server, bucket, fields, data, after={"late": "ignored"})
    assert answer.status == 204
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == data


def test_versions_have_their_ids(server: Running, s3: Any, signing: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    answer = post(server, bucket, presigned(signing, bucket, "k"))
    assert answer.headers["x-amz-version-id"] == s3.head_object(Bucket=bucket, Key="k")["VersionId"]


@pytest.mark.parametrize(
    ("wanted", "status"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("abc", 204), (None, 204)]
)
def test_the_form_says_how_it_is_answered(
    server: Running, signing: Any, bucket: str, wanted: str | None, status: int
) -> None:
    told = {"success_action_status": wanted} if wanted is not None else None
    answer = post(server, bucket, presigned(signing, bucket, "a b", told))
    assert answer.status == status
    if status != 201:
        assert answer.body == b""
        return
    document = ElementTree.fromstring(answer.body)
    assert document.tag == "PostResponse"
    assert {child.tag: child.text for child in document} == {
        "Location": f"{server.endpoint}/{bucket}/a%20b",
        "Bucket": bucket,
        "Key": "a b",
        "ETag": answer.headers["etag"],
    }


@pytest.mark.parametrize("field", ["success_action_redirect", "redirect"])
def test_the_browser_is_sent_where_the_form_says(server: Running, signing: Any, bucket: str, field: str) -> None:
    fields = presigned(signing, bucket, "a/ü", {field: "https://example.com/done?page=1"})
    answer = post(server, bucket, fields)
    assert answer.status == 303
    where = urlsplit(answer.headers["location"])
    assert (where.scheme, where.netloc, where.path) == ("https", "example.com", "/done")
    told = {"page": ["1"], "bucket": [bucket], "key": ["a/ü"], "etag": [answer.headers["etag"]]}
    assert parse_qs(where.query) == told


@pytest.mark.parametrize("where", ["javascript:alert(1)", "no address", "http://", "http://[", "https://a/\r\nx: y"])
def test_an_address_that_is_none_is_as_if_it_were_not_there(
    server: Running, signing: Any, bucket: str, where: str
) -> None:
    answer = post(server, bucket, presigned(signing, bucket, "k", {"success_action_redirect": where}))
    assert (answer.status, answer.headers["location"]) == (204, f"{server.endpoint}/{bucket}/k")


def test_a_form_without_a_policy_is_anonymous(server: Running, s3: Any, bucket: str) -> None:
    assert post(server, bucket, {"key": "k"}).error == ("AccessDenied", 403)
    assert absent(s3, bucket, "k")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert post(server, bucket, {"kEy": "k", "whatever": "x"}).status == 204
    assert server.client().get_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"


def test_the_policy_is_kept_to(server: Running, s3: Any, signing: Any, bucket: str) -> None:
    fields = presigned(signing, bucket, "in/k", {"Content-Type": "text/plain"}, ["content-length-range", 2, 6])
    assert post(server, bucket, fields, b"123456").status == 204
    s3.delete_object(Bucket=bucket, Key="in/k")
    for change, file, expected in (
        ({"key": "out/k"}, b"123", ("AccessDenied", 403)),
        ({"Content-Type": "text/html"}, b"123", ("AccessDenied", 403)),
        ({"acl": "public-read"}, b"123", ("AccessDenied", 403)),
        ({}, b"1234567", ("EntityTooLarge", 400)),
        ({}, b"x" * 3_000_000, ("EntityTooLarge", 400)),
        ({}, b"1", ("EntityTooSmall", 400)),
        ({}, b"", ("EntityTooSmall", 400)),
    ):
        assert post(server, bucket, fields | change, file).error == expected
    assert absent(s3, bucket, "")
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    assert post(server, other, fields | {"bucket": bucket}).error == ("AccessDenied", 403)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"key": None}, ("InvalidArgument", 400)),
        ({"key": ""}, ("InvalidArgument", 400)),
        ({"key": "k" * 1025}, ("AccessDenied", 403)),
        ({"policy": None}, ("InvalidArgument", 400)),
        ({"x-amz-signature": None}, ("InvalidArgument", 400)),
        ({"x-amz-credential": None}, ("InvalidArgument", 400)),
        ({"x-amz-date": "yesterday"}, ("InvalidArgument", 400)),
        ({"x-amz-date": "20200101T000000Z"}, ("InvalidArgument", 400)),
        ({"x-amz-algorithm": "AWS4-HMAC-MD5"}, ("InvalidArgument", 400)),
        ({"x-amz-credential": "nobody"}, ("InvalidArgument", 400)),
        ({"x-amz-signature": "0" * 64}, ("SignatureDoesNotMatch", 403)),
        ({"policy": base64.b64encode(b"{}").decode()}, ("SignatureDoesNotMatch", 403)),
        ({"x-amz-security-token": "t"}, ("InvalidToken", 400)),
    ],
)
def test_a_form_with_a_wrong_signature_is_refused(
    server: Running, signing: Any, bucket: str, change: dict[str, str | None], expected: tuple[str, int]
) -> None:
    fields = presigned(signing, bucket, "k") | change
    given = {name: value for name, value in fields.items() if value is not None}
    answer = post(server, bucket, given)
    assert answer.error == expected
    assert ROOT_PASSWORD.encode() not in answer.body


def test_a_form_of_version_2_with_a_wrong_signature_is_refused(server: Running, bucket: str) -> None:
    conditions = [{"bucket": bucket}, {"key": "k"}]
    fields = version2(conditions, {"key": "k"}, "another secret")
    assert post(server, bucket, fields).error == ("SignatureDoesNotMatch", 403)
    fields = version2(conditions, {"key": "k"})
    assert post(server, bucket, fields | {"AWSAccessKeyId": "nobody"}).error == ("InvalidAccessKeyId", 403)
    for name in ("AWSAccessKeyId", "signature", "policy"):
        given = {field: value for field, value in fields.items() if field != name}
        assert post(server, bucket, given).error == ("InvalidArgument", 400)
    for document in ("e30=", "%%%"):
        signature = base64.b64encode(hmac.new(ROOT_PASSWORD.encode(), document.encode(), hashlib.sha1).digest())
        bad = {"key": "k", "AWSAccessKeyId": ROOT_USER, "policy": document, "signature": signature.decode()}
        assert post(server, bucket, bad).error == ("InvalidPolicyDocument", 400)


def test_checksums_are_checked(server: Running, s3: Any, signing: Any, bucket: str) -> None:
    right = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    fields = presigned(signing, bucket, "k")
    assert post(server, bucket, fields | {"x-amz-checksum-sha256": right}).headers["x-amz-checksum-sha256"] == right
    s3.delete_object(Bucket=bucket, Key="k")
    for wrong in (base64.b64encode(bytes(32)).decode(), "sailorjerry"):
        assert post(server, bucket, fields | {"x-amz-checksum-sha256": wrong}).error == ("BadDigest", 400)
    assert absent(s3, bucket, "k")


def test_forms_that_are_broken_are_refused_and_leave_nothing(server: Running, s3: Any, bucket: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert post(server, bucket, {"key": "k"}, None).error == ("InvalidArgument", 400)
    assert post(server, bucket, {}, after={"key": "k"}).error == ("InvalidArgument", 400)
    assert post(server, bucket, {"key": "k", "x": "x" * 20_480}).error == ("MaxPostPreDataLengthExceededError", 400)
    assert post(server, bucket, {"key": "k" * 1025}).error == ("KeyTooLongError", 400)
    assert post(server, bucket, {"key": "k", "tagging": "<Tags/>"}).error == ("MalformedXML", 400)
    assert post(server, "no-such-bucket-here", {"key": "k"}).error == ("NoSuchBucket", 404)
    host = {"host": f"127.0.0.1:{server.port}"}
    form = host | {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    cut = body_of({"key": "k"}, b"x" * 20_000, "f", {})[:-60]
    assert exchange(server, "POST", f"/{bucket}", form | {"content-length": str(len(cut))}, cut).error == (
        *("MalformedPOSTRequest", 400),
    )
    assert exchange(server, "POST", f"/{bucket}", form, b"").error == ("MissingContentLength", 411)
    assert exchange(server, "POST", f"/{bucket}", host | {"content-length": "0"}).error == ("PreconditionFailed", 412)
    large = form | {"content-length": str(6 << 30)}
    assert exchange(server, "POST", f"/{bucket}", large).error == ("EntityTooLarge", 400)
    assert absent(s3, bucket, "")


def test_a_form_has_one_signature(server: Running, bucket: str) -> None:
    body = body_of({"key": "k"}, b"x", "f", {})
    answer = send(server, "POST", f"/{bucket}", body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"})
    assert answer.error == ("InvalidArgument", 400)


def test_another_request_may_follow_on_the_connection(server: Running, s3: Any, bucket: str) -> None:
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    body = body_of({"key": "k"}, b"first", "f", {"late": "x" * 1000})
    headers = {
        "host": f"127.0.0.1:{server.port}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": str(len(body)),
    }
    second = head_of("GET", f"/{bucket}/none", {"host": headers["host"], "connection": "close"})
    with connect(server) as connection:
        connection.sendall(head_of("POST", f"/{bucket}", headers) + body + second)
        data = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert data.count(b"HTTP/1.1 ") == 2
    assert b"NoSuchKey" in data
