"""Old clients that sign with version 2 are known; what is wrong with a request gets AWS's own error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.authentication import Scheme, authenticate
from objstore.aws.errors import AwsError
from tests.aws.requests import ACCESS_KEY, ALICE, NOW, REGION, SECRET, Sent, credentials, send, sign

URL = "http://localhost:9000/bucket/key"
PUPPY = 1175024202.0  # Tue, 27 Mar 2007 19:36:42 +0000, the date of the documentation's examples


def check(request: Sent, *, now: float = NOW) -> Scheme:
    found = authenticate(request, credentials, region=REGION, now=now)
    assert found.principal == ALICE
    return found.scheme


def refusal(request: Sent, *, now: float = NOW) -> AwsError:
    with pytest.raises(AwsError) as caught:
        check(request, now=now)
    assert SECRET not in str(caught.value.detail)
    return caught.value


@pytest.mark.parametrize(
    ("method", "target", "headers", "signature"),
    [
        ("GET", "/photos/puppy.jpg", {}, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
        (
            "GET",
            "/?prefix=photos&max-keys=50&marker=puppy",
            {},
            "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        ),
        ("GET", "/?acl", {}, "82ZHiFIjc+WbcwFKGUVEQspPn+0="),
    ],
)
def test_the_examples_of_the_documentation_are_known(
    method: str, target: str, headers: dict[str, str], signature: str
) -> None:
    date = "Tue, 27 Mar 2007 19:36:42 +0000"
    if target != "/photos/puppy.jpg":
        date = "Tue, 27 Mar 2007 19:42:41 +0000" if "prefix" in target else "Tue, 27 Mar 2007 19:44:46 +0000"
    url = f"http://awsexamplebucket1.us-west-1.s3.amazonaws.com{target}"
    request = send(method, url, {**headers, "Date": date, "Authorization": f"AWS {ACCESS_KEY}:{signature}"})
    request.host_bucket = "awsexamplebucket1"
    assert check(request, now=PUPPY + 300) is Scheme.V2_HEADER


resources = st.sampled_from(["", "acl", "uploads", "partNumber=2&uploadId=a%2Bb", "prefix=x&max-keys=2", "versionId=1"])


@given(
    resources,
    st.dictionaries(st.from_regex(r"x-amz-meta-[a-z]{1,8}", fullmatch=True), st.text("abc ,:", max_size=8), max_size=3),
    st.sampled_from(["GET", "PUT", "DELETE"]),
    st.sampled_from(["HmacV1Auth", "HmacV1QueryAuth"]),
)
def test_what_botocore_signs_is_known(query: str, headers: dict[str, str], method: str, signer: str) -> None:
    headers = {**headers, "Content-Type": "text/plain"}
    request = sign(signer, method, f"{URL}?{query}" if query else URL, headers)
    assert check(request) is (Scheme.V2_HEADER if signer == "HmacV1Auth" else Scheme.V2_PRESIGNED)
    request.raw_path += b"x"
    assert refusal(request).code == "SignatureDoesNotMatch"


def test_a_signature_for_a_path_is_not_good_for_a_host() -> None:
    request = sign("HmacV1Auth", "GET", "http://localhost/bucket/key")
    request.host_bucket = "bucket"
    assert refusal(request).code == "SignatureDoesNotMatch"


def dated(date: str) -> Sent:
    return sign("HmacV1Auth", "PUT", URL, {"x-amz-date": date})


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("Tue, 07 Jul 2010 21:53:04 GMT", "RequestTimeTooSkewed"),
        ("Tue, 07 Jul 2030 21:53:04 GMT", "RequestTimeTooSkewed"),
        ("Tue, 07 Jul 9999 21:53:04 GMT", "RequestTimeTooSkewed"),
        ("Tue, 07 Jul 1950 21:53:04 GMT", "AccessDenied"),
        ("Bad Date", "AccessDenied"),
        ("", "AccessDenied"),
    ],
)
def test_a_wrong_date_is_refused(date: str, code: str) -> None:
    error = refusal(dated(date))
    assert (error.code, error.status) == (code, 403)


@pytest.mark.parametrize("text", ["AWS HAHAHA", "AWS", "AWS :x", "AWS x:"])
def test_a_malformed_header_is_refused(text: str) -> None:
    request = send("PUT", URL, {"Authorization": text})
    assert (refusal(request).code, refusal(request).status) == ("InvalidArgument", 400)


def test_an_unknown_key_is_refused() -> None:
    request = sign("HmacV1Auth", "PUT", URL)
    request.headers["authorization"] = "AWS AKIAIGR7ZNNBHC5BKSUB:FWeDfwojDSdS2Ztmpfeubhd9isU="
    assert (refusal(request).code, refusal(request).status) == ("InvalidAccessKeyId", 403)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (f"AWSAccessKeyId={ACCESS_KEY}&Expires=1", "requires the Signature"),
        (f"Signature=x&AWSAccessKeyId={ACCESS_KEY}", "requires the Signature"),
        (f"Signature=x&AWSAccessKeyId={ACCESS_KEY}&Expires=soon", "Invalid date"),
        (f"Signature=x&AWSAccessKeyId={ACCESS_KEY}&Expires=1", "Request has expired"),
        (f"Signature=x&AWSAccessKeyId={ACCESS_KEY}&Expires=-1", "Request has expired"),
    ],
)
def test_a_wrong_presigned_url_is_refused(query: str, words: str) -> None:
    error = refusal(send("GET", f"{URL}?{query}", {}))
    assert error.code == "AccessDenied"
    assert words in error.message


def test_a_presigned_url_expires() -> None:
    request = sign("HmacV1QueryAuth", "GET", URL, expires=100)
    assert check(request, now=NOW + 99) is Scheme.V2_PRESIGNED
    assert refusal(request, now=NOW + 100).detail["Expires"] == "2013-05-24T00:01:40Z"


def test_signed_chunks_need_version_4() -> None:
    request = sign("HmacV1Auth", "PUT", URL, {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    assert refusal(request).code == "InvalidRequest"
