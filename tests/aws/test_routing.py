"""What tells neighbouring operations apart, and what is refused instead of being taken for a neighbour."""

from __future__ import annotations

import pytest

from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError
from objstore.aws.http import read_request
from objstore.aws.routing import POST_OBJECT, Router
from objstore.aws.service import service

ROUTER = Router(service())


def route(line: str, **headers: str) -> str:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"method": method, "raw_path": path.encode(), "query_string": query.encode(), "headers": named}
    return ROUTER.route(read_request(scope, Domains()))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("GET /", "ListBuckets"),
        ("GET /?x-id=ListBuckets&max-buckets=2", "ListBuckets"),
        ("PUT /b", "CreateBucket"),
        ("GET /b", "ListObjects"),
        ("GET /b/?list-type=2&prefix=a", "ListObjectsV2"),
        ("GET /b?list-type=1", "ListObjects"),
        ("GET /b?unknown=1", "ListObjects"),
        ("GET /b?versions&prefix=a", "ListObjectVersions"),
        ("GET /b?uploads=", "ListMultipartUploads"),
        ("GET /b?lifecycle", "GetBucketLifecycleConfiguration"),
        ("GET /b?inventory", "ListBucketInventoryConfigurations"),
        ("GET /b?inventory&id=1", "GetBucketInventoryConfiguration"),
        ("HEAD /b", "HeadBucket"),
        ("POST /b?delete", "DeleteObjects"),
        ("GET /b/k?partNumber=1&versionId=v", "GetObject"),
        ("GET /b/k?uploadId=u", "ListParts"),
        ("HEAD /b/k?partNumber=1", "HeadObject"),
        ("PUT /b/k?x-id=PutObject", "PutObject"),
        ("PUT /b/k?partNumber=1&uploadId=u", "UploadPart"),
        ("PUT /b/k?uploadId=u", "UploadPart"),
        ("PUT /b/k?partNumber=1", "UploadPart"),
        ("POST /b/k?uploads", "CreateMultipartUpload"),
        ("POST /b/k?uploadId=u", "CompleteMultipartUpload"),
        ("DELETE /b/k?uploadId=u", "AbortMultipartUpload"),
        ("DELETE /b/k?versionId=v", "DeleteObject"),
        ("POST /b/k?select&select-type=2", "SelectObjectContent"),
        ("GET /b/k?attributes", "GetObjectAttributes"),
        ("PUT /b?analytics", "PutBucketAnalyticsConfiguration"),
    ],
)
def test_addresses(line: str, name: str) -> None:
    assert route(line) == name


def test_a_copy_source_makes_a_put_a_copy() -> None:
    assert route("PUT /b/k", x_amz_copy_source="/a/k") == "CopyObject"
    assert route("PUT /b/k?partNumber=1&uploadId=u", x_amz_copy_source="/a/k") == "UploadPartCopy"


@pytest.mark.parametrize(
    "line",
    [
        "DELETE /b/k?acl",
        "DELETE /b?versioning",
        "PUT /b/k?uploads",
        "PUT /b?uploads",
        "GET /b?delete",
        "HEAD /b/k?acl",
        "HEAD /",
        "POST /",
        "POST /b/k",
        "PATCH /b/k",
        "PUT /",
        "POST /b/k?select&select-type=1",
    ],
)
def test_a_method_that_a_resource_has_not_is_refused(line: str) -> None:
    with pytest.raises(AwsError) as caught:
        route(line)
    assert caught.value.code == "MethodNotAllowed"
    assert caught.value.detail["Method"] == line.split()[0]


def test_two_sub_resources_conflict() -> None:
    with pytest.raises(AwsError, match="Conflicting query string parameters: acl, tagging") as caught:
        route("PUT /b/k?tagging&acl")
    assert caught.value.code == "InvalidArgument"


def test_a_form_is_an_upload_and_nothing_else_is_posted_to_a_bucket() -> None:
    assert route("POST /b", content_type="Multipart/Form-Data; boundary=x") == POST_OBJECT
    with pytest.raises(AwsError, match="PreconditionFailed"):
        route("POST /b")
    assert route("POST /b?delete", content_type="multipart/form-data; boundary=x") == "DeleteObjects"
