"""The head of a request in an input: a line with method and target, lines of headers, an empty line, the body.

What no HTTP server would hand over (a header's name that is none, a control character) is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*\Z")
METHODS = (b"GET", b"PUT", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH")


@dataclass(frozen=True)
class Head:
    """`word` is what stood before the method."""

    word: bytes
    scope: dict[str, Any]
    body: bytes


def read(data: bytes) -> Head | None:
    """The request of an input; None where there is none."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    words = first.split(b" ")
    if len(words) != 3 or words[1] not in METHODS or not _TARGET.match(words[2]):
        return None
    path, _, query = words[2].partition(b"?")
    pairs = (line.partition(b":")[::2] for line in lines)
    headers = [
        (name.lower(), value.strip(b" \t")) for name, value in pairs if _NAME.match(name) and _VALUE.match(value)
    ]
    scope = {
        "type": "http",
        "method": words[1].decode(),
        "scheme": "http",
        "path": path.decode(),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "client": ("127.0.0.1", 4711),
    }
    return Head(words[0], scope, body)


def write(word: str, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The input that stands for a request."""
    lines = [f"{word} {method} {target}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join(lines).encode("latin-1") + b"\n\n" + body
