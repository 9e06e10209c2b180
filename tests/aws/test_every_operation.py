"""Every operation of AWS's model: what a client sends comes in as meant, and what goes out is read as it was said."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import botocore.awsrequest
import botocore.parsers
import botocore.serialize
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.aws import quirks
from objstore.aws.domains import Domains
from objstore.aws.http import Request, read_request
from objstore.aws.parsing import Parser
from objstore.aws.routing import Router
from objstore.aws.serialising import Serialiser
from objstore.aws.service import operation_model, service
from tests.aws import shapes

ROUTER = Router(service())
SERIALIZER = botocore.serialize.create_serializer("rest-xml", include_validation=False)
PARSER = botocore.parsers.create_parser("rest-xml")

# The model's deprecated operations have the addresses of their successors.
SUCCESSORS = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
EVENT_STREAMS = {"SelectObjectContent"}
UNLIKE_THE_MODEL = EVENT_STREAMS | set(quirks.BARE_TEXT) | SUCCESSORS.keys()

few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def sent(name: str, members: dict[str, Any]) -> tuple[Request, bytes]:
    """The request that botocore makes of an operation's members, as the server reads it."""
    made = SERIALIZER.serialize_to_request(members, operation_model(name))
    path, _, literal = made["url_path"].partition("?")
    pairs = [literal] if literal else []
    for key, value in made["query_string"].items():
        for one in value if isinstance(value, list) else [value]:
            text = str(one).lower() if isinstance(one, bool) else str(one)
            pairs.append(f"{quote(key, safe='')}={quote(text, safe='')}")
    scope = {
        "method": made["method"],
        "raw_path": path.encode("ascii"),
        "query_string": "&".join(pairs).encode("ascii"),
        "headers": [(key.encode(), str(value).encode("latin-1")) for key, value in made["headers"].items()],
    }
    body = made["body"]
    return read_request(scope, Domains()), body if isinstance(body, bytes) else str(body or "").encode()


def understood(name: str, members: dict[str, Any]) -> dict[str, Any]:
    """Members as the server gives them to a handler: Expires stays text."""
    request, _ = sent(name, members)
    known = dict(members)
    for member, header in (("Expires", "expires"), ("ResponseExpires", "response-expires")):
        if member in known:
            known[member] = request.headers.get(header) or dict(request.query)[header]
    return known


@pytest.mark.parametrize("name", shapes.OPERATIONS)
def test_a_clients_request_reaches_its_operation_with_what_it_said(name: str) -> None:
    parser = Parser(operation_model(name))

    @few
    @given(shapes.inputs(operation_model(name)))
    def check(members: dict[str, Any]) -> None:
        request, body = sent(name, members)
        assert ROUTER.route(request) == SUCCESSORS.get(name, name)
        if name in SUCCESSORS:
            return  # in these, two members share an element
        parsed = parser.head(request)
        if parser.documented and body:
            parsed |= parser.document(body)
        assert parsed == understood(name, members)

    check()


@pytest.mark.parametrize("name", sorted(set(shapes.OPERATIONS) - UNLIKE_THE_MODEL))
def test_an_answer_is_read_by_a_client_as_the_handler_said_it(name: str) -> None:
    model = operation_model(name)
    serialiser = Serialiser(model)

    @few
    @given(shapes.outputs(model))
    def check(members: dict[str, Any]) -> None:
        response = serialiser.serialise(members)
        headers = botocore.awsrequest.HeadersDict(
            {key.decode(): value.decode("latin-1") for key, value in response.headers}
        )
        if "ContentLength" in members:
            headers["content-length"] = str(response.length)
        parsed = PARSER.parse(
            {"headers": headers, "body": response.body, "status_code": response.status}, model.output_shape
        )
        parsed.pop("ResponseMetadata", None)
        for member in {"Body", "AnnotationPayload"} & parsed.keys():
            del parsed[member]
        if not parsed.get("Metadata", True):
            del parsed["Metadata"]
        assert parsed == members

    check()


@pytest.mark.parametrize("name", ["ListObjects", "ListObjectsV2", "ListObjectVersions", "ListParts", "DeleteObjects"])
def test_long_lists_are_written_as_short_ones_are(name: str) -> None:
    model = operation_model(name)
    fast, plain = Serialiser(model), Serialiser(model, fast=False)
    assert model.output_shape is not None
    lists = {
        member: shape
        for member, shape in model.output_shape.members.items()
        if shape.serialization.get("flattened") and shape.member.type_name == "structure"  # type: ignore[attr-defined]
    }
    entries = st.fixed_dictionaries(
        {
            member: st.lists(shapes.values(shape.member), min_size=2, max_size=4)  # type: ignore[attr-defined]
            for member, shape in lists.items()
        }
    )

    @few
    @given(entries, st.lists(st.integers(0, 3), min_size=1, max_size=60))
    def check(members: dict[str, list[Any]], picks: list[int]) -> None:
        # In runs, as listings come: the same members in the same order.
        long = {
            member: [items[pick % len(items)] for pick in sorted(picks)] + [dict(items[0]) for _ in range(10)]
            for member, items in members.items()
        }
        assert bytes(fast.serialise(long).body) == bytes(plain.serialise(long).body)  # type: ignore[arg-type]

    check()


def test_a_list_with_gaps_is_written_as_the_plain_writer_does() -> None:
    model = operation_model("ListObjectsV2")
    entries = [{"Key": "k\nl" if i % 2 else "\x01", "ETag": None if i % 3 else '"e"', "Size": i} for i in range(30)]
    members = {"Contents": entries}
    assert Serialiser(model).serialise(members).body == Serialiser(model, fast=False).serialise(members).body


def test_a_member_that_the_operation_has_not_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="Frob"):
        Serialiser(operation_model("ListObjectsV2")).serialise({"Frob": 1})
    with pytest.raises(TypeError, match="Frob"):
        Serialiser(operation_model("PutObject")).serialise({"Frob": 1})
    with pytest.raises(TypeError, match="Frob"):
        Serialiser(operation_model("ListObjectsV2")).serialise({"Contents": [{"Frob": 1}] * 20})
