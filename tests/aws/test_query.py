"""The query protocol: every operation of IAM, STS and SNS as botocore sends it and reads its answer; forms that are
wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import botocore.parsers
import botocore.serialize
import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.aws.errors import AwsError
from objstore.aws.http import read_query
from objstore.aws.query import answers, faults, forms
from objstore.aws.query.protocol import SERVICES, operands
from objstore.aws.service import operation_model, service
from tests.aws import shapes

OPERATIONS = [(name, one) for name in SERVICES for one in service(name).operation_names]
SERIALIZER = botocore.serialize.create_serializer("query", include_validation=False)
PARSER = botocore.parsers.create_parser("query")
CANDIDATES = (
    *("abc", "/", "/abc/", "v1", "0123456789012", "123456789012", "1" * 6, "a" * 20, "A" * 16, "b" * 40),
    *("o-abcdefghij/r-abcd", "o-abcdefghij", "arn:aws:iam::123456789012:role/abc", '{"é": 1}'),
    *("http://abc.example/", "ö ä=&%+;?"),
)
MOST = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))


def fitting(shape: Shape) -> list[str]:
    """Texts that the model allows."""
    read, found = forms._compile(shape), []
    least = shape.metadata.get("min") or 0
    for text in shape.metadata.get("enum") or (*CANDIDATES, "a" * least, "p-" + "a" * least):
        wrong: list[str] = []
        read(text, "", wrong)
        found += [] if wrong else [text]
    return found


def inputs(shape: Shape) -> st.SearchStrategy[Any]:
    if isinstance(shape, StructureShape):
        # A structure without members is not sent at all.
        made = {
            name: inputs(inner).filter(bool) if isinstance(inner, StructureShape) else inputs(inner)
            for name, inner in shape.members.items()
        }
        required = {name: one for name, one in made.items() if name in shape.required_members}
        return st.fixed_dictionaries(required, optional={k: v for k, v in made.items() if k not in required})
    if isinstance(shape, ListShape):
        inner = inputs(shape.member)
        inner = inner.filter(bool) if isinstance(shape.member, StructureShape) else inner
        return st.lists(inner, min_size=shape.metadata.get("min") or 0, max_size=3)
    if isinstance(shape, MapShape):
        return st.dictionaries(inputs(shape.key), inputs(shape.value), min_size=1, max_size=3)
    if shape.type_name == "string":
        texts = fitting(shape)
        return st.sampled_from(texts) if texts else st.nothing()
    return shapes.values(shape)


def form(members: dict[str, Any], model: OperationModel) -> dict[str, Any]:
    """What a client sends, read into a tree."""
    sent = SERIALIZER.serialize_to_request(members, model)["body"]
    return operands(forms.tree(read_query(urlencode(sent).encode())))


@pytest.mark.parametrize(("of", "name"), OPERATIONS)
def test_a_clients_parameters_are_read_as_it_meant_them(of: str, name: str) -> None:
    model = operation_model(name, of)
    if model.input_shape is None:
        assert forms.compile_input(None)({}) == {}
        return
    read = forms.compile_input(model.input_shape)

    @MOST
    @given(inputs(model.input_shape))
    def check(members: dict[str, Any]) -> None:
        assert read(form(members, model)) == members

    check()


def written(shape: Shape) -> st.SearchStrategy[Any]:
    if isinstance(shape, MapShape):
        return st.dictionaries(written(shape.key), written(shape.value), max_size=3)
    if isinstance(shape, ListShape):
        return st.lists(written(shape.member), max_size=3)
    if isinstance(shape, StructureShape):
        return st.fixed_dictionaries({}, optional={name: written(inner) for name, inner in shape.members.items()})
    return shapes.values(shape)


@pytest.mark.parametrize(("of", "name"), OPERATIONS)
def test_an_answer_is_read_by_a_client_as_the_handler_said_it(of: str, name: str) -> None:
    model = operation_model(name, of)
    write = answers.compile_output(model)
    if model.output_shape is None:
        assert b"<RequestId>R1</RequestId>" in write({}, "R1").body
        return

    @MOST
    @given(written(model.output_shape))
    def check(members: dict[str, Any]) -> None:
        response = write(members, "R1")
        parsed = PARSER.parse({"headers": {}, "body": response.body, "status_code": 200}, model.output_shape)
        assert parsed.pop("ResponseMetadata")["RequestId"] == "R1"
        assert parsed == members

    check()


def test_a_member_that_the_output_has_not_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="Frob"):
        answers.compile_output(operation_model("GetUser", "iam"))({"Frob": 1}, "R1")


def refused(of: str, name: str, tree: dict[str, Any]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        forms.compile_input(operation_model(name, of).input_shape)(tree)
    return caught.value


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({}, "Value null at 'userName' failed to satisfy constraint: Member must not be null"),
        ({"UserName": "a" * 65}, "Member must have length less than or equal to 64"),
        ({"UserName": ""}, "Member must have length greater than or equal to 1"),
        ({"UserName": "a b"}, r"Member must satisfy regular expression pattern: [\w+=,.@-]+"),
        ({"UserName": "é"}, "regular expression"),
        ({"UserName": {"x": "y"}}, "Member must be a string"),
        ({"UserName": "a", "Path": "x"}, "regular expression"),
        ({"UserName": "a", "Frob": "x"}, "Parameter 'Frob' is not a parameter of this action"),
        ({"UserName": "a", "Tags": "x"}, "Member must be a list"),
        ({"UserName": "a", "Tags": {"member": {"one": {"Key": "a", "Value": "b"}}}}, "Member must be a list"),
        ({"UserName": "a", "Tags": {"member": {"1": {"Key": "a"}}}}, "tags.1.member.value"),
        ({"UserName": "a", "Tags": {"member": {"1": {"Key": "a", "Value": "b", "C": "d"}}}}, "'tags.1.member.C'"),
        ({"UserName": "a", "Tags": {"member": {"1": "text"}}}, "Member must be a structure"),
    ],
)
def test_what_the_model_says_no_to_is_told(tree: dict[str, Any], said: str) -> None:
    error = refused("iam", "CreateUser", tree)
    assert error.code == "ValidationError" and said in error.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    error = refused("iam", "ListUsers", {"MaxItems": "0", "Marker": ""})
    assert error.message.startswith("2 validation errors detected: ")
    assert "not between 1 and 1000" in error.message
    assert "enum value set: [Active, Inactive" in refused("iam", "UpdateAccessKey", {"Status": "On"}).message


def test_items_of_a_list_come_in_the_order_of_their_numbers() -> None:
    read = forms.compile_input(operation_model("UntagUser", "iam").input_shape)
    keys = {"member": {"10": "c", "9": "b", "1": "a"}}
    assert read({"UserName": "u", "TagKeys": keys})["TagKeys"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "pairs", [[("A", "1"), ("A", "2")], [("A", "1"), ("A.b", "2")], [("A.b", "1"), ("A", "2")], [("A", "")] * 5000]
)
def test_a_form_that_contradicts_itself_is_malformed(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AwsError) as caught:
        forms.tree(pairs)
    assert caught.value.code == "MalformedQueryString"


@given(st.lists(st.tuples(st.text("Aa.1", max_size=8), st.text(max_size=3)), max_size=8))
def test_any_form_is_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    read = forms.compile_input(operation_model("SimulatePrincipalPolicy", "iam").input_shape)
    try:
        read(forms.tree(pairs))
    except AwsError as error:
        assert error.code in ("MalformedQueryString", "ValidationError")


@pytest.mark.parametrize(
    ("code", "status", "shown"),
    [
        ("NoSuchEntity", 404, "NoSuchEntity"),
        ("InvalidAccessKeyId", 403, "InvalidClientTokenId"),
        ("InvalidToken", 403, "InvalidClientTokenId"),
        ("ExpiredToken", 403, "ExpiredToken"),
        ("InternalError", 500, "InternalFailure"),
    ],
)
def test_errors_have_the_codes_and_the_document_of_the_query_protocol(code: str, status: int, shown: str) -> None:
    response = faults.document(AwsError(code), namespace="urn:x", request_id="R1")
    parsed = PARSER.parse({"headers": {}, "body": response.body, "status_code": response.status}, None)
    assert (response.status, parsed["Error"]["Code"]) == (status, shown)
    assert parsed["Error"]["Type"] == ("Sender" if status < 500 else "Receiver")
    assert parsed["ResponseMetadata"]["RequestId"] == "R1"
