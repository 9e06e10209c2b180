"""Whole requests, past every layer: parsed, authenticated, let through or not, handled over a store in memory, and
answered. Whatever is asked, the answer is one that was designed: never InternalError.

An input is up to four requests, one after the other, by root, by an account's root, by a user without an account, or by
nobody. Each is signed for its caller here, unless it brings an Authorization header of its own. What they change is
taken back in the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from typing import Any, Final
from urllib.parse import quote, urlencode

import objstore.iam.api.operations
import objstore.iam.sts.operations
import objstore.s3.operations
import objstore.sns.operations  # noqa: F401
from objstore.aws.authentication import find_scheme
from objstore.aws.domains import Domains
from objstore.aws.endpoint import Endpoint
from objstore.aws.errors import AwsError
from objstore.aws.exchange import Exchange
from objstore.aws.http import Request, read_request
from objstore.aws.operation import COMMON_MEMBERS, REGISTRY, Operation
from objstore.aws.query.protocol import speaks
from objstore.aws.service import service
from objstore.aws.sigv4 import canonical
from objstore.aws.sigv4.scope import Scope, signature, signing_key
from objstore.iam import gate
from objstore.iam.context import Context
from objstore.iam.federation.federation import Federation
from objstore.iam.federation.issuers import Issuers
from objstore.iam.users import ROOT
from objstore.kms import keyring
from objstore.outbound.addresses import AllowList
from objstore.s3 import cross_origin
from objstore.s3.website.hosts import Hosts
from objstore.s3.website.site import Site
from objstore.server import engines
from objstore.server.settings import Kms
from objstore.store.store import Store
from tests.fuzz.target import Target
from tests.fuzz.targets import heads, samples
from tests.iam.setting import ENTRIES, MASTER, Clock, identities
from tests.store.fakes import Clock as StoreClock
from tests.store.fakes import MemoryBlobs, MemoryCatalog

REGION: Final = "us-east-1"
_BETWEEN: Final = b"\n%%\n"
_MOST: Final = 4
_SECRETS: Final = {b"root": ("rootkey", "root-secret")} | {
    one.id.encode(): (one.access_key, one.secret_key) for one in ENTRIES
}
_ALLOW: Final = {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}


class World:
    """A store with a few buckets, and the endpoint over it. What is raised behind an InternalError is noted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.catalog = MemoryCatalog()
        self.ended: list[Exchange] = []
        self.names: dict[bytes, bytes] = {}  # what an input says, and what it stands for
        self.loop = asyncio.new_event_loop()
        store = Store(self.catalog, MemoryBlobs(self.catalog), clock=StoreClock())  # type: ignore[arg-type]
        self.identities = identities(self.clock, self.catalog)
        self.loop.run_until_complete(self.catalog.write(keyring.prepare(MASTER, 0)))
        envelopes, _ = engines.assembled(Kms(), keyring.of_catalog(self.catalog.read, MASTER))
        self.raised: list[BaseException] = []
        context = Context(
            store,
            self.identities.users,
            REGION,
            identities=self.identities,
            envelopes=envelopes,
            federation=Federation(Issuers((), AllowList(()))),
        )
        self.endpoint = _Noting(
            context,
            credentials=self.identities.credential,
            sessions=self.identities.session,
            gate=gate.authorise,
            cors=cross_origin.answering(store),
            site=Site(store, Hosts(["web.example.com"], [])),
            domains=["s3.example.com"],
            region=REGION,
            on_done=self.ended.append,
            clock=self.clock,
        )
        for line in _BEFORE:
            answer = self.ask(line)
            exchange = self.ended.pop()
            assert exchange.status < 300, (line, answer)
            if exchange.operation == "CreateMultipartUpload":
                self.names[b"~UPLOAD~"] = re.search(rb"<UploadId>(.*)</UploadId>", answer)[1]  # type: ignore[index]
            if exchange.operation == "PutObject" and (version := exchange.header(b"x-amz-version-id")):
                self.names.setdefault(b"~VERSION~", version.encode())

    def run(self, data: bytes) -> None:
        """Ask what an input says, and take back what came of it."""
        self.catalog.db.execute("SAVEPOINT input")
        try:
            for one in data.split(_BETWEEN, _MOST - 1):
                self.ask(one)
        finally:
            self.catalog.db.execute("ROLLBACK TO input")
            self.catalog.db.execute("RELEASE input")
            self.ended.clear()

    def ask(self, data: bytes) -> bytes:
        """The body of the answer to one request. Raises what was behind an InternalError."""
        for name, meaning in self.names.items():
            data = data.replace(name, meaning)
        head = heads.read(data)
        if head is None:
            return b""
        scope, body = head.scope, head.body
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            scope["headers"].append((b"content-length", str(len(body)).encode()))
        if not any(name == b"host" for name, _ in scope["headers"]):
            scope["headers"].append((b"host", b"s3.example.com"))
        if head.word in _SECRETS:
            _sign(scope, body, *_SECRETS[head.word], now=self.clock.now)
        self.endpoint.raised.clear()
        began = time.process_time()
        answer = bytearray()
        self.loop.run_until_complete(self.endpoint(scope, _receiver(body), _sender(answer)))
        assert time.process_time() - began < 5, "a small request takes long"
        if self.endpoint.raised:
            raise self.endpoint.raised[0]
        return bytes(answer)


class _Noting(Endpoint):
    """Keeps what becomes InternalError."""

    raised: list[Exception]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.raised = []

    def _refusal(self, state: Any, error: Exception) -> Any:
        response = super()._refusal(state, error)
        if state.exchange.error == "InternalError":
            self.raised.append(error)
        return response


def _receiver(body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _sender(answer: bytearray) -> Any:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            answer.extend(message.get("body", b""))
            return
        for name, value in message["headers"]:
            assert b"\n" not in name + value and b"\r" not in value, "a header of the answer is more than one"

    return send


def _sign(scope: dict[str, Any], body: bytes, access_key: str, secret: str, *, now: float) -> None:
    """Sign a request by version 4, unless it is signed in its own way or cannot be read."""
    try:
        request = read_request(scope, Domains(["s3.example.com"]))
        if "authorization" in request.headers or find_scheme(request)[0] != "anonymous":
            return
    except AwsError:
        return
    name = _service(request, body)
    digest = hashlib.sha256(body).hexdigest()
    given = request.headers.get("x-amz-content-sha256")
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    added = {"x-amz-date": date} | ({"x-amz-content-sha256": digest} if given is None else {})
    headers = request.headers | added
    signed = tuple(sorted(header for header in headers if header == "host" or header.startswith("x-amz-")))
    lines = canonical.canonical_headers(headers, signed)
    query = canonical.canonical_query(request.raw_query)
    path = canonical.canonical_path(request.raw_path)
    content = digest if name != "s3" else given or digest
    text = canonical.canonical_request(request.method, path, query, lines, signed, content)
    of = Scope(access_key, date[:8], REGION, name)
    made = signature(signing_key(secret, of.day, REGION, name), canonical.string_to_sign(date, of, text))
    header = f"AWS4-HMAC-SHA256 Credential={access_key}/{of}, SignedHeaders={';'.join(signed)}, Signature={made}"
    scope["headers"] += [(key.encode(), value.encode()) for key, value in added.items()]
    scope["headers"].append((b"authorization", header.encode("latin-1")))


def _service(request: Request, body: bytes) -> str:
    if not speaks(request):
        return "s3"
    wanted = request.raw_query + b"&" + body
    found = (name for name in ("iam", "sts", "sns") if service(name).api_version.encode() in wanted)
    return next(found, "s3")


def _input(word: str, made: dict[str, Any], content_type: str = "") -> bytes:
    """What botocore serialised, as an input."""
    path, _, literal = str(made["url_path"]).partition("?")
    pairs = [literal] if literal else []
    query = made["query_string"]
    for name, value in (query if isinstance(query, dict) else {}).items():
        for one in value if isinstance(value, list) else [value]:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            pairs.append(f"{quote(name, safe='')}={quote(text, safe='')}")
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    headers = {name: str(value) for name, value in made["headers"].items()}
    if content_type:
        headers["content-type"] = content_type
    target = path + ("?" + "&".join(pairs) if pairs else "")
    return heads.write(word, made["method"], target, headers, body if isinstance(body, bytes) else body.encode())


def _put(target: str, body: str | bytes = b"", word: str = "root", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    return heads.write(word, "PUT", target, {name.replace("_", "-"): text for name, text in headers.items()}, data)


_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{**_ALLOW, "Resource": ["arn:aws:s3:::bucket/*"]}]})
_WEB = (
    "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>e</Key>"
    "</ErrorDocument></WebsiteConfiguration>"
)
_CORS = (
    "<CORSConfiguration><CORSRule><AllowedOrigin>http://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
    "<AllowedHeader>x-*</AllowedHeader></CORSRule></CORSConfiguration>"
)
_BEFORE = (
    _put("/bucket"),
    _put("/locked", x_amz_bucket_object_lock_enabled="true"),
    _put("/bucket?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
    _put("/bucket?policy", _POLICY),
    _put("/bucket?website", _WEB),
    _put("/bucket?cors", _CORS),
    _put("/bucket/key", b"0123456789", x_amz_meta_a="b", x_amz_tagging="a=b"),
    _put("/bucket/key", b"0123456789" * 900),
    _put("/locked/key", b"0123456789"),
    _put("/lone", word="lone"),
)

# What members are, so that requests get past the first thing that is wrong with them.
_ACCOUNT = "000000000000"
_IDENTITY_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
_TRUST_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}
)
_MEMBERS: dict[str, Any] = {
    "Bucket": "bucket",
    "Key": "key",
    "VersionId": "~VERSION~",
    "UploadId": "~UPLOAD~",
    "PartNumber": 1,
    "CopySource": "bucket/key",
    "CopySourceRange": "bytes=0-9",
    "RenameSource": "/bucket/key",
    "ACL": "private",
    "ContinuationToken": "MWE=",
    "KeyMarker": "a",
    "MaxKeys": 2,
    "MaxBuckets": 2,
    "Range": "bytes=0-3",
    "Tagging": "a=b",
    "WebsiteRedirectLocation": "/x",
    "Attributes": {"DisplayName": "text"},
    "AttributeName": "DisplayName",
    "AttributeValue": "text",
    "Policy": _POLICY,
    "PolicyDocument": _IDENTITY_POLICY,
    "AssumeRolePolicyDocument": _TRUST_POLICY,
    "PermissionsBoundaryPolicyInputList": [_IDENTITY_POLICY],
    "ResourcePolicy": _POLICY,
    "CallerArn": f"arn:aws:iam::{_ACCOUNT}:user/text",
    "ResourceOwner": _ACCOUNT,
    "ContextEntries": [{"ContextKeyName": "s3:prefix", "ContextKeyValues": ["a"], "ContextKeyType": "string"}],
    "PolicyInputList": [_IDENTITY_POLICY],
    "ActionNames": ["s3:GetObject"],
    "ResourceArns": ["arn:aws:s3:::bucket/key"],
    "PolicyArn": f"arn:aws:iam::{_ACCOUNT}:policy/text",
    "PolicyArns": [{"arn": f"arn:aws:iam::{_ACCOUNT}:policy/text"}],
    "PermissionsBoundary": f"arn:aws:iam::{_ACCOUNT}:policy/text",
    "PolicySourceArn": f"arn:aws:iam::{_ACCOUNT}:user/text",
    "RoleArn": f"arn:aws:iam::{_ACCOUNT}:role/text",
    "RoleSessionName": "text",
    "DurationSeconds": 900,
    "MaxSessionDuration": 3600,
    "Path": "/",
    "PathPrefix": "/",
    "NewPath": "/new/",
    "NewUserName": "new",
    "NewGroupName": "new",
    "Tags": [{"Key": "a", "Value": "b"}],
    "TagKeys": ["a"],
    "AccessKeyId": "rootkeyrootkeyrootkey",
    "WebIdentityToken": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2EifQ.AAAA",
    "TopicArn": f"arn:aws:sns:us-east-1:{_ACCOUNT}:text",
    "ResourceArn": f"arn:aws:sns:us-east-1:{_ACCOUNT}:text",
    "Url": "https://issuer.example.com",
    "ThumbprintList": ["0" * 40],
    "OpenIDConnectProviderArn": f"arn:aws:iam::{_ACCOUNT}:oidc-provider/issuer.example.com",
    "Protocol": "http",
    "Endpoint": "http://192.0.2.1/hook",
    "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"},
    "TargetPrincipal": _ACCOUNT,
    "VersioningConfiguration": {"Status": "Enabled"},
    "WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}, "ErrorDocument": {"Key": "e"}},
    "Delete": {"Objects": [{"Key": "key", "VersionId": "~VERSION~"}, {"Key": "a"}]},
    "MultipartUpload": {"Parts": [{"ETag": '"781e5e245d69b566979b86e28d23f2c7"', "PartNumber": 1}]},
    "LifecycleConfiguration": {
        "Rules": [
            {
                "ID": "a",
                "Status": "Enabled",
                "Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "a", "Value": "b"}]}},
                "Expiration": {"Days": 3},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2},
            },
            {"Status": "Enabled", "Prefix": "", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
        ]
    },
    "NotificationConfiguration": {},
    "BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "bucket", "TargetPrefix": "p"}},
    "CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], "MaxAgeSeconds": 5}]},
    "ServerSideEncryptionConfiguration": {
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
    },
    "InventoryConfiguration": {
        "Id": "text",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "OptionalFields": ["Size"],
        "Schedule": {"Frequency": "Daily"},
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::bucket", "Format": "CSV"}},
    },
    "ObjectLockConfiguration": {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
    },
    "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2030-01-01T00:00:00Z"},
    "AccessControlPolicy": {
        "Owner": {"ID": ROOT.id},
        "Grants": [
            {"Permission": "READ", "Grantee": {"Type": "CanonicalUser", "ID": "tenant"}},
            {"Permission": "READ", "Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "t@example.com"}},
            {
                "Permission": "READ",
                "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
            },
        ],
    },
}
_LEFT_OUT = re.compile(
    "Checksum.*|If.*|WriteOffset.*|SSECustomer.*|CopySource(SSE|If).*|ContentMD5|Expires|Expected.*|MFA|Marker|.*Marker|NextToken|Grant.*"
    "|SAMLAssertion|SerialNumber|TokenCode|ProvidedContexts|CreateBucketConfiguration|BypassGovernanceRetention"
)


def _sample(one: Operation) -> bytes:
    """A request of an operation that is as it should be, as far as that can be told from names."""
    changes: dict[str, Any] = {}
    taken = one.supports | COMMON_MEMBERS | set(one.model.input_shape.required_members if one.model.input_shape else ())
    for member, value in samples.members(one.name, one.service).items():
        known = _MEMBERS.get(member)
        shape = one.model.input_shape.members[member].type_name  # type: ignore[union-attr]
        if member not in taken or (known is None and _LEFT_OUT.fullmatch(member)):
            changes[member] = None
        elif known is not None and (shape in ("structure", "list")) == isinstance(known, dict | list):
            changes[member] = known
        else:
            changes[member] = value
    if one.name.startswith(("PutObjectLegal", "GetObjectLegal", "PutObjectRet", "GetObjectRet", "PutObjectLock")):
        changes |= {"Bucket": "locked", "VersionId": None}
    if one.service == "iam" and "VersionId" in changes:
        changes["VersionId"] = "v1"
    if one.name in ("PutBucketAcl", "PutObjectAcl"):
        changes["ACL"] = None
    form = "application/x-www-form-urlencoded" if one.service != "s3" else ""
    return _input("root", samples.serialised(one.name, one.service, **changes), form)


def _form(word: str, version: str, **parameters: str) -> bytes:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return heads.write(word, "POST", "/", headers, urlencode({"Version": version, **parameters}).encode())


_IAM, _SNS = "2010-05-08", "2010-03-31"
_BEFORE += (
    heads.write("root", "POST", "/bucket/key?uploads", {}),
    heads.write("root", "PUT", "/bucket/key?uploadId=~UPLOAD~&partNumber=1", {}, b"0123456789"),
    _form("root", _IAM, Action="CreateUser", UserName="text"),
    _form("root", _IAM, Action="CreateGroup", GroupName="text"),
    _form("root", _IAM, Action="AddUserToGroup", GroupName="text", UserName="text"),
    _form("root", _IAM, Action="CreateRole", RoleName="text", AssumeRolePolicyDocument=_TRUST_POLICY),
    _form("root", _IAM, Action="CreatePolicy", PolicyName="text", PolicyDocument=_IDENTITY_POLICY),
    _form("root", _IAM, Action="CreateOpenIDConnectProvider", Url="https://issuer.example.com"),
    _form("root", _SNS, Action="CreateTopic", Name="text"),
)

_SEEDS = (
    *_BEFORE,
    *map(_sample, REGISTRY),
    heads.write("x", "GET", "/a/", {"host": "bucket.web.example.com", "range": "bytes=0-3"}),
    heads.write(
        "x", "OPTIONS", "/bucket/key", {"origin": "http://a.example.com", "access-control-request-method": "GET"}
    ),
    heads.write("tenant", "GET", "/bucket/key?response-content-type=a/b", {"if-none-match": '"x"', "origin": "null"}),
    heads.write("lone", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", {}),
    _BETWEEN.join(
        (
            heads.write("root", "POST", "/bucket/new?uploads", {}),
            heads.write("root", "GET", "/bucket?uploads&delimiter=/&max-uploads=3&key-marker=a&upload-id-marker=b", {}),
            heads.write("root", "GET", "/bucket?versions&prefix=k&encoding-type=url&version-id-marker=null", {}),
            heads.write("root", "GET", "/bucket?list-type=2&continuation-token=MWE%3D&max-keys=0&start-after=%00", {}),
        )
    ),
)

_world: World | None = None


def run(data: bytes) -> None:
    global _world
    if _world is None:
        _world = World()
    _world.run(data)


TARGET = Target(
    "requests",
    run,
    _SEEDS,
    words=(
        *(
            "root ",
            "tenant ",
            "lone ",
            "chief ",
            "x ",
            "GET ",
            "PUT ",
            "POST ",
            "DELETE ",
            "HEAD ",
            "OPTIONS ",
            "\n%%\n",
        ),
        *(
            "/bucket/key",
            "/locked/key",
            "/lone",
            "?versionId=~VERSION~",
            "?uploadId=~UPLOAD~",
            "?acl",
            "?tagging",
            "?policy",
            "?lifecycle",
        ),
        *(
            "?uploads",
            "?uploadId=",
            "&partNumber=1",
            "?versions",
            "?list-type=2",
            "?delete",
            "?retention",
            "?legal-hold",
        ),
        *(
            "\nx-amz-copy-source: bucket/key",
            "\nx-amz-acl: ",
            "\nx-amz-grant-read: ",
            "\nrange: bytes=0-1",
            "\nif-match: ",
        ),
        *(
            "\nx-amz-server-side-encryption: aws:kms",
            "\nx-amz-checksum-crc32: ",
            "\nx-amz-object-lock-mode: COMPLIANCE",
        ),
        *("\nx-amz-tagging: ", "\nx-amz-meta-a: ", "\nx-amz-storage-class: ", "\ncontent-encoding: aws-chunked", "%00"),
        *("\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", "\nx-amz-decoded-content-length: 5"),
        *(
            "\nx-amz-website-redirect-location: ",
            "\norigin: ",
            "\nhost: bucket.web.example.com",
            "%C3%A4",
            "\nexpect: x",
        ),
    ),
    longest=12_000,
)
