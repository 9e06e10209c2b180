"""A request of every operation, as botocore writes it, with one of everything that the model knows in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import botocore.serialize
from botocore.model import ListShape, MapShape, Shape, StructureShape

from objstore.aws.service import operation_model

_MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
_REST = botocore.serialize.create_serializer("rest-xml", include_validation=False)
_QUERY = botocore.serialize.create_serializer("query", include_validation=False)


def members(name: str, service: str = "s3") -> dict[str, Any]:
    """The input of an operation."""
    shape = operation_model(name, service).input_shape
    return {} if shape is None else {member: _value(inner) for member, inner in shape.members.items()}


def serialised(name: str, service: str = "s3", **changes: Any) -> dict[str, Any]:
    """The request as botocore hands it to its HTTP client: `method`, `url_path`, `query_string`, `headers`, `body`.

    A member that is changed to None is left out.
    """
    given = {member: value for member, value in (members(name, service) | changes).items() if value is not None}
    serialiser = _REST if service == "s3" else _QUERY
    made: dict[str, Any] = serialiser.serialize_to_request(given, operation_model(name, service))
    return made


def _value(shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _value(inner) for name, inner in shape.members.items()}
    if isinstance(shape, ListShape):
        return [_value(shape.member)]
    if isinstance(shape, MapShape):
        return {"name": _value(shape.value)}
    allowed = shape.metadata.get("enum")
    match shape.type_name:
        case "timestamp":
            return _MOMENT
        case "integer" | "long":
            return max(1, int(shape.metadata.get("min", 1)))
        case "boolean":
            return True
        case "blob":
            return b"blob"
    return allowed[0] if allowed else "text"
