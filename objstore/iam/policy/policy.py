"""A policy, compiled: statements that say at once whether they speak of an action, a resource, a caller, a request.

Policies are equal only to themselves: parsing gives the same object for the same text, and what is remembered of a
policy is remembered by that object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from objstore.iam.policy.patterns import Matcher, Tokens, arn_matcher
from objstore.iam.policy.variables import Lookup, Template

_VARIES = re.compile(r"[*?]|\$\{")
_MOST_BUCKETS: Final = 256  # remembered for one action of some policies

if TYPE_CHECKING:
    from objstore.iam.policy.conditions import Condition
    from objstore.iam.policy.principals import Principals
    from objstore.iam.policy.types import Kind


@dataclass(frozen=True, slots=True)
class Actions:
    """The Action element, or NotAction where `negated`. Actions are compared in lower case."""

    written: tuple[str, ...]
    matchers: tuple[Matcher, ...] = field(repr=False)
    negated: bool = False

    def cover(self, action: str) -> bool:
        """Whether the statement speaks of an action in lower case."""
        return any(match(action) for match in self.matchers) is not self.negated


@dataclass(frozen=True, slots=True)
class Resources:
    """The Resource element, or NotResource where `negated`."""

    written: tuple[str, ...]
    matchers: tuple[Matcher, ...] = field(repr=False)
    templates: tuple[Template, ...] = ()
    negated: bool = False
    allows: bool = True

    @property
    def beginnings(self) -> tuple[str, ...]:
        """What resources that are covered begin with, one way or another: what is written up to the first wildcard or
        variable."""
        return ("",) if self.negated else tuple(_VARIES.split(text, 1)[0] for text in self.written)

    def cover(self, resource: str, lookup: Lookup) -> bool:
        """Whether the statement speaks of a resource.

        A variable without a value matches nothing; where NotResource would turn that into an Allow, the statement does
        not apply.
        """
        for match in self.matchers:
            if match(resource):
                return not self.negated
        for template in self.templates:
            if not self.negated and not resource.startswith(template.beginning):
                continue
            pattern: Tokens | None = template.expand(lookup)
            if pattern is None:
                if self.negated and self.allows:
                    return False
            elif arn_matcher(pattern)(resource):
                return not self.negated
        return self.negated


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement. `number` counts from 1; `resources` is None in a trust policy, `principals` in all but those of
    resources and trust. `keys` are the condition keys that it looks at, variables too, as it spells them.
    """

    number: int
    sid: str | None
    allows: bool
    actions: Actions
    resources: Resources | None
    principals: Principals | None
    conditions: tuple[Condition, ...]
    keys: tuple[str, ...] = ()
    beginnings: tuple[str, ...] = field(init=False, repr=False)
    _hold: Callable[[Lookup], bool] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "beginnings", ("",) if self.resources is None else self.resources.beginnings)
        object.__setattr__(self, "_hold", _all_of(self.conditions))

    @property
    def label(self) -> str:
        """Its Sid, or its number where it has none."""
        return self.sid or str(self.number)

    def applies(self, resource: str, lookup: Lookup) -> bool:
        """Whether it applies to a request whose action and caller it speaks of. Never raises."""
        if not resource.startswith(self.beginnings):
            return False
        if self.resources is not None and not self.resources.cover(resource, lookup):
            return False
        return self._hold is None or self._hold(lookup)


def _all_of(conditions: tuple[Condition, ...]) -> Callable[[Lookup], bool] | None:
    """Whether all hold; None where there is nothing to ask."""
    if len(conditions) < 2:
        return conditions[0].holds if conditions else None
    return lambda lookup: all(condition.holds(lookup) for condition in conditions)


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy. `text` is canonical, `source` as it was written, `name` is what explanations call it."""

    kind: Kind
    name: str
    version: str
    text: str
    source: str
    statements: tuple[Statement, ...]

    def __repr__(self) -> str:
        return f"Policy(kind={self.kind.value!r}, name={self.name!r}, statements={len(self.statements)})"


class Placed(NamedTuple):
    """A statement and the policy that it stands in."""

    statement: Statement
    policy: Policy


class About(NamedTuple):
    """Statements that speak of an action and may be about a resource, in the order of their policies."""

    denying: tuple[Placed, ...]
    allowing: tuple[Placed, ...]


class Speaking:
    """The statements of some policies that speak of one action, found by the bucket that they are about."""

    __slots__ = ("_about", "_placed")

    def __init__(self, placed: Sequence[Placed]) -> None:
        self._placed = tuple(placed)
        self._about: dict[str, About] = {}

    def about(self, resource: str) -> About:
        """Those that may be about a resource; looked for once for each bucket."""
        bucket = resource.partition("/")[0]
        found = self._about.get(bucket)
        if found is None:
            if len(self._about) >= _MOST_BUCKETS:
                self._about.clear()
            some = [one for one in self._placed if _may_be_about(one.statement, bucket)]
            found = self._about[bucket] = About(
                tuple(one for one in some if not one.statement.allows),
                tuple(one for one in some if one.statement.allows),
            )
        return found


def _may_be_about(statement: Statement, bucket: str) -> bool:
    """Whether a statement may be about a resource that is `bucket`, or that and a slash and more."""
    return any(bucket.startswith(beginning) or beginning.startswith(f"{bucket}/") for beginning in statement.beginnings)


@lru_cache(maxsize=8192)
def speaking(policies: tuple[Policy, ...], action: str) -> Speaking:
    """The statements that speak of an action in lower case; found once for each set of policies."""
    return Speaking(
        [
            Placed(statement, policy)
            for policy in policies
            for statement in policy.statements
            if statement.actions.cover(action)
        ]
    )


def first(placed: Sequence[Placed], resource: str, lookup: Lookup) -> Placed | None:
    """The first that applies to a request, whoever makes it."""
    for one in placed:
        if one.statement.applies(resource, lookup):
            return one
    return None
