"""XML: the documents of every operation of S3, as the model has them."""

from __future__ import annotations

from objstore.aws import xmlbody
from objstore.aws.parsing import Parser
from objstore.aws.service import operation_model
from tests.aws import shapes
from tests.fuzz.target import Target, designed, pieces
from tests.fuzz.targets import samples

_PARSERS = {name: one for name in shapes.OPERATIONS if (one := Parser(operation_model(name))).documented}


def run(data: bytes) -> None:
    """The first part names the operation; with any other, the document is only read."""
    name, document = pieces(data, 2)
    with designed():
        xmlbody.parse(document)
    parser = _PARSERS.get(name.decode("latin-1"))
    if parser is not None:
        with designed():
            parser.document(document)


def _seed(name: str) -> bytes:
    body = samples.serialised(name)["body"]
    return name.encode() + b"\0" + (body if isinstance(body, bytes) else body.encode())


TARGET = Target(
    "documents",
    run,
    (*map(_seed, _PARSERS), b"PutBucketTagging\0<a xmlns:x='y'><x:b x:c='d'><![CDATA[e]]>&amp;&#65;<!-- --></x:b></a>"),
    words=(
        *("<?xml version='1.0' encoding='UTF-8'?>", "<!DOCTYPE a [", "<!ENTITY", "<![CDATA[", "]]>", "xmlns=", "</"),
        *("/>", "&lt;", "&#x41;", "xsi:type=", "true", "9223372036854775808", "<Tag>", "<Key>", "<Rule>"),
        *(_PARSERS),
    ),
    longest=8192,
)
