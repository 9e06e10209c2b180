"""Documents in requests: from the nodes that `xmlbody` gives to members, by readers compiled once from the model's
shapes.

A document must have the root that the model names, every required element and none that the model does not know: what
is not understood is refused, not dropped. Raises `Malformed`, which says where.
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from objstore.aws import quirks, values, xmlbody
from objstore.aws.xmlbody import Malformed, Node

NodeReader = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Element:
    """What an element of a structure is read into. A repeated one (a flattened list) may stand several times."""

    member: str
    read: NodeReader
    repeated: bool


def compile_shape(shape: Shape) -> NodeReader:
    """Return what reads a node of `shape`; of an operation's input, what does not stand in the request's head."""
    if isinstance(shape, StructureShape):
        return _structure(shape)
    if isinstance(shape, ListShape):
        return _list(shape)
    if isinstance(shape, MapShape):
        raise TypeError(f"{shape.name}: no document of S3 holds a map")
    convert = values.reader(shape, checked=shape.name not in quirks.UNCHECKED_ENUM_SHAPES)
    if convert is None:
        return xmlbody.text

    def scalar(node: Node) -> Any:
        text = xmlbody.text(node)
        try:
            return convert(text)
        except ValueError as error:
            raise Malformed(f"{text[:100]!r} is {error}") from None

    return scalar


def element_name(member: str, shape: Shape) -> str:
    """The name of the element that a member of a structure stands in."""
    if isinstance(shape, ListShape) and shape.serialization.get("flattened"):
        inner: str | None = shape.member.serialization.get("name")
        if inner is not None:
            return inner
    name: str = shape.serialization.get("name", member)
    return name


def is_flattened(shape: Shape) -> bool:
    """Whether the shape is a list whose elements stand in the parent, without one around them."""
    return isinstance(shape, ListShape) and bool(shape.serialization.get("flattened"))


def _structure(shape: StructureShape) -> NodeReader:
    elements: dict[str, _Element] = {}
    inside = {name: inner for name, inner in shape.members.items() if "location" not in inner.serialization}
    for member, inner in inside.items():
        if inner.serialization.get("xmlAttribute"):
            name = "@" + inner.serialization["name"].rpartition(":")[2]
        else:
            name = element_name(member, inner)
        repeated = isinstance(inner, ListShape) and is_flattened(inner)
        read = compile_shape(inner.member if isinstance(inner, ListShape) and repeated else inner)
        elements[name] = _Element(member, read, repeated)
    required = inside.keys() & shape.required_members

    def structure(node: Node) -> dict[str, Any]:
        members: dict[str, Any] = {}
        if isinstance(node, Mapping):
            for name, value in node.items():
                element = elements.get(name)
                if element is not None:
                    members[element.member] = _read(element, name, value)
                elif name[0] != "@":
                    _refuse_stray(name, value)
        elif node is not None:
            _refuse_stray("#text", node)
        if not members.keys() >= required:
            raise Malformed(f"{', '.join(sorted(required - members.keys()))} is missing")
        return members

    return structure


def _read(element: _Element, name: str, value: Any) -> Any:
    try:
        if element.repeated:
            return [element.read(one) for one in (value if isinstance(value, list) else [value])]
        if isinstance(value, list):
            raise Malformed("more than once")
        return element.read(value)
    except Malformed as error:
        raise Malformed(f"{name}: {error}") from None


def _refuse_stray(name: str, value: Any) -> None:
    if name != "#text":
        raise Malformed(f"unknown element {name[:100]}")
    if value.strip():
        raise Malformed("text among elements")


def _list(shape: ListShape) -> NodeReader:
    name = shape.member.serialization.get("name", "member")
    element = _Element(name, compile_shape(shape.member), True)

    def items(node: Node) -> list[Any]:
        if isinstance(node, Mapping):
            for other, value in node.items():
                if other != name and other[0] != "@":
                    _refuse_stray(other, value)
            return list(_read(element, name, node[name])) if name in node else []
        if node is not None:
            _refuse_stray("#text", node)
        return []

    return items
