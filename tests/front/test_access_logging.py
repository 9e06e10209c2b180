"""Access logs: what was asked of a bucket stands, in AWS's form, in objects of another bucket."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from tests.front.test_addressing import fetch
from tests.front.test_post_object import post
from tests.front.wire import exchange, refused, send, until
from tests.harness import ROOT_USER, Running, serving

NAMES = (
    *("owner", "bucket", "time", "ip", "requester", "id", "operation", "key", "uri", "status", "error", "sent", "size"),
    *("total", "turnaround", "referer", "agent", "version", "host_id", "signature", "cipher", "type", "host", "tls"),
    *("access_point", "acl_required"),
)
DOMAIN = "s3-website.example.com"


def parse(line: str) -> dict[str, str]:
    """The fields of a line by name; there must be exactly as many as AWS has."""
    fields = re.findall(r'"[^"]*"|\[[^\]]*\]|\S+', line)
    assert len(fields) == len(NAMES), line
    return dict(zip(NAMES, (field.strip('"') for field in fields), strict=True))


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that delivers logs as soon as it can, and has a domain for websites."""
    folder = tmp_path_factory.mktemp("logged")
    config = folder / "settings.toml"
    config.write_text(f'log_delivery = 0.0\nwebsite_domains = ["{DOMAIN}"]\n')
    with serving(folder, drives=1, arguments=("--config", str(config))) as running:
        yield running


@pytest.fixture(scope="module")
def s3(logged: Running) -> Any:
    return logged.client(signature_version="s3v4")


def made(s3: Any, kind: str) -> str:
    name = f"{kind}-{uuid.uuid4().hex[:16]}"
    s3.create_bucket(Bucket=name)
    return name


def let_in(s3: Any, target: str, resource: str = "*", **condition: Any) -> None:
    """The policy that AWS's page shows."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/{resource}",
        **({"Condition": condition} if condition else {}),
    }
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


@pytest.fixture
def bucket(s3: Any) -> str:
    return made(s3, "source")


@pytest.fixture
def target(s3: Any) -> str:
    name = made(s3, "target")
    let_in(s3, name)
    return name


def enable(s3: Any, bucket: str, target: str, prefix: str = "log/", **more: Any) -> None:
    enabled = {"TargetBucket": target, "TargetPrefix": prefix, **more}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def lines(s3: Any, target: str, prefix: str = "") -> list[dict[str, str]]:
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=target, Prefix=prefix).get("Contents", [])]
    texts = [s3.get_object(Bucket=target, Key=key)["Body"].read().decode() for key in keys]
    return [parse(line) for text in texts for line in text.splitlines()]


def test_every_kind_of_request_has_its_line(logged: Running, s3: Any, bucket: str, target: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    enable(s3, bucket, target)
    put = s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"hello")
    got = s3.get_object(Bucket=bucket, Key="a b/ü")
    s3.head_object(Bucket=bucket, Key="a b/ü")
    s3.list_objects_v2(Bucket=bucket)
    s3.list_object_versions(Bucket=bucket)
    s3.get_bucket_acl(Bucket=bucket)
    s3.get_bucket_location(Bucket=bucket)
    s3.get_object_tagging(Bucket=bucket, Key="a b/ü")
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="none")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "x" * 2000}]})
    s3.delete_object(Bucket=bucket, Key="parts")
    expected = {
        ("REST.PUT.OBJECT", "a%20b/%C3%BC", "200", "-", "5"),
        ("REST.GET.OBJECT", "a%20b/%C3%BC", "200", "-", "5"),
        ("REST.HEAD.OBJECT", "a%20b/%C3%BC", "200", "-", "5"),
        ("REST.GET.BUCKET", "-", "200", "-", "-"),
        ("REST.GET.BUCKETVERSIONS", "-", "200", "-", "-"),
        ("REST.GET.ACL", "-", "200", "-", "-"),
        ("REST.GET.LOCATION", "-", "200", "-", "-"),
        ("REST.GET.OBJECT_TAGGING", "a%20b/%C3%BC", "200", "-", "5"),
        ("REST.GET.OBJECT", "none", "404", "NoSuchKey", "-"),
        ("REST.COPY.OBJECT", "copy", "200", "-", "-"),
        ("REST.COPY.OBJECT_GET", "a%20b/%C3%BC", "200", "-", "-"),
        ("REST.POST.UPLOADS", "parts", "200", "-", "-"),
        ("REST.PUT.PART", "parts", "200", "-", "4"),
        ("REST.POST.UPLOAD", "parts", "200", "-", "-"),
        ("REST.POST.MULTI_OBJECT_DELETE", "-", "200", "-", "-"),
        ("BATCH.DELETE.OBJECT", "copy", "204", "-", "-"),
        ("BATCH.DELETE.OBJECT", "x" * 2000, "400", "KeyTooLongError", "-"),
        ("REST.DELETE.OBJECT", "parts", "204", "-", "-"),
    }

    def told() -> set[tuple[str, ...]]:
        return {tuple(one[name] for name in ("operation", "key", "status", "error", "size")) for one in all_lines()}

    def all_lines() -> list[dict[str, str]]:
        return lines(s3, target, "log/")

    until(lambda: told() >= expected, "all lines")
    assert told() == expected
    by_id = {one["id"]: one for one in all_lines() if one["operation"].startswith("REST")}
    line = by_id[put["ResponseMetadata"]["RequestId"]]
    owner = s3.list_buckets()["Owner"]["ID"]
    assert (line["owner"], line["bucket"], line["requester"], line["ip"]) == (owner, bucket, owner, "127.0.0.1")
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", line["time"])
    assert line["uri"].startswith(f"PUT /{bucket}/a%20b/%C3%BC HTTP/1.1")
    assert (line["signature"], line["type"], line["host"]) == ("SigV4", "AuthHeader", f"127.0.0.1:{logged.port}")
    assert (line["version"], line["cipher"], line["tls"], line["acl_required"]) == (put["VersionId"], "-", "-", "-")
    assert "Boto3" in line["agent"] and line["referer"] == "-" and line["host_id"] != "-"
    line = by_id[got["ResponseMetadata"]["RequestId"]]
    assert (line["sent"], line["total"].isdigit(), line["turnaround"].isdigit()) == ("5", True, True)


def test_who_asked_and_how_is_told(logged: Running, s3: Any, bucket: str, target: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ACL="public-read")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    enable(s3, bucket, target)
    given = {"Bucket": bucket, "Key": "k"}
    presigned = s3.generate_presigned_url("get_object", given)
    assert fetch(logged, "GET", presigned).status == 200
    assert fetch(logged, "GET", logged.client(signature_version="s3").generate_presigned_url("get_object", given)).body
    host = {"host": f"127.0.0.1:{logged.port}"}
    strange = {"user-agent": 'a" 200 - "\t\\', "referer": "http://o/ä"}
    assert exchange(logged, "GET", f"/{bucket}/k", host | strange).status == 200
    assert exchange(logged, "GET", f"/{bucket}", host).status == 403
    forged = send(logged, "GET", f"/{bucket}/k", forged={"authorization": "AWS4-HMAC-SHA256 nonsense"})
    assert forged.status == 400
    form = s3.generate_presigned_post(bucket, "form")["fields"]
    assert post(logged, bucket, form).status == 204
    asked = host | {"origin": "http://o", "access-control-request-method": "GET"}
    assert exchange(logged, "OPTIONS", f"/{bucket}/k", asked).status == 403
    assert exchange(logged, "GET", "/k?x=y", {"host": f"{bucket}.{DOMAIN}"}).body == b"hello"
    assert exchange(logged, "PUT", "/k", {"host": f"{bucket}.{DOMAIN}", "content-length": "0"}).status == 405

    def found(*names: str) -> list[tuple[str, ...]]:
        return [tuple(one[name] for name in names) for one in lines(s3, target)]

    until(lambda: len(found()) == 9, "all lines")
    owner = s3.list_buckets()["Owner"]["ID"]
    assert sorted(found("operation", "status", "requester", "signature", "type")) == sorted(
        [
            ("REST.GET.OBJECT", "200", owner, "SigV4", "QueryString"),
            ("REST.GET.OBJECT", "200", owner, "SigV2", "QueryString"),
            ("REST.GET.OBJECT", "200", "-", "-", "-"),
            ("REST.GET.BUCKET", "403", "-", "-", "-"),
            ("REST.GET.OBJECT", "400", "-", "SigV4", "AuthHeader"),
            ("REST.POST.OBJECT", "204", owner, "-", "-"),
            ("REST.OPTIONS.PREFLIGHT", "403", "-", "-", "-"),
            ("WEBSITE.GET.OBJECT", "200", "-", "-", "-"),
            ("WEBSITE.PUT.OBJECT", "405", "-", "-", "-"),
        ]
    )
    assert ("a%22 200 - %22%09%5C",) in found("agent")
    assert ("http://o/%E4",) in found("referer")
    uris = " ".join(uri for (uri,) in found("uri"))
    signature = re.search("X-Amz-Signature=([0-9a-f]+)", presigned)
    assert signature and signature[1] not in uris and "X-Amz-Signature=REDACTED" in uris
    assert quote(ROOT_USER) in uris


def test_an_acl_that_was_needed_is_told(logged: Running, s3: Any, bucket: str, target: str) -> None:
    s3.put_object(Bucket=bucket, Key="by-acl", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="by-policy", Body=b"x")
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/by-policy",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    enable(s3, bucket, target)
    host = {"host": f"127.0.0.1:{logged.port}"}
    for key in ("by-acl", "by-policy"):
        assert exchange(logged, "GET", f"/{bucket}/{key}", host).status == 200
    until(lambda: len(lines(s3, target)) == 2, "both lines")
    assert {one["key"]: one["acl_required"] for one in lines(s3, target)} == {"by-acl": "Yes", "by-policy": "-"}


@pytest.mark.parametrize("source", ["EventTime", "DeliveryTime", None])
def test_keys_of_log_objects(s3: Any, bucket: str, target: str, source: str | None) -> None:
    form = {"PartitionedPrefix": {"PartitionDateSource": source}} if source else {"SimplePrefix": {}}
    enable(s3, bucket, target, "logs-", TargetObjectKeyFormat=form)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    one = until(lambda: s3.list_objects_v2(Bucket=target).get("Contents"), "a log object")[0]
    owner = s3.list_buckets()["Owner"]["ID"]
    day, moment = r"(\d{4})/(\d\d)/(\d\d)", r"-\d\d-\d\d-\d\d" if source == "DeliveryTime" else "-00-00-00"
    pattern = rf"logs-({owner}|\d{{12}})/us-east-1/{bucket}/{day}/\2-\3-\4{moment}-[0-9A-F]{{16}}"
    if source is None:
        pattern = r"logs-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}"
    assert re.fullmatch(pattern, one["Key"])


def test_a_configuration_comes_back_and_goes(s3: Any, bucket: str, target: str) -> None:
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    enable(s3, bucket, target)
    plain = {"TargetBucket": target, "TargetPrefix": "log/", "TargetObjectKeyFormat": {"SimplePrefix": {}}}
    first = s3.get_bucket_logging(Bucket=bucket)
    assert first["LoggingEnabled"] == plain
    owner = s3.list_buckets()["Owner"]
    grantee = {"ID": owner["ID"], "DisplayName": owner["DisplayName"], "Type": "CanonicalUser"}
    everybody = {"URI": "http://acs.amazonaws.com/groups/global/AllUsers", "Type": "Group"}
    more = {
        "TargetGrants": [
            {"Grantee": everybody, "Permission": "READ"},
            {"Grantee": grantee, "Permission": "FULL_CONTROL"},
        ],
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
    }
    enable(s3, bucket, target, **more)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == plain | more
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")

    def partitioned() -> list[str]:
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=target).get("Contents", [])]
        return [key for key in keys if f"/{bucket}/" in key]

    found = until(partitioned, "a log object")
    grants = s3.get_object_acl(Bucket=target, Key=found[0])["Grants"]
    assert {"Grantee": everybody, "Permission": "READ"} in grants
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def test_a_target_that_cannot_be_is_refused(s3: Any, bucket: str, target: str) -> None:
    def code(target: str, **more: Any) -> str:
        with pytest.raises(ClientError) as caught:
            enable(s3, bucket, target, **more)
        return str(caught.value.response["Error"]["Code"])

    assert code("no-such-bucket-here") == "InvalidTargetBucketForLogging"
    closed = made(s3, "closed")
    assert code(closed) == "AccessDenied"
    let_in(s3, closed, "other/*")
    assert code(closed) == "AccessDenied"
    let_in(s3, closed, "log/*", ArnLike={"aws:SourceArn": "arn:aws:s3:::another"})
    assert code(closed) == "AccessDenied"
    let_in(s3, closed, "log/*", ArnLike={"aws:SourceArn": f"arn:aws:s3:::{bucket}"})
    enable(s3, bucket, closed)
    s3.put_bucket_request_payment(Bucket=target, RequestPaymentConfiguration={"Payer": "Requester"})
    assert code(target) == "InvalidTargetBucketForLogging"
    s3.put_bucket_request_payment(Bucket=target, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    assert code(target, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "Noon"}}) == "MalformedXML"
    assert code(target, TargetObjectKeyFormat={"PartitionedPrefix": {}, "SimplePrefix": {}}) == "MalformedXML"
    with pytest.raises(ClientError, match="InvalidArgument"):
        enable(s3, bucket, target, "x" * 600)
    s3.put_bucket_ownership_controls(
        Bucket=target, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    everybody = {"URI": "http://acs.amazonaws.com/groups/global/AllUsers", "Type": "Group"}
    grants = [{"Grantee": everybody, "Permission": "READ"}]
    assert code(target, TargetGrants=grants) == "AccessControlListNotSupported"


def test_the_acl_of_a_target_lets_logs_in_too(s3: Any, bucket: str) -> None:
    target = made(s3, "target")
    s3.put_bucket_acl(Bucket=target, ACL="log-delivery-write")
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    until(lambda: lines(s3, target), "the line")


def test_a_target_that_is_closed_gets_no_more(s3: Any, bucket: str, target: str) -> None:
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="first", Body=b"x")
    until(lambda: lines(s3, target), "the first line")
    s3.delete_bucket_policy(Bucket=target)
    s3.put_object(Bucket=bucket, Key="second", Body=b"x")
    witness, other = made(s3, "source"), made(s3, "target")
    let_in(s3, other)
    enable(s3, witness, other)
    s3.put_object(Bucket=witness, Key="k", Body=b"x")
    until(lambda: lines(s3, other), "a line that came later")
    let_in(s3, target)
    s3.put_object(Bucket=bucket, Key="third", Body=b"x")
    until(lambda: any(one["key"] == "third" for one in lines(s3, target)), "the third line")
    assert {one["key"] for one in lines(s3, target)} == {"first", "third"}


def test_lines_outlive_a_server_that_is_stopped(logged: Running, s3: Any, bucket: str, target: str) -> None:
    enable(s3, bucket, target)
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    logged.stop()
    logged.start()
    until(lambda: len(lines(s3, target)) >= 5, "the lines")
    assert {one["key"] for one in lines(s3, target)} == {f"k{number}" for number in range(5)}
