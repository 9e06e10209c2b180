"""A policy, compiled: statements that say at once whether they speak of an action, a resource, a caller, a request.

Policies are equal only to themselves: parsing gives the same object for the same text, and what is remembered of a
policy is remembered by that object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from objstore.iam.policy.patterns import Matcher, Tokens, arn_matcher
from objstore.iam.policy.variables import Lookup, Template

_VARIES = re.compile(r"[*?]|\$\{")

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
    def heads(self) -> tuple[str, ...] | None:
        """What every resource that is covered begins with, up to the first slash; None where that is not fixed."""
        heads = [text.partition("/")[0] for text in self.written]
        fixed = not self.negated and all(head.count(":") >= 5 and not _VARIES.search(head) for head in heads)
        return tuple(heads) if fixed else None

    def cover(self, resource: str, lookup: Lookup) -> bool:
        """Whether the statement speaks of a resource.

        A variable without a value matches nothing; where NotResource would turn that into an Allow, the statement does
        not apply.
        """
        for match in self.matchers:
            if match(resource):
                return not self.negated
        for template in self.templates:
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

    @property
    def label(self) -> str:
        """Its Sid, or its number where it has none."""
        return self.sid or str(self.number)

    def applies(self, resource: str, lookup: Lookup) -> bool:
        """Whether it applies to a request whose action and caller it speaks of. Never raises."""
        if self.resources is not None and not self.resources.cover(resource, lookup):
            return False
        return not self.conditions or all(condition.holds(lookup) for condition in self.conditions)


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


class Statements:
    """Statements of one effect, found by the bucket that they are about."""

    __slots__ = ("_about", "_anything")

    def __init__(self, placed: Sequence[Placed]) -> None:
        heads = [one.statement.resources.heads if one.statement.resources is not None else None for one in placed]
        self._anything = tuple(one for one, fixed in zip(placed, heads, strict=True) if fixed is None)
        self._about = {
            head: tuple(one for one, fixed in zip(placed, heads, strict=True) if fixed is None or head in fixed)
            for known in heads
            for head in known or ()
        }

    def about(self, resource: str) -> tuple[Placed, ...]:
        """Those that may be about a resource, in the order of their policies."""
        return self._about.get(resource.partition("/")[0], self._anything)

    def first(self, resource: str, lookup: Lookup) -> Placed | None:
        """The first that applies to a request, whoever makes it."""
        for one in self.about(resource):
            if one.statement.applies(resource, lookup):
                return one
        return None


class Speaking(NamedTuple):
    """The statements of some policies that speak of one action."""

    denying: Statements
    allowing: Statements


@lru_cache(maxsize=8192)
def speaking(policies: tuple[Policy, ...], action: str) -> Speaking:
    """The statements that speak of an action in lower case; found once for each set of policies."""
    found = [
        Placed(statement, policy)
        for policy in policies
        for statement in policy.statements
        if statement.actions.cover(action)
    ]
    return Speaking(
        Statements([placed for placed in found if not placed.statement.allows]),
        Statements([placed for placed in found if placed.statement.allows]),
    )
