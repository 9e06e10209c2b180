"""From a request to the members of its operation's input: compiled once for each operation from AWS's model.

In two steps, because the body may not be asked for before the caller is known to be allowed: `head` reads address,
parameters and headers, `document` a body that is a document. Each member is found by its name on the wire, so the
work follows the request's size and not the model's.
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, OperationModel, Shape

from objstore.aws import documents, quirks, values, xmlbody
from objstore.aws.errors import AwsError
from objstore.aws.http import Request
from objstore.aws.operation import Members
from objstore.aws.xmlbody import Malformed, malformed


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one header or parameter becomes a member."""

    member: str
    name: str  # as AWS writes it
    read: values.Reader | None
    lenient: bool
    in_header: bool

    def value(self, text: str) -> Any:
        """The value; None for what counts as not sent. Raises AwsError."""
        if self.read is None:
            return text
        if not text:
            return None
        try:
            return self.read(text)
        except ValueError as error:
            if self.lenient:
                return None
            code, message = quirks.VALUE_ERRORS.get(
                self.member, ("InvalidArgument", f"The value of {self.name} is {error}")
            )
            raise AwsError(code, message, ArgumentName=self.name, ArgumentValue=text) from None


class Parser:
    """Reads requests of one operation.

    `streams` says that the body goes to the handler as it comes, `documented` that it is read before, as a document.
    """

    def __init__(self, model: OperationModel) -> None:
        self.model = model
        self._headers: dict[str, _Rule] = {}
        self._query: dict[str, _Rule] = {}
        self._prefix: tuple[str, str] | None = None  # of headers like x-amz-meta-, and the member that takes them
        self._uri: list[str] = []
        members = model.input_shape.members if model.input_shape else {}
        inner = {name: shape for name, shape in members.items() if not self._take(name, shape)}
        required = model.input_shape.required_members if model.input_shape else ()
        self._required = frozenset(required) - inner.keys()
        payload = model.input_shape.serialization.get("payload") if model.input_shape else None
        self._payload: str | None = payload
        self.streams = payload is not None and bool(inner[payload].serialization.get("streaming"))
        self.documented = bool(inner) and not self.streams
        self._is_text = payload is not None and inner[payload].type_name == "string"
        if self.documented and not self._is_text:
            shape = inner[payload] if payload is not None else model.input_shape
            assert shape is not None
            self._root = shape.serialization.get("name", shape.name)
            self._document = documents.compile_shape(shape)

    def _take(self, member: str, shape: Shape) -> bool:
        """Note how a member outside the body is read; False for one in the body."""
        told = shape.serialization
        location = told.get("location")
        if location == "uri":
            self._uri.append(member)
        elif location == "headers":
            self._prefix = told["name"].lower(), member
        elif location == "header":
            self._headers[told["name"].lower()] = _rule(member, shape, in_header=True)
        elif location == "querystring":
            self._query[told["name"]] = _rule(member, shape, in_header=False)
        return location is not None

    def head(self, request: Request) -> Members:
        """The members in address, parameters and headers. Raises InvalidArgument, InvalidRequest and the like."""
        members: Members = {}
        if request.bucket is not None:
            members["Bucket"] = request.bucket
            if request.key is not None:
                members["Key"] = request.key
        for name, text in request.query:
            rule = self._query.get(name)
            if rule is None and name == "versionId" and request.key is not None:
                raise AwsError(
                    "InvalidArgument",
                    "This operation does not accept a version-id.",
                    ArgumentName=name,
                    ArgumentValue=text,
                )
            if rule is not None and rule.member not in members:
                value = rule.value(text)
                if value is not None:
                    members[rule.member] = value
        rules = self._headers
        for name, text in request.headers.items():
            rule = rules.get(name)
            if rule is not None:
                value = rule.value(text)
                if value is not None:
                    members[rule.member] = value
        if self._prefix is not None:
            prefix, member = self._prefix
            found = {name[len(prefix) :]: text for name, text in request.headers.items() if name.startswith(prefix)}
            if found:
                members[member] = found
        if not members.keys() >= self._required:
            raise self._missing(members)
        return members

    def document(self, data: bytes) -> Members:
        """The members in a document. Raises MalformedXML, and MissingRequestBodyError for an empty one that matters."""
        if not data:
            if self.model.name in quirks.OPTIONAL_DOCUMENTS:
                return {}
            raise AwsError("MissingRequestBodyError")
        if self._is_text:
            assert self._payload is not None
            try:
                return {self._payload: data.decode("utf-8")}
            except UnicodeDecodeError:
                raise AwsError("InvalidRequest", "The body is not UTF-8.") from None
        code = quirks.DOCUMENT_ERRORS.get(self.model.name, "MalformedXML")
        try:
            root, node = xmlbody.parse(data)
        except AwsError as error:
            raise AwsError(code, error.message) from None
        if root != self._root:
            raise malformed(f"the root element is {root[:100]}, not {self._root}", code)
        try:
            value = self._document(node)
        except Malformed as error:
            raise malformed(str(error), code) from None
        return {self._payload: value} if self._payload is not None else value

    def unsupported(self, members: Members, supported: frozenset[str]) -> AwsError | None:
        """NotImplemented for the first member that is not supported, by its name on the wire; None when all are."""
        for member in members.keys() - supported:
            if members[member] in ("", [], {}):
                continue
            for rule in self._headers.values():
                if rule.member == member:
                    return AwsError(
                        "NotImplemented",
                        f"A header you provided implies functionality that is not implemented: {rule.name}",
                        Header=rule.name,
                    )
            name = next((rule.name for rule in self._query.values() if rule.member == member), member)
            return AwsError(
                "NotImplemented",
                f"A parameter you provided implies functionality that is not implemented: {name}",
                Parameter=name,
            )
        return None

    def _missing(self, members: Mapping[str, Any]) -> AwsError:
        member = min(self._required - members.keys())
        for rule in (*self._headers.values(), *self._query.values()):
            if rule.member == member:
                kind = "header" if rule.in_header else "parameter"
                return AwsError("InvalidRequest", f"Missing required {kind} for this request: {rule.name}")
        return AwsError("InvalidRequest", f"{member} is missing in this request")


def _rule(member: str, shape: Shape, *, in_header: bool) -> _Rule:
    checked = member not in quirks.UNCHECKED_ENUMS
    if member in quirks.TEXT_TIMESTAMPS:
        read: values.Reader | None = None
    elif isinstance(shape, ListShape):
        read = _comma_list(values.reader(shape.member, checked=checked))
    else:
        read = values.reader(shape, checked=checked)
    return _Rule(member, shape.serialization["name"], read, member in quirks.LENIENT_TIMESTAMPS, in_header)


def _comma_list(read: values.Reader | None) -> values.Reader:
    def items(text: str) -> list[Any]:
        parts = [part.strip() for part in text.split(",")]
        return [read(part) if read else part for part in parts if part]

    return items
