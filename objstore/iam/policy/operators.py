"""Condition operators: how the values of a policy are compared with one value of the request.

Each family turns the values of a policy into one test, once: whether a value of the request is equal to any of them, or
on the right side of any of them. Negation, `IfExists` and the set operators are the same for all, and are in
`conditions`. A value of the request that is no number, date or address equals nothing.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from objstore.iam.policy.patterns import Matcher, Tokens, arn_matcher, matcher
from objstore.iam.policy.variables import Lookup, Template, compile_text

Test = Callable[[str, Lookup], bool]
"""Whether one value of the request fits any value of the policy."""
Family = Callable[[Sequence[str], bool], Test]
"""Compiles a policy's values; the flag says whether the policy's version has variables. Raises InvalidValue."""

_BOOLEANS: Final = {"true": True, "false": False}
_MAX_EPOCH: Final = 2**63


class InvalidValue(ValueError):
    """A policy's value that the operator cannot compare with; the message is the value."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: its name as AWS writes it, its family, and whether it is the negation of the family's test."""

    name: str
    family: Family
    negated: bool = False


def _strings(values: Sequence[str], variables: bool) -> Test:
    compiled = [compile_text(value, variables=variables, wildcards=False) for value in values]
    if any(isinstance(value, Template) for value in compiled):
        return _any_matches(compiled, matcher)
    wanted = frozenset("".join(map(str, value)) for value in compiled if isinstance(value, tuple))
    return lambda value, lookup: value in wanted


def _strings_in_any_case(values: Sequence[str], variables: bool) -> Test:
    compiled = [compile_text(value, variables=variables, wildcards=False) for value in values]
    return _any_matches(compiled, _matcher_in_any_case)


def _matcher_in_any_case(pattern: Tokens) -> Matcher:
    wanted = "".join(map(str, pattern)).lower()
    return lambda value: value.lower() == wanted


def _like(values: Sequence[str], variables: bool) -> Test:
    return _any_matches([compile_text(value, variables=variables, wildcards=True) for value in values], matcher)


def _arns(values: Sequence[str], variables: bool) -> Test:
    return _any_matches([compile_text(value, variables=variables, wildcards=True) for value in values], arn_matcher)


def _any_matches(compiled: Sequence[Tokens | Template], matching: Callable[[Tokens], Matcher]) -> Test:
    fixed = [matching(pattern) for pattern in compiled if isinstance(pattern, tuple)]
    templates = [template for template in compiled if isinstance(template, Template)]

    def test(value: str, lookup: Lookup) -> bool:
        for match in fixed:
            if match(value):
                return True
        for template in templates:
            pattern = template.expand(lookup)
            if pattern is not None and matching(pattern)(value):
                return True
        return False

    return test


def _compared(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Family:
    """Values of some type, compared in an order."""

    def compile_values(values: Sequence[str], variables: bool) -> Test:
        wanted = [_required(read, value) for value in values]

        def test(value: str, lookup: Lookup) -> bool:
            given = read(value)
            return given is not None and any(compare(given, one) for one in wanted)

        return test

    return compile_values


def _required(read: Callable[[str], Any], value: str) -> Any:
    found = read(value)
    if found is None:
        raise InvalidValue(value)
    return found


def number(text: str) -> Decimal | None:
    """A decimal number; None for what is none, or not finite."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


@lru_cache(maxsize=1024)
def moment(text: str) -> Decimal | None:
    """A time as seconds since 1970: ISO 8601, or the seconds themselves; None for what is none."""
    seconds = number(text)
    if seconds is not None:
        return seconds if -_MAX_EPOCH <= seconds < _MAX_EPOCH else None
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        return Decimal(str(aware.timestamp()))
    except (OverflowError, ValueError):
        return None


def boolean(text: str) -> bool | None:
    """True or false, in any case; None for anything else."""
    return _BOOLEANS.get(text.lower())


def binary(text: str) -> bytes | None:
    """Base 64; None for what is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _addresses(values: Sequence[str], variables: bool) -> Test:
    try:
        networks = [ip_network(value, strict=False) for value in values]
    except ValueError:
        raise InvalidValue(", ".join(values)) from None

    @lru_cache(maxsize=256)
    def inside(value: str) -> bool:
        given = address(value)
        return given is not None and any(given in network for network in networks)

    return lambda value, lookup: inside(value)


@lru_cache(maxsize=4096)
def address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address, one mapped into IPv6 as what it is; None for what is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


_EQUAL: Final = operator.eq
_ALL: Final = (
    Operator("StringEquals", _strings),
    Operator("StringNotEquals", _strings, True),
    Operator("StringEqualsIgnoreCase", _strings_in_any_case),
    Operator("StringNotEqualsIgnoreCase", _strings_in_any_case, True),
    Operator("StringLike", _like),
    Operator("StringNotLike", _like, True),
    Operator("NumericEquals", _compared(number, _EQUAL)),
    Operator("NumericNotEquals", _compared(number, _EQUAL), True),
    Operator("NumericLessThan", _compared(number, operator.lt)),
    Operator("NumericLessThanEquals", _compared(number, operator.le)),
    Operator("NumericGreaterThan", _compared(number, operator.gt)),
    Operator("NumericGreaterThanEquals", _compared(number, operator.ge)),
    Operator("DateEquals", _compared(moment, _EQUAL)),
    Operator("DateNotEquals", _compared(moment, _EQUAL), True),
    Operator("DateLessThan", _compared(moment, operator.lt)),
    Operator("DateLessThanEquals", _compared(moment, operator.le)),
    Operator("DateGreaterThan", _compared(moment, operator.gt)),
    Operator("DateGreaterThanEquals", _compared(moment, operator.ge)),
    Operator("Bool", _compared(boolean, _EQUAL)),
    Operator("BinaryEquals", _compared(binary, _EQUAL)),
    Operator("IpAddress", _addresses),
    Operator("NotIpAddress", _addresses, True),
    Operator("ArnEquals", _arns),
    Operator("ArnLike", _arns),
    Operator("ArnNotEquals", _arns, True),
    Operator("ArnNotLike", _arns, True),
)
OPERATORS: Final = {one.name.lower(): one for one in _ALL}
"""Every operator by its name in lower case, except `Null`, which compares nothing."""
