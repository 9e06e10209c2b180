"""A request's way through the wire, over operations that only remember and answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import pytest

from objstore.aws.delivery import Limits, ResponseCut
from objstore.aws.endpoint import Endpoint
from objstore.aws.errors import AwsError
from objstore.aws.exchange import CLIENT_GONE, Exchange
from objstore.aws.http import Request
from objstore.aws.operation import Call, Registry, Reply, operation
from tests.aws.requests import NOW, REGION, credentials, sign

EMPTY = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


@dataclass
class World:
    """What the handlers were told, and how they shall answer."""

    calls: list[Call] = field(default_factory=list)
    answer: Any = None
    denied: bool = False
    done: list[Exchange] = field(default_factory=list)
    origins: list[Request] = field(default_factory=list)

    def cors(self, request: Request) -> dict[str, str]:
        self.origins.append(request)
        if "origin" not in request.headers:
            raise AwsError("AccessForbidden", Method=request.method)
        return {"Vary": "Origin"}


REGISTRY = Registry()


async def remember(call: Call, world: World) -> Any:
    world.calls.append(call)
    if isinstance(world.answer, BaseException):
        raise world.answer
    return world.answer


async def swallow(call: Call, world: World) -> Any:
    call.notes["data"] = b"".join([bytes(piece) async for piece in call.body])
    return await remember(call, world)


for _name in ("GetObject", "HeadObject", "DeleteObject", "GetBucketVersioning", "GetBucketLocation", "HeadBucket"):
    operation(_name, action="s3:Any", supports={"Range"} if _name == "GetObject" else (), registry=REGISTRY)(remember)
operation("PutObject", action="s3:PutObject", supports={"Metadata", "Expires"}, registry=REGISTRY)(swallow)
operation("DeleteObjects", action="s3:DeleteObject", registry=REGISTRY)(remember)
operation("CreateBucket", action="s3:CreateBucket", registry=REGISTRY)(remember)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: list[dict[str, Any]]
    received: int  # how many times the body was asked for

    @property
    def error(self) -> dict[str, str | None]:
        return {element.tag: element.text for element in ElementTree.fromstring(self.body)}


class Client:
    """An HTTP server's side of ASGI. After `messages`, nothing more comes unless `leaves`."""

    def __init__(self, messages: list[dict[str, Any]] | None = None, *, leaves: bool = False) -> None:
        self.messages = messages or [EMPTY]
        self.leaves = leaves
        self.sent: list[dict[str, Any]] = []
        self.received = 0
        self.hangs = False  # takes no more of the answer

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self.messages:
            return self.messages.pop(0)
        if not self.leaves:
            await asyncio.Event().wait()
        return GONE

    async def send(self, message: Any) -> None:
        if self.hangs and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)


def ask(
    line: str,
    world: World,
    client: Client | None = None,
    headers: dict[str, str] | None = None,
    limits: Limits | None = None,
    clock: float = NOW,
) -> Answer:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    client = client or Client()

    async def gate(call: Call, context: World) -> None:
        assert client.received == 0, "nothing is received before the gate"
        if context.denied:
            raise AwsError("AccessDenied")

    endpoint = Endpoint(
        world,
        credentials=credentials,
        gate=gate,
        cors=world.cors,
        region=REGION,
        registry=REGISTRY,
        on_done=world.done.append,
        clock=lambda: clock,
        limits=limits or Limits(linger=0.05),
    )
    scope = {
        "type": "http",
        "method": method,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    try:
        asyncio.run(endpoint(scope, client.receive, client.send))
    finally:
        started = client.sent[0] if client.sent else {"status": 0, "headers": []}
        body = b"".join(bytes(message["body"]) for message in client.sent[1:])
        named = {name.decode(): value.decode("latin-1") for name, value in started["headers"]}
        assert len(named) == len(started["headers"]), "no header twice"
        answer = Answer(started["status"], named, body, client.sent, client.received)
    return answer


async def pieces(*buffers: Any, error: Exception | None = None) -> AsyncIterator[Any]:
    for buffer in buffers:
        yield buffer
    if error is not None:
        raise error


def test_every_answer_tells_its_request_and_time() -> None:
    world = World(answer={"Status": "Enabled"})
    answer = ask("GET /b?versioning", world)
    assert answer.status == 200
    assert answer.headers["x-amz-request-id"] == world.calls[0].request_id == world.done[0].request_id
    assert answer.headers["x-amz-id-2"] and answer.headers["server"] == "objstore"
    assert answer.headers["date"] == "Fri, 24 May 2013 00:00:00 GMT"
    assert answer.headers["content-type"] == "application/xml"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Status>Enabled</Status></VersioningConfiguration>"
    )
    assert "connection" not in answer.headers and answer.received == 0


def test_the_caller_is_who_signed() -> None:
    world = World(answer={})
    sent = sign("S3SigV4Auth", "GET", "http://localhost/b/k", {"host": "localhost"})
    ask("GET /b/k", world, headers=sent.headers)
    assert world.calls[0].principal.name == "alice"
    assert (world.calls[0].bucket, world.calls[0].key) == ("b", "k")
    ask("GET /b/k", world)
    assert world.calls[1].principal.anonymous


def test_a_wrong_signature_is_refused_before_anything_is_read() -> None:
    world = World()
    sent = sign("S3SigV4Auth", "PUT", "http://localhost/b/k", {"host": "localhost"}, secret="wrong")
    answer = ask("PUT /b/k", world, headers={**sent.headers, "content-length": "3"})
    assert (answer.status, answer.error["Code"]) == (403, "SignatureDoesNotMatch")
    assert not world.calls


def test_a_location_is_bare_text() -> None:
    body = ask("GET /b?location", World(answer={"LocationConstraint": "eu-west-1"})).body
    assert ElementTree.fromstring(body).text == "eu-west-1"
    body = ask("GET /b?location", World(answer={})).body
    assert ElementTree.fromstring(body).tag.endswith("}LocationConstraint")


def test_an_error_has_a_document_with_aws_words() -> None:
    answer = ask("GET /b/a%20%01%26b", World(answer=AwsError("NoSuchKey")))
    assert answer.status == 404
    error = answer.error
    assert (error["Code"], error["Message"]) == ("NoSuchKey", "The specified key does not exist.")
    assert (error["Key"], error["Resource"]) == ("a \ufffd&b", "/b/a \ufffd&b")
    assert error["RequestId"] == answer.headers["x-amz-request-id"]
    assert error["HostId"] == answer.headers["x-amz-id-2"]


def test_an_error_to_head_has_no_body() -> None:
    answer = ask("HEAD /b/k", World(answer=AwsError("NoSuchKey", headers={"x-amz-delete-marker": "true"})))
    assert (answer.status, answer.body, answer.headers["x-amz-delete-marker"]) == (404, b"", "true")


def test_an_error_with_a_code_from_below_is_aws_s() -> None:
    class NoSuchUpload(Exception):
        code = "NoSuchUpload"
        detail = {"UploadId": "u"}  # noqa: RUF012

    answer = ask("GET /b/k", World(answer=NoSuchUpload()))
    assert (answer.status, answer.error["UploadId"]) == (404, "u")


def test_an_unknown_error_is_internal_and_logged_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = ask("GET /b/k", World(answer=RuntimeError("secret")))
    assert (answer.status, answer.error["Code"]) == (500, "InternalError")
    assert b"secret" not in answer.body
    assert caplog.records[0].__dict__["request_id"] == answer.headers["x-amz-request-id"]


def test_what_is_not_implemented_says_so() -> None:
    answer = ask("GET /b?cors", World())
    assert (answer.status, answer.error["Code"]) == (501, "NotImplemented")
    assert "GetBucketCors" in (answer.error["Message"] or "")
    answer = ask("PUT /b/k", World(), headers={"x-amz-tagging": "a=b", "content-length": "0"})
    assert (answer.status, answer.error["Header"]) == (501, "x-amz-tagging")
    answer = ask("GET /b/k?versionId=x", World())
    assert (answer.status, answer.error["Parameter"]) == (501, "versionId")


def test_only_requests_of_other_origins_are_asked_about() -> None:
    world = World()
    assert ask("OPTIONS /b/k", world).error["Code"] == "AccessForbidden"
    assert "vary" not in ask("GET /b/k", world).headers
    assert [request.method for request in world.origins] == ["OPTIONS"]
    assert ask("GET /b/k", world, headers={"origin": "http://o"}).headers["vary"] == "Origin"
    world.answer = AwsError("NoSuchKey", Key="k")
    answer = ask("GET /b/k", world, headers={"origin": "http://o"})
    assert (answer.status, answer.headers["vary"]) == (404, "Origin")
    preflight = ask("OPTIONS /b/k", world, headers={"origin": "http://o"})
    assert (preflight.status, preflight.headers["vary"], preflight.headers["content-length"]) == (200, "Origin", "0")


@pytest.mark.parametrize("line", ["PATCH /b", "HEAD /", "DELETE /b/k?acl"])
def test_methods_that_are_not_allowed(line: str) -> None:
    assert ask(line, World()).status == 405


def test_bad_input_has_its_code() -> None:
    assert ask("GET /b/%ff", World()).error["Code"] == "InvalidURI"
    assert ask("GET /b/k?partNumber=x", World()).error["Code"] == "InvalidArgument"
    assert ask("POST /b?delete", World()).error["Code"] == "MissingRequestBodyError"
    assert ask("PUT /b/k", World()).error["Code"] == "MissingContentLength"


def test_a_document_is_read_after_the_gate() -> None:
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    headers = {"content-length": str(len(document))}
    world = World(answer={})
    ask("POST /b?delete", world, Client([{"type": "http.request", "body": document}]), headers)
    assert world.calls[0]["Delete"] == {"Objects": [{"Key": "k"}]}
    world = World(denied=True)
    answer = ask("POST /b?delete", world, Client([{"type": "http.request", "body": document}]), headers)
    assert (answer.status, answer.received) == (403, 0)


def test_a_large_document_is_read_too() -> None:
    document = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 2000 + b"</Delete>"
    world = World(answer={})
    client = Client([{"type": "http.request", "body": document}])
    ask("POST /b?delete", world, client, {"content-length": str(len(document))})
    assert len(world.calls[0]["Delete"]["Objects"]) == 2000


def test_a_document_is_bounded() -> None:
    answer = ask("POST /b?delete", World(), headers={"content-length": str((1 << 20) + 1)})
    assert answer.error["Code"] == "MaxMessageLengthExceeded"
    assert answer.headers["connection"] == "close"


def test_a_body_streams_to_its_handler() -> None:
    messages = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"}]
    world = World(answer={"ETag": '"e"'})
    headers = {"content-length": "3", "x-amz-meta-Colour": "blue", "expires": "never", "expect": "100-continue"}
    answer = ask("PUT /b/k", world, Client(messages), headers)
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"", '"e"')
    assert answer.headers["content-length"] == "0"
    call = world.calls[0]
    assert call.notes["data"] == b"abc"
    assert (call["Metadata"], call["Expires"]) == ({"colour": "blue"}, "never")
    assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "closes"),
    [
        ({"content-length": "0"}, False),
        ({"content-length": "1000"}, False),
        ({"content-length": "1000", "expect": "100-continue"}, True),
        ({"content-length": str(1 << 30)}, True),
        ({"transfer-encoding": "chunked"}, True),
    ],
)
def test_a_refused_body_is_dropped_or_the_connection_closed(headers: dict[str, str], closes: bool) -> None:
    client = Client([{"type": "http.request", "body": b"x", "more_body": True}] * 3, leaves=True)
    answer = ask("PUT /b/k", World(denied=True), client, headers)
    assert answer.status == 403
    assert (answer.headers.get("connection") == "close") == closes
    assert answer.received == (4 if closes else 0)
    assert answer.messages[-1]["more_body"] is False


def test_lingering_ends() -> None:
    answer = ask("PUT /b/k", World(denied=True), headers={"transfer-encoding": "chunked"})
    assert answer.messages[-1]["more_body"] is False


def test_a_stream_of_buffers_is_sent_as_it_comes() -> None:
    body = pieces(b"ab", memoryview(b"cd"), bytearray(b"e"))
    reply = Reply({"Body": body, "ContentLength": 5, "ETag": '"e"'}, 206, {"expires": "never"})
    world = World(answer=reply)
    answer = ask("GET /b/k", world)
    assert (answer.status, answer.body) == (206, b"abcde")
    assert (answer.headers["content-length"], answer.headers["expires"]) == ("5", "never")
    assert [message["more_body"] for message in answer.messages[1:]] == [True, True, False]
    assert (world.done[0].sent, world.done[0].operation) == (5, "GetObject")


def test_head_tells_the_length_without_a_body() -> None:
    answer = ask("HEAD /b/k", World(answer={"ContentLength": 5}))
    assert (answer.headers["content-length"], answer.body) == ("5", b"")


def test_no_content_has_no_length() -> None:
    answer = ask("DELETE /b/k", World(answer={"DeleteMarker": True}))
    assert (answer.status, answer.headers["x-amz-delete-marker"]) == (204, "true")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    "body",
    [
        pieces(b"ab", error=OSError("disk")),
        pieces(b"ab"),
        pieces(b"ab", b"cdef"),
        pieces(b"ab", error=AwsError("SlowDown")),
    ],
    ids=["error", "short", "long", "aws"],
)
def test_a_stream_that_fails_is_cut(body: Any, caplog: pytest.LogCaptureFixture) -> None:
    world = World(answer={"Body": body, "ContentLength": 5})
    client = Client()
    with pytest.raises(ResponseCut):
        ask("GET /b/k", world, client)
    assert client.sent[-1]["more_body"] is True
    assert world.done[0].error == "ResponseCut"
    assert caplog.records[0].__dict__["request_id"] == world.done[0].request_id


def test_a_stream_that_fails_at_once_is_still_an_error() -> None:
    world = World(answer={"Body": pieces(error=AwsError("SlowDown")), "ContentLength": 5})
    answer = ask("GET /b/k", world)
    assert (answer.status, answer.error["Code"], world.done[0].error) == (503, "SlowDown", "SlowDown")


def test_nothing_is_read_for_a_client_that_left() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x"
            await asyncio.sleep(0)

    world = World(answer={"Body": endless(), "ContentLength": 1 << 40})
    ask("GET /b/k", world, Client(leaves=True))
    assert world.done[0].status == CLIENT_GONE
    assert taken < 10


def test_a_client_that_does_not_read_is_cut() -> None:
    client = Client()
    client.hangs = True
    world = World(answer={"Body": pieces(b"a", b"b"), "ContentLength": 2})
    with pytest.raises(ResponseCut):
        ask("GET /b/k", world, client, limits=Limits(send_idle=0.01))


def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_answered() -> None:
    messages = [{"type": "http.request", "body": b"ab", "more_body": True}, GONE]
    client = Client(messages)
    world = World()
    ask("PUT /b/k", world, client, {"content-length": "3"})
    assert not client.sent and not world.calls
    assert world.done[0].status == CLIENT_GONE


def test_a_header_cannot_be_split() -> None:
    answer = ask("GET /b/k", World(answer={"ContentType": "a\r\nx: y", "CacheControl": "Grüße €", "ContentLength": 0}))
    assert answer.headers["content-type"] == "a  x: y"
    assert answer.headers["cache-control"].encode("latin-1").decode() == "Grüße €"


def test_a_presigned_url_may_carry_headers() -> None:
    sent = sign(
        "S3SigV4QueryAuth",
        "PUT",
        "http://localhost/b/k",
        {"host": "localhost"},
        params={"x-amz-meta-a": "1"},
        expires=60,
    )
    world = World(answer={})
    query = sent.raw_query.decode()
    answer = ask(f"PUT /b/k?{query}", world, headers={"host": "localhost", "content-length": "0"})
    assert answer.status == 200, answer.body
    assert world.calls[0]["Metadata"] == {"a": "1"}


def test_registering_notices_mistakes() -> None:
    with pytest.raises(ValueError, match="no input member Frob"):
        operation("GetObject", action="s3:GetObject", supports={"Frob"}, registry=Registry())(remember)
    with pytest.raises(ValueError, match="twice"):
        operation("GetObject", action="s3:GetObject", registry=REGISTRY)(remember)
    with pytest.raises(Exception, match="Frob"):
        operation("Frob", action="s3:Frob", registry=Registry())
