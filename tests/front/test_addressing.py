"""Where a request is sent: presigned URLs, buckets as host names, and anonymous callers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.front.test_post_object import post
from tests.front.wire import Answer, Signer, absent, exchange, refused, send
from tests.harness import Running, serving


def fetch(server: Running, method: str, url: str, body: bytes = b"", **headers: str) -> Answer:
    """Send a presigned request."""
    parts = urlsplit(url)
    sent = {"host": parts.netloc} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        sent["content-length"] = str(len(body))
    return exchange(server, method, f"{parts.path}?{parts.query}", sent, body)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_work_for_whoever_has_them(server: Running, bucket: str, version: str) -> None:
    client = server.client(signature_version=version)
    given = {"Bucket": bucket, "Key": "a b/ü+"}
    put = client.generate_presigned_url("put_object", given)
    assert fetch(server, "PUT", put, b"hello").status == 200
    assert fetch(server, "GET", client.generate_presigned_url("get_object", given)).body == b"hello"
    head = fetch(server, "HEAD", client.generate_presigned_url("head_object", given))
    assert (head.status, head.headers["content-length"], head.body) == (200, "5", b"")
    delete = client.generate_presigned_url("delete_object", given)
    assert fetch(server, "DELETE", delete).status == 204
    assert fetch(server, "GET", client.generate_presigned_url("get_object", given)).error == ("NoSuchKey", 404)
    listed = fetch(server, "GET", client.generate_presigned_url("list_objects_v2", {"Bucket": bucket}))
    assert listed.status == 200, listed.body


def test_a_presigned_url_is_for_what_was_signed(server: Running, bucket: str) -> None:
    client = server.client(signature_version="s3v4")
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert fetch(server, "GET", url).status == 200
    assert fetch(server, "DELETE", url).error == ("SignatureDoesNotMatch", 403)
    assert fetch(server, "GET", url.replace("/k?", "/other?")).error == ("SignatureDoesNotMatch", 403)
    assert fetch(server, "GET", url + "&versionId=null").error == ("SignatureDoesNotMatch", 403)


def test_an_expired_url_is_refused(server: Running, bucket: str) -> None:
    clients = (server.client(signature_version=version) for version in ("s3v4", "s3"))
    key = {"Bucket": bucket, "Key": "k"}
    urls = [client.generate_presigned_url("get_object", key, ExpiresIn=1) for client in clients]
    time.sleep(2.1)
    for url in urls:
        answer = fetch(server, "GET", url)
        assert answer.error == ("AccessDenied", 403)
        assert b"expired" in answer.body


def test_more_than_a_week_is_refused(server: Running, bucket: str) -> None:
    client = server.client(signature_version="s3v4")
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=604_801)
    assert fetch(server, "GET", url).error == ("AccessDenied", 403)


def test_overrides_in_a_presigned_url(server: Running, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    client = server.client(signature_version="s3v4")
    given = {"Bucket": bucket, "Key": "k", "ResponseContentDisposition": 'attachment; filename="f"'}
    answer = fetch(server, "GET", client.generate_presigned_url("get_object", given))
    assert answer.headers["content-disposition"] == 'attachment; filename="f"'


def test_headers_that_were_moved_into_a_presigned_url_count(server: Running, s3: Any, bucket: str) -> None:
    """As the SDKs for JavaScript and Java do it, so that whoever has the address need not send them."""
    moved = {"x-amz-meta-colour": "blue", "x-amz-tagging": "a=b", "x-amz-checksum-crc32": "NhCmhg=="}
    request = AWSRequest("PUT", f"{server.endpoint}/{bucket}/k", params=moved)
    S3SigV4QueryAuth(Credentials(Signer().access, Signer().secret), "s3", "us-east-1").add_auth(request)
    url = str(request.prepare().url)
    assert fetch(server, "PUT", url.replace("=blue", "=green"), b"hello").error == ("SignatureDoesNotMatch", 403)
    assert fetch(server, "PUT", url, b"other").error == ("BadDigest", 400)
    assert absent(s3, bucket, "k")
    assert fetch(server, "PUT", url, b"hello").status == 200
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head["Metadata"], head["TagCount"], head["ChecksumCRC32"]) == ({"colour": "blue"}, 1, "NhCmhg==")


def test_a_part_may_be_presigned(server: Running, s3: Any, bucket: str) -> None:
    client = server.client(signature_version="s3v4")
    known = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    answer = fetch(server, "PUT", client.generate_presigned_url("upload_part", known | {"PartNumber": 1}), b"hello")
    assert answer.status == 200, answer.body
    parts = {"Parts": [{"PartNumber": 1, "ETag": answer.headers["etag"]}]}
    s3.complete_multipart_upload(**known, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"hello"


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that answers for two domains."""
    environment = {"OBJSTORE_DOMAIN": "s3.example.com, objects.test"}
    with serving(tmp_path_factory.mktemp("hosting"), drives=1, environment=environment) as running:
        yield running


def test_a_bucket_is_a_host_name(hosting: Running) -> None:
    s3 = hosting.client()
    s3.create_bucket(Bucket="my.bucket")
    for domain in ("s3.example.com", "objects.test"):
        host = f"my.bucket.{domain}:{hosting.port}"
        assert send(hosting, "PUT", "/dir/k", b"hello", host=host).status == 200
        assert send(hosting, "GET", "/dir/k", host=host).body == b"hello"
        assert b"<Key>dir/k</Key>" in send(hosting, "GET", "/?list-type=2", host=host).body
        path_style = send(hosting, "GET", "/my.bucket/dir/k", host=f"{domain}:{hosting.port}")
        assert path_style.body == b"hello"
    assert send(hosting, "GET", "/my.bucket/dir/k").body == b"hello"
    assert s3.get_object(Bucket="my.bucket", Key="dir/k")["Body"].read() == b"hello"


def test_a_host_of_a_bucket_that_is_not_there(hosting: Running) -> None:
    assert send(hosting, "GET", "/", host="nowhere.objects.test").error == ("NoSuchBucket", 404)


def test_a_virtual_host_may_be_presigned(hosting: Running) -> None:
    import boto3
    from botocore.config import Config

    hosting.client().create_bucket(Bucket="signed-host")
    client = boto3.client(
        "s3",
        endpoint_url=f"http://objects.test:{hosting.port}",
        aws_access_key_id=Signer().access,
        aws_secret_access_key=Signer().secret,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}),
    )
    url = client.generate_presigned_url("put_object", {"Bucket": "signed-host", "Key": "k"})
    assert urlsplit(url).hostname == "signed-host.objects.test"
    assert fetch(hosting, "PUT", url, b"x").status == 200


def test_a_form_is_posted_to_a_virtual_host(hosting: Running) -> None:
    client = hosting.client(signature_version="s3v4")
    client.create_bucket(Bucket="form-host")
    fields = client.generate_presigned_post("form-host", "a b")["fields"]
    answer = post(hosting, "form-host", fields, host="form-host.objects.test:9000")
    assert (answer.status, answer.headers["location"]) == (204, "http://form-host.objects.test:9000/a%20b")
    assert client.get_object(Bucket="form-host", Key="a b")["Body"].read() == b"hello"


def test_strangers_see_only_what_is_public(server: Running, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="private", Body=b"p")
    s3.put_object(Bucket=bucket, Key="public", Body=b"q", ACL="public-read")
    host = {"host": f"127.0.0.1:{server.port}"}
    assert exchange(server, "GET", f"/{bucket}/private", host).error == ("AccessDenied", 403)
    assert exchange(server, "GET", f"/{bucket}/missing", host).error == ("AccessDenied", 403)
    assert exchange(server, "GET", f"/{bucket}", host).error == ("AccessDenied", 403)
    assert b"<Bucket>" not in exchange(server, "GET", "/", host).body
    assert exchange(server, "GET", f"/{bucket}/public", host).body == b"q"
    put = exchange(server, "PUT", f"/{bucket}/public", host | {"content-length": "1"}, b"x")
    assert put.error == ("AccessDenied", 403)
    with refused("NoSuchKey", 404):
        s3.get_object(Bucket=bucket, Key="missing")


def test_every_answer_has_an_id_of_its_own(server: Running, s3: Any, bucket: str) -> None:
    answers = [send(server, "GET", f"/{bucket}"), send(server, "GET", f"/{bucket}/none")]
    answers += [send(server, "GET", "/", signer=Signer(secret="no")), send(server, "HEAD", f"/{bucket}/none")]
    ids = [answer.headers["x-amz-request-id"] for answer in answers]
    assert len(set(ids)) == 4 and all(ids)
    assert all(answer.headers["x-amz-id-2"] for answer in answers)
    assert ids[1].encode() in answers[1].body
