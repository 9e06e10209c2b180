"""The answer: from the members of an operation's output to its XML document, by writers compiled from the model.

<CreateUserResponse xmlns="..."><CreateUserResult><User>...</User></CreateUserResult>
<ResponseMetadata><RequestId>...</RequestId></ResponseMetadata></CreateUserResponse>
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from objstore.aws import values
from objstore.aws.serialising import PROLOG, HeaderPair, Response
from objstore.aws.xmltext import escape_plain

XML: Final[HeaderPair] = (b"content-type", b"text/xml")

Writer = Callable[[Any], str]


def compile_output(model: OperationModel) -> Callable[[Mapping[str, Any], str], Response]:
    """What writes the answer of one operation, given the output's members and the request's id.

    Raises TypeError for a member that the output has not.
    """
    namespace = model.service_model.metadata["xmlNamespace"]
    shape = model.output_shape
    wrapper = shape.serialization.get("resultWrapper", f"{model.name}Result") if shape is not None else ""
    write = _structure(shape, wrapper) if shape is not None else None
    opening = f'{PROLOG}<{model.name}Response xmlns="{namespace}">'

    def answer(members: Mapping[str, Any], request_id: str) -> Response:
        if write is None and members:
            raise TypeError(f"{model.name} has no output")
        result = write(members) if write is not None else ""
        body = (
            f"{opening}{result}<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            f"</{model.name}Response>"
        ).encode()
        return Response(200, [XML], body, len(body))

    return answer


def _compile(shape: Shape, name: str) -> Writer:
    if isinstance(shape, StructureShape):
        return _structure(shape, name)
    if isinstance(shape, ListShape):
        return _list(shape, name)
    if isinstance(shape, MapShape):
        return _map(shape, name)
    write = values.writer(shape, "iso8601")
    return lambda value: f"<{name}>{escape_plain(write(value))}</{name}>"


def _structure(shape: StructureShape, name: str) -> Writer:
    fields = {
        member: _compile(inner, inner.serialization.get("name", member)) for member, inner in shape.members.items()
    }

    def structure(value: Mapping[str, Any]) -> str:
        try:
            inner = [fields[member](one) for member, one in value.items() if one is not None]
        except KeyError as error:
            raise TypeError(f"{name} has no member {error}") from error
        return f"<{name}>{''.join(inner)}</{name}>"

    return structure


def _list(shape: ListShape, name: str) -> Writer:
    write = _compile(shape.member, shape.member.serialization.get("name", "member"))
    return lambda value: f"<{name}>{''.join([write(one) for one in value])}</{name}>"


def _map(shape: MapShape, name: str) -> Writer:
    key = _compile(shape.key, shape.key.serialization.get("name", "key"))
    inner = _compile(shape.value, shape.value.serialization.get("name", "value"))

    def entries(value: Mapping[str, Any]) -> str:
        written = [f"<entry>{key(one)}{inner(other)}</entry>" for one, other in value.items()]
        return f"<{name}>{''.join(written)}</{name}>"

    return entries
