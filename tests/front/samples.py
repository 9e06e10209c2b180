"""For every operation of a service model a small input that it takes: what is required, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

_NUMBERS = {"integer": 1, "long": 1, "float": 1.0, "double": 1.0}


def smallest(model: OperationModel, known: dict[str, Any]) -> dict[str, Any]:
    """The required members of an operation's input and its document; `known` are values by the name of the member."""
    shape = model.input_shape
    return {} if shape is None else _structure(shape, known)


def _structure(shape: StructureShape, known: dict[str, Any]) -> dict[str, Any]:
    return {name: known[name] if name in known else _value(shape.members[name], known) for name in _names(shape)}


def _names(shape: StructureShape) -> list[str]:
    if shape.is_tagged_union:
        return list(shape.members)[:1]
    payload = shape.serialization.get("payload")
    document = payload is not None and not shape.members[payload].serialization.get("streaming")
    return list(dict.fromkeys([*shape.required_members, *([payload] if document else [])]))


def _value(shape: Shape, known: dict[str, Any]) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, known)
    if isinstance(shape, ListShape):
        return [_value(shape.member, known)]
    if isinstance(shape, MapShape):
        return {}
    kind = shape.type_name
    if kind == "string":
        if "enum" in shape.metadata:
            return shape.metadata["enum"][0]
        return "a" * max(1, int(shape.metadata.get("min", 1)))
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return datetime(2030, 1, 1, tzinfo=UTC)
    if kind == "blob":
        return b"x"
    return _NUMBERS[kind]
