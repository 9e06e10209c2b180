"""From text to a compiled policy, once for each text.

Sizes are limited by whoever takes a policy from a client, because the limit depends on where it goes.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NoReturn

from objstore.iam.policy import identity_rules, resource_rules
from objstore.iam.policy.conditions import Condition, InvalidOperator, compile_condition
from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.operators import InvalidValue
from objstore.iam.policy.patterns import Tokens, arn_matcher, matcher, tokens
from objstore.iam.policy.policy import Actions, Policy, Resources, Statement
from objstore.iam.policy.shape import MODERN, Fail, Written, read
from objstore.iam.policy.types import Kind
from objstore.iam.policy.variables import InvalidVariable, Template, compile_text, names_in

BUCKET_LIMIT: Final = 20_480
"""Bytes of a bucket policy."""
MANAGED_LIMIT: Final = 6_144
"""Characters of one version of a managed policy, white space not counted."""
USER_INLINE_LIMIT: Final = 2_048
"""Characters of all inline policies of a user together, white space not counted; the next two likewise."""
GROUP_INLINE_LIMIT: Final = 5_120
ROLE_INLINE_LIMIT: Final = 10_240
TRUST_LIMIT: Final = 2_048
SESSION_LIMIT: Final = 2_048


def parse(text: str, kind: Kind, *, name: str = "", principal_may_be_everybody: bool = False) -> Policy:
    """Compile a policy; the same arguments give the same object. `name` is what explanations call it.

    `principal_may_be_everybody` lets an identity policy have `"Principal": "*"`, which says nothing: role policies that
    were written for Ceph's gateway have it. Raises MalformedPolicy.
    """
    return _parse(text, kind, name, principal_may_be_everybody)


def size(text: str) -> int:
    """The characters of a policy that count for IAM's limits: all but white space."""
    return sum(not character.isspace() for character in text)


@lru_cache(maxsize=4096)
def _parse(text: str, kind: Kind, name: str, principal_may_be_everybody: bool) -> Policy:
    document = read(text, kind)
    if kind in (Kind.RESOURCE, Kind.TOPIC, Kind.TRUST):
        resource_rules.check(document, kind)
    else:
        identity_rules.check(document, kind, principal_may_be_everybody=principal_may_be_everybody)

    def fail(fault: Fault, *named: str) -> NoReturn:
        raise MalformedPolicy(kind, fault, *named)

    variables = document.version == MODERN
    statements = tuple(_statement(one, fail, variables) for one in document.statements)
    return Policy(kind, name, document.version, document.text, text, statements)


def _statement(one: Written, fail: Fail, variables: bool) -> Statement:
    actions = one.actions or ()
    return Statement(
        number=one.number,
        sid=one.sid,
        allows=one.allows,
        actions=Actions(actions, tuple(matcher(tokens(action.lower())) for action in actions), one.not_action),
        resources=None if one.resources is None else _resources(one, one.resources, fail, variables),
        principals=resource_rules.principals(one, fail),
        conditions=tuple(_condition(*condition, fail, variables) for condition in one.conditions),
        keys=tuple(_keys(one, variables)),
    )


def _keys(one: Written, variables: bool) -> Iterable[str]:
    """The condition keys that a statement looks at, as it spells them, each once."""
    texts = [*(one.resources or ()), *(value for _, _, values in one.conditions for value in values)]
    found = [key for _, key, _ in one.conditions]
    if variables:
        found += [name for text in texts for name in names_in(text)]
    once: dict[str, str] = {}
    for name in found:
        once.setdefault(name.lower(), name)
    return once.values()


def _resources(one: Written, written: tuple[str, ...], fail: Fail, variables: bool) -> Resources:
    fixed: list[Tokens] = []
    templates: list[Template] = []
    for text in written:
        try:
            compiled = compile_text(_whole(text), variables=variables, wildcards=True)
        except InvalidVariable as error:
            fail(Fault.VARIABLE, str(error))
        if isinstance(compiled, Template):
            templates.append(compiled)
        else:
            fixed.append(compiled)
    return Resources(written, tuple(map(arn_matcher, fixed)), tuple(templates), one.not_resource, one.allows)


def _whole(resource: str) -> str:
    """An ARN with fewer fields has any value in those it lacks, as AWS reads it."""
    missing = 5 - resource.count(":")
    return resource + ":*" * missing if resource != "*" and missing > 0 else resource


def _condition(operator: str, key: str, values: tuple[str, ...], fail: Fail, variables: bool) -> Condition:
    if ":" not in key and fail is not None and not key:
        fail(Fault.KEY, "")
    try:
        return compile_condition(operator, key, values, variables=variables)
    except InvalidOperator:
        fail(Fault.OPERATOR, operator)
    except InvalidValue:
        fail(Fault.ADDRESS if "ipaddress" in operator.lower() else Fault.VALUE, operator)
    except InvalidVariable as error:
        fail(Fault.VARIABLE, str(error))
