"""Websites: what a browser gets on the host of a bucket, and what a bucket's website may be configured to be."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.front.wire import Answer, exchange, refused, send
from tests.harness import Running, serving

DOMAIN = "s3-website.example.com"

SITE: dict[str, Any] = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "error.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {
            "Condition": {"KeyPrefixEquals": "away/"},
            "Redirect": {"HostName": "example.org", "Protocol": "https", "HttpRedirectCode": "307"},
        },
        {
            "Condition": {"KeyPrefixEquals": "images/", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {"ReplaceKeyWith": "missing image.png", "HttpRedirectCode": "302"},
        },
    ],
}
PAGES = {
    "index.html": b"<h1>home</h1>",
    "folder/index.html": b"<h1>folder</h1>",
    "error.html": b"<h1>oh</h1>",
    "page": b"0123456789",
    "images/sea.png": b"png",
    "a b/\u00fc.html": b"umlaut",
}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a domain for websites and one further host."""
    environment = {
        "OBJSTORE_DOMAIN": "s3.example.com",
        "OBJSTORE_WEBSITE_DOMAIN": DOMAIN,
        "OBJSTORE_WEBSITE_HOSTS": "www.example.net",
    }
    with serving(tmp_path_factory.mktemp("sites"), drives=1, environment=environment) as running:
        yield running


@pytest.fixture(scope="module")
def client(sites: Running) -> Any:
    return sites.client()


def public(client: Any, configuration: dict[str, Any] | None, acl: str = "public-read", name: str = "") -> str:
    """A bucket with the pages above, readable for everybody."""
    name = name or f"site-{uuid.uuid4().hex[:16]}"
    client.create_bucket(Bucket=name, ACL=acl)
    for key, body in PAGES.items():
        kind = "text/html" if key.endswith(".html") else "text/plain"
        client.put_object(Bucket=name, Key=key, Body=body, ContentType=kind, ACL="public-read")
    if configuration is not None:
        client.put_bucket_website(Bucket=name, WebsiteConfiguration=configuration)
    return name


@pytest.fixture(scope="module")
def site(client: Any) -> str:
    return public(client, SITE)


def visit(sites: Running, site: str, path: str, method: str = "GET", host: str = "", **headers: str) -> Answer:
    sent = {"host": host or f"{site}.{DOMAIN}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return exchange(sites, method, path, sent)


def test_pages_and_indexes_are_shown(sites: Running, site: str) -> None:
    home = visit(sites, site, "/")
    assert (home.status, home.body, home.headers["content-type"]) == (200, PAGES["index.html"], "text/html")
    assert visit(sites, site, "/folder/").body == PAGES["folder/index.html"]
    assert visit(sites, site, "/page?with=query&versionId=x").body == PAGES["page"]
    assert visit(sites, site, "/a%20b/%C3%BC.html").body == b"umlaut"
    assert visit(sites, site, "/", host=f"{site.upper()}.{DOMAIN.upper()}:9000").body == PAGES["index.html"]
    head = visit(sites, site, "/page", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "10")


def test_ranges_and_conditions_hold(sites: Running, site: str) -> None:
    part = visit(sites, site, "/page", range="bytes=2-4")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    whole = visit(sites, site, "/page")
    known = visit(sites, site, "/page", if_none_match=whole.headers["etag"])
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert visit(sites, site, "/page", if_modified_since=whole.headers["last-modified"]).status == 304
    assert visit(sites, site, "/page", if_match='"other"').status == 412
    assert visit(sites, site, "/page", range="bytes=20-").status == 416


def test_a_folder_without_its_slash_is_redirected(sites: Running, site: str) -> None:
    answer = visit(sites, site, "/folder")
    assert (answer.status, answer.headers["location"], answer.body) == (302, "/folder/", b"")
    assert visit(sites, site, "/a%20b").status == 404


def test_a_missing_page_shows_the_error_document(sites: Running, site: str) -> None:
    answer = visit(sites, site, "/none", range="bytes=0-1")
    assert (answer.status, answer.body) == (404, PAGES["error.html"])
    assert answer.headers["x-amz-error-code"] == "NoSuchKey"
    assert answer.headers["x-amz-error-detail-key"] == "none"
    assert answer.headers["content-type"] == "text/html"
    assert "content-range" not in answer.headers
    head = visit(sites, site, "/none/", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (404, b"", str(len(PAGES["error.html"])))


def test_without_an_error_document_there_is_a_plain_page(sites: Running, client: Any) -> None:
    site = public(client, {"IndexDocument": {"Suffix": "index.html"}})
    answer = visit(sites, site, "/none<x>")
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    text = answer.body.decode()
    assert "<title>404 Not Found</title>" in text and "<li>Code: NoSuchKey</li>" in text
    assert "<li>Key: none&lt;x&gt;</li>" in text
    assert f"<li>RequestId: {answer.headers['x-amz-request-id']}</li>" in text
    assert visit(sites, site, "/none", "HEAD").body == b""


def test_an_error_document_that_is_missing_is_told(sites: Running, client: Any) -> None:
    site = public(client, {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "gone.html"}})
    answer = visit(sites, site, "/none")
    assert answer.status == 404
    assert b"An Error Occurred While Attempting to Retrieve a Custom Error Document" in answer.body
    assert b"<li>Key: gone.html</li>" in answer.body


def test_only_what_is_public_is_shown(sites: Running, client: Any) -> None:
    site = public(client, {"IndexDocument": {"Suffix": "index.html"}}, acl="private")
    client.put_object(Bucket=site, Key="secret", Body=b"s")
    assert visit(sites, site, "/page").status == 200
    for path in ("/secret", "/none"):
        answer = visit(sites, site, path)
        assert (answer.status, answer.headers["x-amz-error-code"]) == (403, "AccessDenied")
        assert b"<title>403 Forbidden</title>" in answer.body
    signed = send(sites, "GET", "/secret", host=f"{site}.{DOMAIN}")
    assert signed.status == 403
    client.put_object(Bucket=site, Key="hidden/index.html", Body=b"s")
    assert visit(sites, site, "/hidden").status == 403
    assert visit(sites, site, "/folder").status == 302


def test_rules_redirect_before_and_after_the_object_is_looked_for(sites: Running, site: str) -> None:
    host = f"{site}.{DOMAIN}"
    for path, status, location in (
        ("/old/a%20b", 301, f"http://{host}/new/a%20b"),
        ("/old/", 301, f"http://{host}/new/"),
        ("/away/x", 307, "https://example.org/away/x"),
        ("/images/none.png", 302, f"http://{host}/missing%20image.png"),
    ):
        answer = visit(sites, site, path)
        assert (answer.status, answer.headers["location"], answer.body) == (status, location, b"")
    assert visit(sites, site, "/images/sea.png").body == b"png"


def test_a_rule_without_a_condition_takes_everything(sites: Running, client: Any) -> None:
    rule = {"Redirect": {"HostName": "example.org", "ReplaceKeyPrefixWith": "v2/"}}
    site = public(client, {"IndexDocument": {"Suffix": "i"}, "RoutingRules": [rule]})
    assert visit(sites, site, "/page").headers["location"] == "http://example.org/v2/page"


def test_everything_may_be_elsewhere(sites: Running, client: Any) -> None:
    target = {"RedirectAllRequestsTo": {"HostName": "www.example.org", "Protocol": "https"}}
    site = public(client, target)
    answer = visit(sites, site, "/a/b%20c", "HEAD")
    assert (answer.status, answer.headers["location"]) == (301, "https://www.example.org/a/b%20c")
    assert client.get_bucket_website(Bucket=site).items() >= target.items()


def test_an_object_may_be_elsewhere(sites: Running, client: Any, site: str) -> None:
    client.put_object(Bucket=site, Key="moved", WebsiteRedirectLocation="/page", ACL="public-read", Body=b"x" * 100_000)
    answer = visit(sites, site, "/moved")
    assert (answer.status, answer.headers["location"], answer.body) == (301, "/page", b"")
    assert client.get_object(Bucket=site, Key="moved")["WebsiteRedirectLocation"] == "/page"
    assert client.head_object(Bucket=site, Key="moved")["WebsiteRedirectLocation"] == "/page"
    source = {"Bucket": site, "Key": "moved"}
    client.copy_object(Bucket=site, Key="copy", CopySource=source)
    assert "WebsiteRedirectLocation" not in client.head_object(Bucket=site, Key="copy")
    client.copy_object(Bucket=site, Key="moved", CopySource=source, WebsiteRedirectLocation="https://example.org/")
    assert client.head_object(Bucket=site, Key="moved")["WebsiteRedirectLocation"] == "https://example.org/"
    upload = client.create_multipart_upload(Bucket=site, Key="parts", WebsiteRedirectLocation="/x")["UploadId"]
    etag = client.upload_part(Bucket=site, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(Bucket=site, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert client.head_object(Bucket=site, Key="parts")["WebsiteRedirectLocation"] == "/x"
    for location in ("page", "ftp://example.org/", "/" + "x" * 2048):
        with refused("InvalidRedirectLocation", 400):
            client.put_object(Bucket=site, Key="bad", WebsiteRedirectLocation=location)


def test_a_host_of_ones_own_is_the_bucket_of_that_name(sites: Running, client: Any) -> None:
    public(client, {"IndexDocument": {"Suffix": "index.html"}}, name="www.example.net")
    assert visit(sites, "", "/", host="www.example.net").body == PAGES["index.html"]
    assert visit(sites, "", "/", host="www.example.net.s3.example.com").body.startswith(b"<?xml")
    client.put_object(Bucket="www.example.net", Key="-/health/live", Body=b"mine", ACL="public-read")
    assert visit(sites, "", "/-/health/live", host="www.example.net").body == b"mine"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_a_website_is_only_read(sites: Running, client: Any, site: str, method: str) -> None:
    answer = send(sites, method, "/page", b"x", host=f"{site}.{DOMAIN}")
    assert (answer.status, answer.headers["x-amz-error-code"]) == (405, "MethodNotAllowed")
    assert client.get_object(Bucket=site, Key="page")["Body"].read() == PAGES["page"]


def test_what_is_no_website_is_said_to_be_none(sites: Running, client: Any) -> None:
    nowhere = visit(sites, "no-such-bucket", "/")
    assert (nowhere.status, nowhere.headers["x-amz-error-code"]) == (404, "NoSuchBucket")
    site = public(client, None)
    answer = visit(sites, site, "/page")
    assert (answer.status, answer.headers["x-amz-error-code"]) == (404, "NoSuchWebsiteConfiguration")
    assert f"<li>BucketName: {site}</li>".encode() in answer.body


def test_other_origins_may_use_a_website(sites: Running, client: Any, site: str) -> None:
    rules = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["http://o"]}]
    client.put_bucket_cors(Bucket=site, CORSConfiguration={"CORSRules": rules})
    asked = visit(sites, site, "/page", "OPTIONS", origin="http://o", access_control_request_method="GET")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (200, "http://o")
    assert visit(sites, site, "/page", origin="http://o").headers["access-control-allow-origin"] == "http://o"


def test_a_configuration_comes_back_as_it_was_put(client: Any) -> None:
    site = public(client, SITE)
    assert client.get_bucket_website(Bucket=site).items() >= SITE.items()
    client.delete_bucket_website(Bucket=site)
    with refused("NoSuchWebsiteConfiguration", 404):
        client.get_bucket_website(Bucket=site)


def with_rule(**rule: Any) -> dict[str, Any]:
    return {"IndexDocument": {"Suffix": "i"}, "RoutingRules": [{"Redirect": {"ReplaceKeyWith": "k"}} | rule]}


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({}, "InvalidArgument"),
        ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument"),
        ({"IndexDocument": {"Suffix": "i"}, "ErrorDocument": {"Key": ""}}, "MalformedXML"),
        ({"IndexDocument": {"Suffix": "i"}, "ErrorDocument": {"Key": "k" * 1025}}, "InvalidArgument"),
        ({"RedirectAllRequestsTo": {"HostName": "h"}, "IndexDocument": {"Suffix": "i"}}, "InvalidArgument"),
        ({"RedirectAllRequestsTo": {"HostName": ""}}, "MalformedXML"),
        ({"RedirectAllRequestsTo": {"HostName": "h", "Protocol": "ftp"}}, "InvalidRequest"),
        (with_rule(Redirect={}), "MalformedXML"),
        (with_rule(Redirect={"Protocol": "gopher"}), "InvalidRequest"),
        (with_rule(Redirect={"HttpRedirectCode": "300"}), "InvalidRequest"),
        (with_rule(Redirect={"HttpRedirectCode": "404"}), "InvalidRequest"),
        (with_rule(Redirect={"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}), "InvalidRequest"),
        (with_rule(Condition={}), "InvalidRequest"),
        (with_rule(Condition={"HttpErrorCodeReturnedEquals": "301"}), "InvalidRequest"),
        (with_rule() | {"RoutingRules": with_rule()["RoutingRules"] * 51}, "InvalidRequest"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    server: Running, s3: Any, bucket: str, configuration: Any, code: str
) -> None:
    with pytest.raises(ClientError) as caught:
        server.client(parameter_validation=False).put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)
    assert caught.value.response["Error"]["Code"] == code
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)
