"""From the members of an operation's output to an HTTP answer: compiled once for each operation from AWS's model.

Every member is written by name, in the order in which the handler gives them; one that the model does not know is a
mistake of the handler and raises. A document is written straight to text, never through a tree.
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import ListShape, OperationModel, Shape, StructureShape

from objstore.aws import columns, quirks, values
from objstore.aws.columns import Columns, ColumnWriter
from objstore.aws.digests import Buffer
from objstore.aws.documents import element_name, is_flattened
from objstore.aws.xmltext import escape

PROLOG: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
XML_HEADER: Final = (b"content-type", b"application/xml")

NodeWriter = Callable[[Any], str]
HeaderPair = tuple[bytes, bytes]


class Turns(tuple[tuple[str, list[Any]], ...]):
    """Lists of a document whose elements come in turns: a member and some of its items, then another and some of its.

    Given as the value of the first of them, in whose place all are written.
    """


@dataclass(slots=True)
class Response:
    """An answer ready to be sent. `length` is what Content-Length says, None where there is no body by nature (204)."""

    status: int
    headers: list[HeaderPair]
    body: Buffer | AsyncIterator[Buffer] = b""
    length: int | None = 0


class Serialiser:
    """Writes answers of one operation. `fast=False` leaves out the writing by columns, for comparison."""

    def __init__(self, model: OperationModel, *, fast: bool = True) -> None:
        self.model = model
        self.status = int(model.http.get("responseCode", 200))
        self._headers: dict[str, tuple[bytes, values.Writer]] = {}
        self._prefixes: dict[str, str] = {}
        self._status_member: str | None = None
        self._length_member: str | None = None
        shape = model.output_shape
        members = shape.members if shape else {}
        inner = {name: one for name, one in members.items() if not self._take(name, one)}
        payload: str | None = shape.serialization.get("payload") if shape else None
        self._payload = payload
        self._streaming = payload is not None and _is_stream(inner[payload])
        self._text = payload is not None and inner[payload].type_name == "string"
        self._document: NodeWriter | None = None
        if self._streaming or self._text or not inner:
            return
        if payload is not None:
            name = inner[payload].serialization.get("name", payload)
            self._document = _writer(inner[payload], name, fast=fast, namespace=True)
        elif model.name in quirks.BARE_TEXT:
            self._document = _bare(quirks.ROOTS[model.name], quirks.BARE_TEXT[model.name])
        else:
            assert shape is not None
            name = quirks.ROOTS.get(model.name, shape.name)
            self._document = _structure(inner, name, fast=fast, namespace=True)

    def _take(self, member: str, shape: Shape) -> bool:
        """Note how a member outside the body is written; False for one in the body."""
        told = shape.serialization
        location = told.get("location")
        if location == "header" and told["name"].lower() == "content-length":
            self._length_member = member
        elif location == "header":
            name: str = told["name"]
            self._headers[member] = name.lower().encode("ascii"), values.writer(shape, "rfc822")
        elif location == "headers":
            self._prefixes[member] = told["name"].lower()
        elif location == "statusCode":
            self._status_member = member
        return location is not None

    def serialise(self, members: Mapping[str, Any], status: int | None = None) -> Response:
        """Return the answer. Raises TypeError for a member that the operation's output has not."""
        headers: list[HeaderPair] = []
        rest: dict[str, Any] = {}
        length: int | None = None
        known = self._headers
        for member, value in members.items():
            if value is None:
                continue
            header = known.get(member)
            if header is not None:
                headers.append((header[0], header_value(header[1](value))))
            elif member in self._prefixes:
                prefix = self._prefixes[member]
                headers += [(header_name(prefix + name), header_value(text)) for name, text in value.items()]
            elif member == self._length_member:
                length = value
            elif member == self._status_member:
                status = value
            else:
                rest[member] = value
        response = Response(self.status if status is None else status, headers, length=length or 0)
        if response.status in (204, 304):
            response.length = None
        elif self._document is not None:
            self._write_document(response, rest)
        elif self._payload is not None:
            self._write_payload(response, rest.pop(self._payload, b""), length)
        if rest and self._document is None and response.length is not None:
            raise TypeError(f"{self.model.name} has no output member {', '.join(rest)}")
        return response

    def _write_document(self, response: Response, rest: Mapping[str, Any]) -> None:
        assert self._document is not None
        if self._payload is None:
            text = self._document(rest)
        elif rest.keys() <= {self._payload}:
            if not rest:
                return
            text = self._document(rest[self._payload])
        else:
            raise TypeError(f"{self.model.name} has no output member {', '.join(rest)}")
        response.body = (PROLOG + text).encode("utf-8", "surrogatepass")
        response.length = len(response.body)
        response.headers.append(XML_HEADER)

    def _write_payload(self, response: Response, body: Any, length: int | None) -> None:
        if self._text:
            kind = b"application/json" if self._payload in quirks.JSON_PAYLOADS else b"text/plain"
            response.headers.append((b"content-type", kind))
            body = body.encode("utf-8") if isinstance(body, str) else body
        response.body = body
        if isinstance(body, bytes | bytearray | memoryview):
            size = memoryview(body).nbytes
            assert length is None or length == size, "ContentLength is the length of Body"
        else:
            assert length is not None, "a Body that streams has a ContentLength"
            size = length
        response.length = size


def header_value(text: str) -> bytes:
    """A header's value on the wire: Latin-1 where it fits, else UTF-8; what would end the line becomes a blank."""
    if not text.isprintable():
        text = "".join(char if char >= " " and char != "\x7f" else " " for char in text)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def header_name(text: str) -> bytes:
    """A header's name on the wire. It came in as one, so it holds nothing that HTTP does not allow."""
    return text.encode("latin-1", "replace")


def _is_stream(shape: Shape) -> bool:
    return bool(shape.serialization.get("streaming") or shape.serialization.get("eventstream"))


def _bare(root: str, member: str) -> NodeWriter:
    def bare(given: Mapping[str, Any]) -> str:
        if not given.keys() <= {member}:
            raise TypeError(f"{root} holds {member} alone")
        return f'<{root} xmlns="{quirks.NAMESPACE}">{escape(given.get(member) or "")}</{root}>'

    return bare


def _writer(shape: Shape, name: str, *, fast: bool, namespace: bool = False) -> NodeWriter:
    """What writes a value of `shape` as element `name` (a flattened list: as many as it has items)."""
    if isinstance(shape, StructureShape):
        return _structure(shape.members, name, fast=fast, namespace=namespace, told=shape.serialization)
    if isinstance(shape, ListShape):
        return _list(shape, name, fast=fast)
    opening, closing = f"<{name}>", f"</{name}>"
    convert = values.writer(shape, "iso8601")
    if shape.type_name == "string":
        return lambda value: f"{opening}{escape(value)}{closing}"
    if shape.type_name in ("integer", "long"):
        return lambda value: f"{opening}{value}{closing}"
    return lambda value: f"{opening}{escape(convert(value))}{closing}"


def _list(shape: ListShape, name: str, *, fast: bool) -> NodeWriter:
    if not is_flattened(shape):
        item = _writer(shape.member, shape.member.serialization.get("name", "member"), fast=fast)
        return lambda value: f"<{name}>{''.join([item(one) for one in value])}</{name}>"
    item = _writer(shape.member, name, fast=fast)
    if fast and isinstance(shape.member, StructureShape):
        fields = {member: _column(member, one) for member, one in shape.member.members.items()}
        return Columns(name, fields, item)
    return lambda value: "".join([item(one) for one in value])


def _column(member: str, shape: Shape) -> tuple[str, ColumnWriter]:
    """For one member of a long list's structures: the template of its element and the writer of its column."""
    name = element_name(member, shape)
    single: dict[str, ColumnWriter] = {
        "string": columns.texts,
        "integer": columns.numbers,
        "long": columns.numbers,
        "boolean": columns.booleans,
        "timestamp": columns.moments,
    }
    if shape.type_name in single and not shape.serialization.get("timestampFormat"):
        return f"<{name}>%s</{name}>", single[shape.type_name]
    write = _writer(shape, name, fast=False)
    simple = [one for one in _leaves(shape) if one.type_name in single]
    return "%s", columns.repeated(write) if simple else lambda column: [write(value) for value in column]


def _leaves(shape: Shape) -> list[Shape]:
    """What a structure or list holds, where that is single values alone; else nothing."""
    if isinstance(shape, StructureShape):
        inner = list(shape.members.values())
    elif isinstance(shape, ListShape):
        inner = [shape.member]
    else:
        return []
    return [] if any(isinstance(one, StructureShape | ListShape) for one in inner) else inner


def _structure(
    members: Mapping[str, Shape],
    name: str,
    *,
    fast: bool,
    namespace: bool = False,
    told: Mapping[str, Any] | None = None,
) -> NodeWriter:
    fields: dict[str, NodeWriter] = {}
    attributes: dict[str, str] = {}
    for member, shape in members.items():
        if shape.serialization.get("xmlAttribute"):
            attributes[member] = shape.serialization["name"]
        else:
            fields[member] = _writer(shape, element_name(member, shape), fast=fast)
    opening = f'<{name} xmlns="{quirks.NAMESPACE}"' if namespace else f"<{name}"
    foreign = (told or {}).get("xmlNamespace", {})
    if "prefix" in foreign:
        opening += f' xmlns:{foreign["prefix"]}="{foreign["uri"]}"'
    closing = f"</{name}>"

    def plain(value: Mapping[str, Any]) -> str:
        try:
            inner = [
                fields[member](one) if type(one) is not Turns else "".join([fields[each](some) for each, some in one])
                for member, one in value.items()
                if one is not None
            ]
        except KeyError as error:
            raise TypeError(f"{name} has no member {error}") from error
        return f"{opening}>{''.join(inner)}{closing}"

    def with_attributes(value: Mapping[str, Any]) -> str:
        marks = "".join(
            f' {attributes[member]}="{escape(one)}"'
            for member, one in value.items()
            if member in attributes and one is not None
        )
        rest = {member: one for member, one in value.items() if member not in attributes}
        return f"{opening}{marks}{plain(rest)[len(opening) :]}"

    return with_attributes if attributes else plain
