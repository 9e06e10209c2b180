"""Values for any shape of AWS's model, made by hypothesis; and the model's operations as the tests go through them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from hypothesis import strategies as st

from objstore.aws import quirks
from objstore.aws.service import operation_model, service

OPERATIONS = sorted(set(service().operation_names) - quirks.UNROUTED)

# What HTTP carries in a header, with nothing at the ends that would be cut off.
HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
TOKEN = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
# Botocore does not escape carriage returns, so clients cannot send them in documents.
SENT_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
ANY_TEXT = SENT_TEXT | st.text("ab &<>\"'\r\n\t]]>", max_size=10)
SECONDS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))
MILLISECONDS = st.builds(lambda t, ms: t + timedelta(milliseconds=ms), SECONDS, st.integers(0, 999))


def values(shape: Shape, *, text: Any = ANY_TEXT, moments: Any = MILLISECONDS) -> st.SearchStrategy[Any]:
    """Values of a shape as they stand in a document."""
    if isinstance(shape, StructureShape):
        return structures(shape, list(shape.members), text=text, moments=moments)
    if isinstance(shape, ListShape):
        flattened = shape.serialization.get("flattened")
        inner = values(shape.member, text=text, moments=moments)
        return st.lists(inner, min_size=1 if flattened else 0, max_size=3)
    return single(shape, text, moments)


def structures(shape: StructureShape, names: list[str], **options: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Structures with the required members and some of the others."""
    made = {name: in_place(shape.members[name], **options) for name in names}
    required = {name: one for name, one in made.items() if name in shape.required_members}
    optional = {name: one for name, one in made.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)


def in_place(shape: Shape, **options: Any) -> st.SearchStrategy[Any]:
    """Values of a shape where the model puts it: in a header or parameter less is possible than in a document."""
    location = shape.serialization.get("location")
    if location is None and not shape.serialization.get("xmlAttribute"):
        return values(shape, **options)
    if isinstance(shape, MapShape):
        return st.dictionaries(TOKEN, HEADER_TEXT, min_size=1, max_size=3)
    if isinstance(shape, ListShape):
        return st.lists(single(shape.member, TOKEN, SECONDS), min_size=1, max_size=3)
    return single(shape, HEADER_TEXT, SECONDS)


def single(shape: Shape, text: Any, moments: Any) -> st.SearchStrategy[Any]:
    """Values of a shape that holds no other."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string":
        if "enum" in shape.metadata:
            return st.sampled_from(shape.metadata["enum"])
        if low or high:
            return st.text("abc", min_size=low or 0, max_size=min(high or 30, max(30, low or 0)))
        return text
    if shape.type_name in ("integer", "long"):
        return st.integers(low if low is not None else 0, high if high is not None else (1 << 31) - 1)
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name == "timestamp":
        return moments
    if shape.type_name == "blob":
        return st.binary(max_size=10)
    raise TypeError(shape.type_name)


def inputs(model: OperationModel) -> st.SearchStrategy[dict[str, Any]]:
    """What a client may pass to an operation, without a body that streams."""
    shape = model.input_shape
    if shape is None:
        return st.just({})
    streams = [name for name, one in shape.members.items() if one.serialization.get("streaming")]
    names = [name for name in shape.members if name not in streams and name not in ("Bucket", "Key")]
    given = structures(shape, names, text=SENT_TEXT, moments=SECONDS).filter(
        lambda members: members.get("Policy") != ""
    )
    address = {
        name: "bucket" if name == "Bucket" else "a/key +%" for name in ("Bucket", "Key") if name in shape.members
    }
    return given.map(lambda members: address | members)


def outputs(model: OperationModel) -> st.SearchStrategy[dict[str, Any]]:
    """What a handler may answer, without a body that streams."""
    shape = model.output_shape
    if shape is None:
        return st.just({})
    names = [
        name
        for name, one in shape.members.items()
        if not one.serialization.get("streaming") and not one.serialization.get("eventstream")
    ]
    payload = shape.serialization.get("payload")
    if payload is not None and payload not in names:
        names = [name for name in names if name != "ContentLength"]  # it would have to be that of the stream
        payload = None
    made = structures(shape, names, text=ANY_TEXT, moments=MILLISECONDS)
    if payload is None:
        return made
    document = values(shape.members[payload]).filter(bool)
    return st.builds(lambda members, value: members | {payload: value}, made, document)


__all__ = ["OPERATIONS", "inputs", "operation_model", "outputs", "values"]
