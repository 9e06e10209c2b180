"""Single values as they stand in headers, parameters and documents: text to Python and back, by the model's types.

A reader raises ValueError for text that is no value of its type; whoever reads knows which of AWS's errors that makes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from botocore.model import Shape

from objstore.aws import timestamps

Reader = Callable[[str], Any]
Writer = Callable[[Any], str]

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
_BITS: Final = {"integer": 31, "long": 63}


def reader(shape: Shape, *, checked: bool = True) -> Reader | None:
    """What turns text into a value of `shape`; None where the text is the value. `checked` minds enumerations."""
    kind = shape.type_name
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if kind in _BITS:
        bound = 1 << _BITS[kind]
        return partial(_integer, -bound if least is None else int(least), bound - 1 if most is None else int(most))
    if kind == "boolean":
        return _boolean
    if kind == "timestamp":
        return timestamps.parse
    if kind == "blob":
        return _blob
    if kind == "string":
        allowed = frozenset(shape.metadata.get("enum") or ()) if checked else frozenset[str]()
        if allowed:
            return partial(_one_of, allowed)
        if least or most is not None:
            return partial(_text, int(least or 0), int(most if most is not None else 1 << 30))
        return None
    raise TypeError(f"{shape.name} is {kind}, not a single value")


def writer(shape: Shape, timestamp_format: str) -> Writer:
    """What turns a value of `shape` into text; `timestamp_format` holds where the model names none.

    A timestamp that is text already goes out as it is.
    """
    kind = shape.type_name
    if kind in ("string", "integer", "long"):
        return str
    if kind == "boolean":
        return _write_boolean
    if kind == "timestamp":
        chosen = shape.serialization.get("timestampFormat", timestamp_format)
        return partial(_write_moment, timestamps.iso8601 if chosen == "iso8601" else timestamps.rfc822)
    if kind == "blob":
        return _write_blob
    raise TypeError(f"{shape.name} is {kind}, not a single value")


def _integer(least: int, most: int, text: str) -> int:
    text = text.strip()
    if not _INTEGER.match(text):
        raise ValueError("not an integer")
    value = int(text)
    if not least <= value <= most:
        raise ValueError(f"not between {least} and {most}")
    return value


def _boolean(text: str) -> bool:
    lower = text.strip().lower()
    if lower not in ("true", "false"):
        raise ValueError("neither true nor false")
    return lower == "true"


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def _one_of(allowed: frozenset[str], text: str) -> str:
    if text not in allowed:
        raise ValueError(f"not one of {', '.join(sorted(allowed))}")
    return text


def _text(least: int, most: int, text: str) -> str:
    if not least <= len(text) <= most:
        raise ValueError(f"length not between {least} and {most}")
    return text


def _write_boolean(value: bool) -> str:
    return "true" if value else "false"


def _write_moment(form: Callable[[datetime], str], value: datetime | str) -> str:
    return value if isinstance(value, str) else form(value)


def _write_blob(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
