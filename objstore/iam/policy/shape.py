"""A policy as it is written: JSON read within bounds, its elements found, single values made lists.

What an element says is looked at elsewhere; here it is that there are no others, none twice, and each of the right
type.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, NoReturn

from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.types import Kind

MODERN: Final = "2012-10-17"
LEGACY: Final = "2008-10-17"
LONGEST: Final = 131_072
"""Characters that are looked at, at most; callers have limits of their own, which are lower."""

_TOP: Final = ("Version", "Id", "Statement")
_STATEMENT: Final = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
_EITHER: Final = (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource"))

Fail = Callable[..., NoReturn]


@dataclass(frozen=True, slots=True)
class Written:
    """One statement as it is written. A list is None where its element is missing; `principal` is raw JSON."""

    number: int
    sid: str | None
    effect: str
    principal: Any
    not_principal: bool
    actions: tuple[str, ...] | None
    not_action: bool
    resources: tuple[str, ...] | None
    not_resource: bool
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def allows(self) -> bool:
        return self.effect == "Allow"


@dataclass(frozen=True, slots=True)
class Document:
    """A policy as it is written; `text` is canonical."""

    version: str
    statements: tuple[Written, ...]
    text: str


def read(text: str, kind: Kind) -> Document:
    """Read a policy. Raises MalformedPolicy."""

    def fail(fault: Fault, *named: str) -> NoReturn:
        raise MalformedPolicy(kind, fault, *named)

    document = _load(text, fail)
    _only(document, _TOP, fail)
    version = document.get("Version", LEGACY)
    if version not in (MODERN, LEGACY):
        fail(Fault.VERSION)
    if not isinstance(document.get("Id", ""), str):
        fail(Fault.SYNTAX)
    statements = document.get("Statement")
    if statements is None:
        fail(Fault.NO_STATEMENT)
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list):
        fail(Fault.SYNTAX)
    if not statements:
        fail(Fault.EMPTY)
    written = tuple(_statement(number, one, fail) for number, one in enumerate(statements, 1))
    return Document(version, written, _canonical(document, statements))


def _load(text: str, fail: Fail) -> dict[str, Any]:
    if not text.startswith("{"):
        fail(Fault.FIRST_BYTE)
    if len(text) > LONGEST:
        fail(Fault.JSON)

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            fail(Fault.JSON)
        return found

    def constant(name: str) -> NoReturn:
        fail(Fault.JSON)

    def finite(text: str) -> float:
        number = float(text)
        if not isfinite(number):
            fail(Fault.JSON)
        return number

    try:
        document = json.loads(text, object_pairs_hook=members, parse_constant=constant, parse_float=finite)
        text.encode()
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        fail(Fault.JSON)
    if not isinstance(document, dict):
        fail(Fault.JSON)
    return document


def _only(found: Mapping[str, Any], known: tuple[str, ...], fail: Fail) -> None:
    for name in found:
        if name not in known:
            fail(Fault.UNKNOWN_FIELD, name)


def _statement(number: int, found: Any, fail: Fail) -> Written:
    if not isinstance(found, dict):
        fail(Fault.SYNTAX)
    _only(found, _STATEMENT, fail)
    for one, other in _EITHER:
        if one in found and other in found:
            fail(Fault.SYNTAX)
    sid = found.get("Sid")
    if "Sid" in found and not isinstance(sid, str):
        fail(Fault.SYNTAX)
    return Written(
        number=number,
        sid=sid or None,
        effect=_effect(found, fail),
        principal=found.get("Principal", found.get("NotPrincipal")),
        not_principal="NotPrincipal" in found,
        actions=_texts(found, "Action", fail),
        not_action="NotAction" in found,
        resources=_texts(found, "Resource", fail),
        not_resource="NotResource" in found,
        conditions=tuple(_conditions(found.get("Condition", {}), fail)),
    )


def _effect(found: Mapping[str, Any], fail: Fail) -> str:
    if "Effect" not in found:
        fail(Fault.NO_EFFECT)
    effect = found["Effect"]
    if effect not in ("Allow", "Deny"):
        near = isinstance(effect, str) and effect.lower() in ("allow", "deny")
        fail(Fault.EFFECT_CASE if near else Fault.EFFECT, str(effect))
    return str(effect)


def _texts(found: Mapping[str, Any], name: str, fail: Fail) -> tuple[str, ...] | None:
    value = found.get(name, found.get(f"Not{name}"))
    if name not in found and f"Not{name}" not in found:
        return None
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        fail(Fault.SYNTAX)
    return tuple(values)


def _conditions(found: Any, fail: Fail) -> list[tuple[str, str, tuple[str, ...]]]:
    if not isinstance(found, dict):
        fail(Fault.SYNTAX)
    result = []
    for operator, keys in found.items():
        if not isinstance(keys, dict):
            fail(Fault.SYNTAX)
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            result.append((operator, key, tuple(_scalar(one, fail) for one in values)))
    return result


def _scalar(value: Any, fail: Fail) -> str:
    """A value of a condition: numbers and booleans may stand without quotes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    fail(Fault.SYNTAX)


def _canonical(document: Mapping[str, Any], statements: list[dict[str, Any]]) -> str:
    """Compact, elements in the order of AWS's grammar, Statement always a list."""
    ordered = {name: document[name] for name in _TOP if name in document}
    ordered["Statement"] = [{name: one[name] for name in _STATEMENT if name in one} for one in statements]
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
