"""A request signed as AWS documents it, or by botocore, is known; anything else gets AWS's own error."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from objstore.aws.authentication import Authentication, Scheme, authenticate
from objstore.aws.errors import AwsError
from objstore.aws.sigv4.scope import signing_key
from tests.aws.requests import ACCESS_KEY, ALICE, NOW, REGION, SECRET, Sent, credentials, send, sign

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
HOST = "examplebucket.s3.amazonaws.com"
URL = f"http://{HOST}"


def check(request: Sent, *, now: float = NOW) -> Authentication:
    return authenticate(request, credentials, region=REGION, now=now)


def refusal(request: Sent, *, now: float = NOW) -> AwsError:
    with pytest.raises(AwsError) as caught:
        check(request, now=now)
    assert SECRET not in str(caught.value.detail) + str(caught.value)
    return caught.value


def authorization(signed: str, signature: str, *, credential: str = "20130524/us-east-1/s3/aws4_request") -> str:
    return f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{credential},SignedHeaders={signed},Signature={signature}"


def documented(method: str, target: str, signed: str, signature: str, headers: dict[str, str]) -> Sent:
    headers = {"host": HOST, "x-amz-date": "20130524T000000Z", "x-amz-content-sha256": EMPTY, **headers}
    return send(method, URL + target, {**headers, "Authorization": authorization(signed, signature)})


DOCUMENTED = [
    documented(
        "GET",
        "/test.txt",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        {"Range": "bytes=0-9"},
    ),
    documented(
        "PUT",
        "/test$file.text",
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        {
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        },
    ),
    documented(
        "GET",
        "/?lifecycle",
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        {},
    ),
    documented(
        "GET",
        "/?max-keys=2&prefix=J",
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        {},
    ),
]
DOCUMENTED_URL = (
    f"{URL}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={ACCESS_KEY}%2F20130524%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


@pytest.mark.parametrize("request_", DOCUMENTED, ids=lambda request: f"{request.method} {request.raw_path!r}")
def test_the_examples_of_the_documentation_are_known(request_: Sent) -> None:
    assert check(request_).principal == ALICE
    assert check(request_).scheme is Scheme.V4_HEADER


def test_the_presigned_example_of_the_documentation_is_known_until_it_expires() -> None:
    request = send("GET", DOCUMENTED_URL, {})
    assert check(request, now=NOW + 86399).scheme is Scheme.V4_PRESIGNED
    error = refusal(request, now=NOW + 86400)
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.detail == {
        "X-Amz-Expires": "86400",
        "Expires": "2013-05-25T00:00:00Z",
        "ServerTime": "2013-05-25T00:00:00Z",
    }


keys = st.text(min_size=1, max_size=40)
names = st.from_regex(r"x-amz-meta-[a-z0-9-]{1,12}", fullmatch=True)
values = st.text(st.sampled_from("abcXYZ019 \t,;:=/\\\"'é\u00e0語🙂"), max_size=30)


@given(
    keys,
    st.dictionaries(keys, keys, max_size=4),
    st.dictionaries(names, values, max_size=4),
    st.sampled_from(["GET", "PUT", "DELETE", "HEAD", "POST"]),
    st.binary(max_size=20),
)
def test_what_botocore_signs_is_known(
    key: str, query: dict[str, str], headers: dict[str, str], method: str, data: bytes
) -> None:
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items())
    url = f"{URL}/{quote(key, safe='/~')}" + (f"?{pairs}" if pairs else "")
    request = sign("S3SigV4Auth", method, url, headers, data=data)
    assert check(request).principal == ALICE
    request.headers["host"] += "x"
    assert refusal(request).code == "SignatureDoesNotMatch"


@given(
    keys, st.dictionaries(keys, keys, max_size=3), st.integers(1, 604800), st.dictionaries(names, values, max_size=2)
)
def test_what_botocore_presigns_is_known(
    key: str, query: dict[str, str], expires: int, headers: dict[str, str]
) -> None:
    assume("X-Amz-Signature" not in query)
    url = f"{URL}/{quote(key, safe='/~')}"
    request = sign("S3SigV4QueryAuth", "GET", url, headers, params=query, expires=expires)
    assert check(request, now=NOW + expires - 1).scheme is Scheme.V4_PRESIGNED
    assert refusal(request, now=NOW + expires).message == "Request has expired"
    assert refusal(send("PUT", url + "?" + request.raw_query.decode(), headers)).code == "SignatureDoesNotMatch"


def test_dots_in_a_key_are_not_normalised_away() -> None:
    request = sign("S3SigV4Auth", "GET", f"{URL}/a/../b//c/./")
    assert check(request).principal == ALICE
    request.raw_path = b"/b/c/"
    assert refusal(request).code == "SignatureDoesNotMatch"


def test_a_path_may_leave_bare_what_its_signature_encodes() -> None:
    request = sign("S3SigV4Auth", "GET", f"{URL}/a%21%28b%29%2Bc%24")
    request.raw_path = b"/a!(b)+c$"
    assert check(request).principal == ALICE


def test_a_plus_in_a_query_is_a_space() -> None:
    request = sign("S3SigV4Auth", "GET", f"{URL}/?prefix=a%20b")
    request.raw_query = b"prefix=a+b"
    assert check(request).principal == ALICE


def test_a_date_header_in_http_form_will_do() -> None:
    request = sign("S3SigV4Auth", "GET", URL + "/k", {"Date": "any"})
    assert "x-amz-date" not in request.headers
    assert check(request).principal == ALICE


def with_header(name: str, value: str | None) -> Sent:
    request = sign("S3SigV4Auth", "GET", URL + "/k")
    if value is None:
        del request.headers[name]
    else:
        request.headers[name] = value
    return request


SIGNED = "host;x-amz-content-sha256;x-amz-date"
MALFORMED = "AuthorizationHeaderMalformed"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (authorization(SIGNED, "0" * 64), "SignatureDoesNotMatch", "does not match"),
        (authorization(SIGNED, "é"), "SignatureDoesNotMatch", "does not match"),
        (
            authorization(SIGNED, "0", credential="20130524/eu-west-1/s3/aws4_request"),
            MALFORMED,
            "'eu-west-1' is wrong",
        ),
        (authorization(SIGNED, "0", credential="20130524/us-east-1/ec2/aws4_request"), MALFORMED, "incorrect service"),
        (authorization(SIGNED, "0", credential="20130524/us-east-1/s3/aws3"), MALFORMED, "incorrect terminal"),
        (authorization(SIGNED, "0", credential="20130525/us-east-1/s3/aws4_request"), MALFORMED, "not the same"),
        (authorization(SIGNED, "0", credential="2013/us-east-1/s3/aws4_request"), MALFORMED, "yyyyMMdd"),
        ("AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=host,Signature=0", MALFORMED, "mal-formed"),
        ("AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders=host", MALFORMED, "missing Signature"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host,Signature=0", MALFORMED, "missing Credential"),
        ("AWS4-HMAC-SHA256", MALFORMED, "malformed"),
        ("AWS4-HMAC-SHA256 Credential", MALFORMED, "malformed"),
        ("Bearer x", "InvalidArgument", "Unsupported Authorization Type"),
        ("AWS4-ECDSA-P256-SHA256 Credential=x", "InvalidArgument", "Unsupported Authorization Type"),
        (authorization("x-amz-content-sha256;x-amz-date", "0"), "AccessDenied", "not signed"),
        (authorization("host;x-amz-date", "0"), "AccessDenied", "not signed"),
    ],
)
def test_a_wrong_authorization_header_is_refused(text: str, code: str, words: str) -> None:
    error = refusal(with_header("authorization", text))
    assert error.code == code
    assert words in error.message


def test_the_wrong_region_is_told_the_right_one() -> None:
    request = sign("S3SigV4Auth", "GET", URL + "/k", region="eu-west-1")
    assert refusal(request).detail == {"Region": REGION}


def test_an_unknown_key_is_named() -> None:
    request = with_header("authorization", authorization(SIGNED, "0").replace(ACCESS_KEY, "AKIANOBODY"))
    error = refusal(request)
    assert (error.code, error.status, error.detail) == ("InvalidAccessKeyId", 403, {"AWSAccessKeyId": "AKIANOBODY"})


def test_a_wrong_signature_shows_what_was_signed_here() -> None:
    request = sign("S3SigV4Auth", "GET", URL + "/k", secret="another")
    error = refusal(request)
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)
    assert error.detail["CanonicalRequest"].startswith("GET\n/k\n\nhost:examplebucket")
    assert error.detail["StringToSign"].startswith("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4")
    assert bytes.fromhex(error.detail["StringToSignBytes"]).decode() == error.detail["StringToSign"]
    assert error.detail["AWSAccessKeyId"] == ACCESS_KEY


@pytest.mark.parametrize("seconds", [901, -901, 1e9])
def test_a_clock_more_than_fifteen_minutes_off_is_refused(seconds: float) -> None:
    error = refusal(sign("S3SigV4Auth", "GET", URL + "/k"), now=NOW + seconds)
    assert (error.code, error.status) == ("RequestTimeTooSkewed", 403)
    assert error.detail["MaxAllowedSkewMilliseconds"] == "900000"
    assert check(sign("S3SigV4Auth", "GET", URL + "/k"), now=NOW + 899).principal == ALICE


@pytest.mark.parametrize("date", [None, "", "Bad Date", "20130524T000000", "20131324T000000Z", "20130524T000099Z"])
def test_a_request_without_a_date_that_can_be_read_is_refused(date: str | None) -> None:
    error = refusal(with_header("x-amz-date", date))
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.message == "AWS authentication requires a valid Date or x-amz-date header"


def test_the_payload_must_be_spoken_for() -> None:
    assert refusal(with_header("x-amz-content-sha256", None)).message.endswith("request: x-amz-content-sha256")
    assert refusal(with_header("x-amz-content-sha256", "abc")).code == "InvalidArgument"
    ecdsa = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    assert refusal(with_header("x-amz-content-sha256", ecdsa)).code == "NotImplemented"


def test_every_amz_header_must_be_signed() -> None:
    error = refusal(with_header("x-amz-acl", "public-read"))
    assert (error.code, error.detail) == ("AccessDenied", {"HeadersNotSigned": "x-amz-acl"})
    error = refusal(send("GET", DOCUMENTED_URL, {"x-amz-acl": "public-read"}))
    assert (error.code, error.detail) == ("AccessDenied", {"HeadersNotSigned": "x-amz-acl"})


def test_a_session_token_is_refused() -> None:
    assert refusal(with_header("x-amz-security-token", "t")).code == "InvalidToken"


def altered(**changes: str | None) -> Sent:
    """The documented URL with some of its parameters changed or left out."""
    request = send("GET", DOCUMENTED_URL, {})
    pairs: dict[str, str] = dict(request.query)
    for name, value in changes.items():
        pairs.pop(f"X-Amz-{name}")
        if value is not None:
            pairs[f"X-Amz-{name}"] = value
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs.items())
    return Sent("GET", request.raw_path, query.encode(), request.headers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Expires": "soon"}, "should be a number"),
        ({"Expires": "²"}, "should be a number"),
        ({"Expires": None}, "requires the X-Amz-Algorithm"),
        ({"Date": None}, "requires the X-Amz-Algorithm"),
        ({"Signature": None}, "requires the X-Amz-Algorithm"),
        ({"SignedHeaders": None}, "requires the X-Amz-Algorithm"),
        ({"Credential": None}, "requires the X-Amz-Algorithm"),
        ({"Algorithm": None}, "requires the X-Amz-Algorithm"),
        ({"Algorithm": "AWS4-HMAC-SHA1"}, "only supports"),
        ({"Date": "2013-05-24"}, "ISO8601"),
        ({"Date": "20130525T000000Z"}, "not the same as X-Amz-Date"),
        ({"Credential": f"{ACCESS_KEY}/20130524/eu-west-1/s3/aws4_request"}, "the region 'eu-west-1' is wrong"),
    ],
)
def test_a_wrong_presigned_query_is_refused(changes: dict[str, Any], words: str) -> None:
    error = refusal(altered(**changes))
    assert (error.code, error.status) == ("AuthorizationQueryParametersError", 400)
    assert words in error.message


@pytest.mark.parametrize(("seconds", "words"), [("604801", "less than a week"), ("-1", "non-negative")])
def test_a_presigned_url_is_good_for_a_week_at_most(seconds: str, words: str) -> None:
    error = refusal(altered(Expires=seconds))
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert words in error.message


def test_a_presigned_url_of_the_future_is_not_yet_valid() -> None:
    error = refusal(send("GET", DOCUMENTED_URL, {}), now=NOW - 901)
    assert (error.code, error.message) == ("AccessDenied", "Request is not yet valid")
    assert check(send("GET", DOCUMENTED_URL, {}), now=NOW - 899).principal == ALICE


def test_two_signatures_on_one_request_are_refused() -> None:
    request = send("GET", DOCUMENTED_URL, {"Authorization": "AWS a:b"})
    error = refusal(request)
    assert error.code == "InvalidArgument"
    assert error.message.startswith("Only one auth mechanism allowed")


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}])
def test_a_request_without_a_signature_is_anonymous(headers: dict[str, str]) -> None:
    found = check(send("GET", URL + "/k?list-type=2", headers))
    assert found.principal.anonymous
    assert found.scheme is Scheme.ANONYMOUS


def test_an_anonymous_body_cannot_have_signed_chunks() -> None:
    request = send("PUT", URL + "/k", {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    assert refusal(request).code == "InvalidRequest"


latin = st.text(st.characters(max_codepoint=0xFF), max_size=60)
fields = st.sampled_from(
    ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature", "Security-Token", "Content-Sha256"]
)
dates = st.one_of(
    latin,
    st.from_regex(r"[0-9]{8}T[0-9]{6}Z", fullmatch=True),
    st.from_regex(r"(Mon, )?[0-9]{1,2} Dec [0-9]{1,5} 23:59:59 [+-][0-9]{1,6}", fullmatch=True),
)


@given(latin, dates, latin)
def test_no_header_whatever_is_a_fault_of_ours(rest: str, date: str, content: str) -> None:
    for text in (f"AWS4-HMAC-SHA256 {rest}", f"AWS {rest}", authorization(rest, rest), f"AWS {ACCESS_KEY}:{rest}"):
        headers = {"host": HOST, "authorization": text, "x-amz-date": date, "x-amz-content-sha256": content}
        refusal(Sent("GET", b"/k", headers=headers))


@given(st.dictionaries(fields, st.text(max_size=20)), st.text(max_size=20))
def test_no_query_whatever_is_a_fault_of_ours(changes: dict[str, str], text: str) -> None:
    pairs = {f"X-Amz-{name}": value for name, value in changes.items()}
    refused = {**dict(send("GET", DOCUMENTED_URL, {}).query), **pairs, "more": text}
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in refused.items())
    refusal(Sent("GET", b"/test.txt", query.encode(), {"host": HOST}))


@pytest.mark.parametrize("expires", ["-99999999999", "99999999999", "0", "1", "9" * 40])
def test_no_expiry_whatever_is_a_fault_of_ours(expires: str) -> None:
    refusal(send("GET", f"{URL}/k?AWSAccessKeyId={ACCESS_KEY}&Signature=x&Expires={expires}", {}))
    refusal(altered(Date="99991231T235959Z", Credential=f"{ACCESS_KEY}/99991231/us-east-1/s3/aws4_request"))


def test_secrets_do_not_show() -> None:
    assert SECRET not in repr(credentials(ACCESS_KEY))
    request = sign("S3SigV4Auth", "PUT", URL + "/k", {"x-amz-content-sha256": "x"})
    assert signing_key(SECRET, "20130524", REGION).hex() not in repr(check(request))
