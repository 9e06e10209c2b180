"""Texts with wildcards: `*` for any characters, `?` for exactly one, as policies have them.

A pattern is a tuple of tokens, so that a value put in for a variable is a literal whatever it contains. Matching takes
time proportional to pattern times text at worst: each piece between two `*` is found at its first place and never
looked for again.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from typing import Final

_WILDCARDS = re.compile(r"([*?])")
_ARN_FIELDS: Final = 6


class Wild(Enum):
    """A wildcard."""

    ANY = "*"
    ONE = "?"


Token = str | Wild
Tokens = tuple[Token, ...]
Matcher = Callable[[str], bool]


def tokens(text: str) -> Tokens:
    """A text with wildcards as tokens."""
    return joined(Wild(piece) if piece in ("*", "?") else piece for piece in _WILDCARDS.split(text))


def joined(given: Iterable[Token]) -> Tokens:
    """The same pattern with neighbouring literals joined, empty ones left out, and runs of `*` made one."""
    result: list[Token] = []
    for token in given:
        if isinstance(token, str):
            if not token:
                continue
            if result and isinstance(result[-1], str):
                result[-1] += token
                continue
        elif token is Wild.ANY and result and result[-1] is Wild.ANY:
            continue
        result.append(token)
    return tuple(result)


@lru_cache(maxsize=4096)
def matcher(pattern: Tokens) -> Matcher:
    """What tells whether a whole text matches a joined pattern."""
    if Wild.ONE not in pattern:
        match pattern:
            case ():
                return lambda text: not text
            case (Wild.ANY,):
                return lambda text: True
            case (str(literal),):
                return lambda text: text == literal
            case (str(prefix), Wild.ANY):
                return lambda text: text.startswith(prefix)
            case (Wild.ANY, str(suffix)):
                return lambda text: text.endswith(suffix)
    compiled = _regex(pattern).fullmatch
    return lambda text: compiled(text) is not None


def _regex(pattern: Tokens) -> re.Pattern[str]:
    """Pieces in atomic groups: the first place where a piece is found is kept, so nothing is tried twice."""
    pieces: list[list[str]] = [[]]
    for token in pattern:
        if token is Wild.ANY:
            pieces.append([])
        else:
            pieces[-1].append("." if token is Wild.ONE else re.escape(str(token)))
    first, *middle = ("".join(piece) for piece in pieces)
    if not middle:
        return re.compile(first, re.DOTALL)
    *inner, last = middle
    found = "".join(f"(?>.*?{piece})" for piece in inner)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)


@lru_cache(maxsize=4096)
def arn_matcher(pattern: Tokens) -> Matcher:
    """What tells whether an ARN matches a pattern, field by field: a `*` reaches no further than the next colon, except
    in the last field. A lone `*` matches every ARN.
    """
    if pattern == (Wild.ANY,):
        return matcher(pattern)
    fields = _fields(pattern)
    if len(fields) < _ARN_FIELDS:
        return lambda text: False
    if all(isinstance(token, str) for field in fields[:-1] for token in field):
        return matcher(pattern)
    matchers = [matcher(field) for field in fields]

    def matches(text: str) -> bool:
        given = text.split(":", _ARN_FIELDS - 1)
        return len(given) == _ARN_FIELDS and all(match(field) for match, field in zip(matchers, given, strict=True))

    return matches


def _fields(pattern: Tokens) -> list[Tokens]:
    fields: list[list[Token]] = [[]]
    for token in pattern:
        if isinstance(token, Wild):
            fields[-1].append(token)
            continue
        head, *rest = token.split(":", _ARN_FIELDS - len(fields))
        fields[-1].append(head)
        fields += [[piece] for piece in rest]
    return [joined(field) for field in fields]
