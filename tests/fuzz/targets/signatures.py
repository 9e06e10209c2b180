"""Who asks: the Authorization header of SigV4 and SigV2, presigned queries, dates, session tokens."""

from __future__ import annotations

from objstore.aws.authentication import authenticate
from objstore.aws.domains import Domains
from objstore.aws.http import Request, read_request
from objstore.aws.principal import Credential
from objstore.aws.query import protocol
from objstore.iam.identities.sessions import Tokens
from tests.aws.requests import ALICE, NOW, REGION, SECRET, Sent, credentials, sign
from tests.fuzz.target import Target, designed
from tests.fuzz.targets import heads
from tests.iam.setting import MASTER

_DOMAINS = Domains(["s3.example.com"])
_TOKENS = Tokens(MASTER)
_URL = "http://s3.example.com/bucket/a%20key?versionId=x&tagging"


def _session(access_key: str, token: str) -> Credential:
    _TOKENS.open(access_key, token)
    return Credential(access_key, SECRET, ALICE)


def run(data: bytes) -> None:
    head = heads.read(data)
    if head is None:
        return
    with designed():
        request = read_request(head.scope, _DOMAINS)
        found: Request = request
        if protocol.speaks(found):
            name = protocol.signed_for(found) or "sts"
            if name in protocol.SERVICES:
                protocol.authenticate(
                    found, head.body, credentials, service_name=name, region=REGION, now=NOW, sessions=_session
                )
            return
        authenticate(found, credentials, region=REGION, now=NOW, sessions=_session)
        found.adopt_hoisted()


def _seed(sent: Sent, body: bytes = b"") -> bytes:
    query = sent.raw_query.decode()
    return heads.write("x", sent.method, sent.raw_path.decode() + (f"?{query}" if query else ""), sent.headers, body)


TARGET = Target(
    "signatures",
    run,
    (
        _seed(sign("S3SigV4Auth", "GET", _URL)),
        _seed(sign("S3SigV4Auth", "PUT", _URL, {"x-amz-meta-a": "b", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="})),
        _seed(sign("S3SigV4QueryAuth", "GET", _URL, expires=600)),
        _seed(sign("HmacV1Auth", "PUT", _URL, {"x-amz-acl": "private"})),
        _seed(sign("HmacV1QueryAuth", "GET", _URL, expires=600)),
        _seed(sign("SigV4Auth", "POST", "http://s3.example.com/", data=b"Action=GetCallerIdentity"), b"Action=A"),
        heads.write("x", "GET", "/", {"authorization": "AWS a:b", "date": "Fri, 24 May 2013 00:00:00 GMT"}),
        heads.write(
            *("x", "GET", "/b/k", {"authorization": "AWS a:b", "x-amz-date": "20130524T000000Z"}),
        ),
        heads.write(
            "x",
            "PUT",
            "/b/k",
            {
                "host": "b.s3.example.com:80",
                "x-amz-security-token": _TOKENS._sealing.seal(b"\x90", b"a").hex(),
                "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
                "authorization": "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request, "
                "SignedHeaders=host;x-amz-date, Signature=00",
            },
        ),
    ),
    words=(
        *("Credential=", "SignedHeaders=", "Signature=", "AWS4-HMAC-SHA256", "AWS ", "/aws4_request", "20130524"),
        *("X-Amz-Algorithm=", "X-Amz-Credential=", "X-Amz-Date=", "X-Amz-Expires=", "X-Amz-SignedHeaders="),
        *("X-Amz-Signature=", "X-Amz-Security-Token=", "AWSAccessKeyId=", "Expires=", "authorization: ", "date: "),
        *("x-amz-date: ", "x-amz-content-sha256: ", "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        *("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "iam", "sts", "Version=", "Action=", "us-east-1", "%2F", "GMT"),
    ),
)
