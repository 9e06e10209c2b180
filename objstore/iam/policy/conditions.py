"""Conditions: whether a request's keys are as a statement wants them.

All conditions of a statement must hold; of the values of one, any may fit. A key that is not there fails a condition,
unless the operator is a negation or ends with `IfExists`. `ForAllValues:` holds when every value of the request fits,
so also when there is none; `ForAnyValue:` when one does, so never when there is none; to both, a lone empty value is
none.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from objstore.iam.policy.operators import OPERATORS, InvalidValue, Operator, Test, boolean
from objstore.iam.policy.types import Values
from objstore.iam.policy.variables import Lookup

_IF_EXISTS: Final = "ifexists"
_NULL: Final = "null"

Check = Callable[[Values | None, Lookup], bool]


class Quantifier(StrEnum):
    """The set operators."""

    ALL = "ForAllValues"
    ANY = "ForAnyValue"


class InvalidOperator(ValueError):
    """An operator that AWS does not have; the message is its name."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator. `operator`, `key` and `values` are as the policy has them."""

    operator: str
    key: str
    values: tuple[str, ...]
    _name: str = field(repr=False)
    _check: Check = field(repr=False, compare=False)

    def holds(self, lookup: Lookup) -> bool:
        """Whether it holds for a request. Never raises."""
        return self._check(lookup(self._name), lookup)


def compile_condition(written: str, key: str, values: Sequence[str], *, variables: bool) -> Condition:
    """Compile one key of an operator with its values.

    Raises InvalidOperator, InvalidValue, and InvalidVariable.
    """
    quantifier, name, if_exists = _parts(written)
    if name == _NULL:
        if quantifier or if_exists:
            raise InvalidOperator(written)
        check = _null(values)
    else:
        known = OPERATORS.get(name)
        if known is None:
            raise InvalidOperator(written)
        check = _check(known, known.family(values, variables), quantifier, if_exists)
    return Condition(written, key, tuple(values), key.lower(), check)


def _parts(written: str) -> tuple[Quantifier | None, str, bool]:
    before, colon, name = written.partition(":")
    quantifier = None
    if colon:
        quantifier = next((one for one in Quantifier if one.lower() == before.lower()), None)
        if quantifier is None:
            raise InvalidOperator(written)
    else:
        name = before
    name = name.lower()
    return quantifier, name.removesuffix(_IF_EXISTS), name.endswith(_IF_EXISTS)


def _null(values: Sequence[str]) -> Check:
    """`true`: the key must not be there; `false`: it must."""
    wanted = {boolean(value) for value in values}
    if None in wanted:
        raise InvalidValue(", ".join(values))
    return lambda given, lookup: (not given) in wanted


def _check(known: Operator, test: Test, quantifier: Quantifier | None, if_exists: bool) -> Check:
    negated = known.negated
    if quantifier is None:
        absent = negated or if_exists

        def single(given: Values | None, lookup: Lookup) -> bool:
            if not given:
                return absent
            if len(given) == 1:
                return test(given[0], lookup) is not negated
            return any(test(value, lookup) for value in given) is not negated

        return single
    over = all if quantifier is Quantifier.ALL else any
    without = quantifier is Quantifier.ALL or if_exists

    def multiple(given: Values | None, lookup: Lookup) -> bool:
        if not given or given == ("",):
            return without
        return over(test(value, lookup) is not negated for value in given)

    return multiple
