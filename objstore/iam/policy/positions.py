"""Where the statements of a policy stand in its text, as IAM's policy simulator tells.

Lines count from 1. Columns are those of AWS, which stand behind a brace and are one further in the first line.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_Statement.html
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]', re.DOTALL)


class Position(NamedTuple):
    """A place in a text."""

    line: int
    column: int


class Span(NamedTuple):
    """Where a statement begins and ends."""

    start: Position
    end: Position


def statement_spans(text: str) -> list[Span]:
    """Where each statement stands, in order, in the text of a policy that has been parsed."""
    spans: list[Span] = []
    open_braces: list[str] = []
    key = last = ""
    start = 0
    for found in _TOKEN.finditer(text):
        sign = found.group()
        if sign == ":" and len(open_braces) == 1:
            key = last
        elif sign in "{[":
            open_braces.append(sign)
            if sign == "{" and key == '"Statement"' and open_braces in (["{", "{"], ["{", "[", "{"]):
                start = found.start()
        elif sign in "}]":
            if sign == "}" and key == '"Statement"' and open_braces in (["{", "{"], ["{", "[", "{"]):
                spans.append(Span(_position(text, start), _position(text, found.start())))
            open_braces.pop()
        last = sign
    return spans


def _position(text: str, at: int) -> Position:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return Position(line, column + 1 if line == 1 else column)
