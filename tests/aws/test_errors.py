"""Errors: one table, that agrees with AWS's model and knows every code that the store raises."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from objstore.aws.errors import TABLE, AwsError, as_aws_error, document, has_body
from objstore.aws.service import service
from objstore.store.errors import StoreError

# Operations that are far from being served here.
UNKNOWN = {
    *("AnnotationLimitExceeded", "AnnotationNameTooLong", "InvalidAnnotationName", "InvalidPrefix", "NoSuchAnnotation"),
    *("EncryptionTypeMismatch", "InvalidWriteOffset", "ObjectAlreadyInActiveTierError", "ObjectNotInActiveTierError"),
}


def kinds(of: type[StoreError]) -> Iterator[type[StoreError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def test_the_table_agrees_with_the_model() -> None:
    for shape in service().error_shapes:
        if shape.name not in UNKNOWN:
            assert TABLE[shape.name][0] == shape.metadata["error"]["httpStatusCode"], shape.name


@pytest.mark.parametrize("kind", sorted(kinds(StoreError), key=lambda kind: kind.__name__))
def test_the_table_knows_what_the_store_raises(kind: type[StoreError]) -> None:
    assert kind.code in TABLE


@pytest.mark.parametrize("code", TABLE)
def test_every_code_has_a_status_and_words(code: str) -> None:
    status, message = TABLE[code]
    assert 300 <= status < 600 and message


def test_an_exception_with_a_code_keeps_what_it_tells() -> None:
    class Refused(Exception):
        code = "InvalidRequest"
        message = "Not so."
        detail = {"Why": 3}  # noqa: RUF012
        headers = {"allow": "GET"}  # noqa: RUF012

    error = as_aws_error(Refused())
    assert error is not None
    assert (error.status, error.message, error.detail, error.headers) == (
        400,
        "Not so.",
        {"Why": "3"},
        {"allow": "GET"},
    )
    assert as_aws_error(error) is error


def test_other_exceptions_are_nothing_of_aws() -> None:
    assert as_aws_error(KeyError("NoSuchKey")) is None
    odd = OSError()
    odd.code = 404  # type: ignore[attr-defined]
    assert as_aws_error(odd) is None


def test_any_parser_reads_the_document() -> None:
    error = AwsError("NoSuchKey", Key="\x00<&>\ud800\uffff")
    root = ElementTree.fromstring(document(error, resource="/b/\x01", request_id="r", host_id="h"))
    assert [element.tag for element in root] == ["Code", "Message", "Key", "Resource", "RequestId", "HostId"]
    assert root.findtext("Key") == "\ufffd<&>\ufffd\ufffd"


def test_some_answers_have_no_document() -> None:
    assert has_body("GET", 404)
    assert not has_body("HEAD", 404) and not has_body("GET", 304)
