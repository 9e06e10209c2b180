"""Policy variables: `${aws:username}`, with a default `${aws:PrincipalTag/team, 'none'}`, and the escapes `${*}`,
`${?}` and `${$}`.

A variable stands for the one value of a condition key, as a literal: a `*` in a value matches a `*` and nothing else,
and a `${` in it is no variable. A key without a value, or with several, and no default leaves the text without meaning:
nothing matches it. A variable inside a variable is refused; a `${` that is never closed is just two characters.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from objstore.iam.policy.patterns import Tokens, joined, tokens
from objstore.iam.policy.types import Values

Lookup = Callable[[str], Values | None]
"""The value of a condition key by its lower-case name."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9_./\-]+:[^'\"{}]+")
_DEFAULT = re.compile(r"'([^']*)'")
_ESCAPES = ("*", "?", "$")


class InvalidVariable(ValueError):
    """A variable inside a variable, or one whose name is no condition key; the message is the variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """The key that is put in, in lower case, and what stands for it where it has no value."""

    name: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """A text with variables: pieces of a pattern, and variables between them. Whatever they stand for, what it matches
    starts with `beginning`."""

    pieces: tuple[Tokens | Variable, ...]
    beginning: str = ""

    def expand(self, lookup: Lookup) -> Tokens | None:
        """The pattern for one request; None when a variable has no single value and no default."""
        result: Tokens = ()
        for piece in self.pieces:
            if isinstance(piece, tuple):
                result += piece
                continue
            values = lookup(piece.name)
            value = values[0] if values and len(values) == 1 else piece.default
            if value is None:
                return None
            result += (value,)
        return joined(result)


def compile_text(text: str, *, variables: bool, wildcards: bool) -> Tokens | Template:
    """A text of a policy as a pattern, or as a template where it has variables.

    Without `wildcards`, `*` and `?` are literals; without `variables` (policies of version 2008-10-17), `${` is. Raises
    InvalidVariable.
    """
    split = tokens if wildcards else _literal
    if not variables or "${" not in text:
        return joined(split(text))
    pieces: list[Tokens | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        pieces.append(split(text[at : found.start()]))
        inner = found.group(1)
        pieces.append((inner,) if inner in _ESCAPES else _variable(inner))
        at = found.end()
    pieces.append(split(text[at:]))
    if any(isinstance(piece, Variable) for piece in pieces):
        return Template(tuple(pieces), _beginning(pieces[0]))
    return joined(token for piece in pieces if isinstance(piece, tuple) for token in piece)


def _beginning(piece: Tokens | Variable) -> str:
    return piece[0] if isinstance(piece, tuple) and piece and isinstance(piece[0], str) else ""


def names_in(text: str) -> list[str]:
    """The keys that a text's variables name, as it spells them."""
    inner = (found.group(1) for found in _VARIABLE.finditer(text))
    return [one.partition(",")[0].strip() for one in inner if one not in _ESCAPES]


def _literal(text: str) -> Tokens:
    return (text,)


def _variable(inner: str) -> Variable:
    name, comma, rest = inner.partition(",")
    default = _DEFAULT.fullmatch(rest.strip()) if comma else None
    if not _NAME.fullmatch(name.strip()) or (comma and default is None):
        raise InvalidVariable("${" + inner + "}")
    return Variable(name.strip().lower(), default.group(1) if default else None)
