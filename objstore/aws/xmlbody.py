"""XML documents that clients send, read without trust.

A document is UTF-8, bounded in depth and number of elements, and declares no document type: so no entities, internal or
external, and nothing that grows. A first pass by expat finds what is refused before xmltodict builds anything. What
comes out is xmltodict's form, namespaces dropped: an element is its text, None when empty, or a dict of children and
`@attributes`.
https://cheatsheetseries.owasp.org/cheatsheets/XML_External_Entity_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from xml.parsers import expat

import xmltodict

from objstore.aws.errors import TABLE, AwsError

Node = Mapping[str, Any] | str | None

MAX_DEPTH: Final = 24  # the deepest document of the model has 9
MAX_ELEMENTS: Final = 150_000  # 10,000 parts of an upload have 15 elements each at most
MAX_ATTRIBUTES: Final = 8


class Malformed(Exception):
    """A document that cannot be taken; says why."""


def malformed(why: str, code: str = "MalformedXML") -> AwsError:
    """AWS's error for a bad document, with the reason after AWS's own words."""
    return AwsError(code, f"{TABLE[code][1]}: {why}")


def parse(data: bytes) -> tuple[str, Node]:
    """Return the name of the root element and what it holds. Raises MalformedXML."""
    try:
        _screen(data)
        document = xmltodict.parse(
            data, encoding="utf-8", disable_entities=True, strip_whitespace=False, postprocessor=_without_prefix
        )
    except Malformed as error:
        raise malformed(str(error)) from None
    except (expat.ExpatError, ValueError) as error:
        raise malformed(str(error)) from None
    name, node = next(iter(document.items()))
    return name, node


def text(node: Node) -> str:
    """The text of an element that has no children. Raises Malformed for one that has."""
    if node is None:
        return ""
    if isinstance(node, str):
        return node
    if isinstance(node, Mapping) and all(name[0] in "@#" for name in node):
        return str(node.get("#text", ""))
    raise Malformed("text expected where there are elements")


def _without_prefix(_path: Any, name: str, value: Any) -> tuple[str, Any]:
    """`s3:Key` is `Key`, `@xsi:type` is `@type`. Raises Malformed where nothing follows the prefix."""
    if ":" in name:
        local = name.rpartition(":")[2]
        if not local:
            raise Malformed(f"{name[:100]!r} is no name")
        name = ("@" if name[0] == "@" else "") + local
    return name, value


def _screen(data: bytes) -> None:
    """Walk through the document without building it. Raises Malformed and ExpatError."""
    depth = count = 0

    def start(_name: str, attributes: list[str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > MAX_DEPTH:
            raise Malformed(f"elements are nested deeper than {MAX_DEPTH}")
        if count > MAX_ELEMENTS:
            raise Malformed(f"more than {MAX_ELEMENTS} elements")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise Malformed(f"an element has more than {MAX_ATTRIBUTES} attributes")

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_args: object) -> None:
        raise Malformed("a document type declaration is not allowed")

    parser = expat.ParserCreate("utf-8")
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(data, True)
