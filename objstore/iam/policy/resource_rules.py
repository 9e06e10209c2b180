"""What is checked of policies that name principals, one statement after the other: those of buckets, topics and trust.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from objstore.iam.policy import bucket_rules
from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.principals import TYPES, Principals, add_aws
from objstore.iam.policy.shape import Document, Fail, Written
from objstore.iam.policy.types import Kind

_TRUST_ACTION: Final = re.compile(r"sts:(assumerole[a-z]*|tagsession|setsourceidentity|setcontext)", re.IGNORECASE)
_TOPIC_ACTION: Final = re.compile(r"sns:[a-z*?]+|\*", re.IGNORECASE)
_PROVIDER: Final = re.compile(
    r"arn:aws[a-z-]*:iam::[A-Za-z0-9]{0,32}:(oidc|saml|ldap)-provider/.+|[A-Za-z0-9.\-]+\.[a-z]+"
)
_SERVICE: Final = re.compile(r"[a-z0-9.\-]+\.amazonaws\.com(\.cn)?.*")
_CANONICAL: Final = re.compile(r"[A-Za-z0-9$_\-]{1,128}")


def check(document: Document, kind: Kind) -> None:
    """Raises MalformedPolicy."""

    def fail(fault: Fault, *named: str) -> NoReturn:
        raise MalformedPolicy(kind, fault, *named)

    for one in document.statements:
        _check_principal(one, kind, fail)
        if kind is Kind.TRUST:
            _check_trust(one, fail)
        elif kind is Kind.TOPIC:
            _check_topic(one, fail)
        else:
            bucket_rules.check(one, fail)
    sids = [one.sid for one in document.statements if one.sid]
    # S3 takes a policy in which two statements have the same Sid.
    if kind is Kind.TRUST and len(set(sids)) != len(sids):
        fail(Fault.SAME_SID)


def _check_principal(one: Written, kind: Kind, fail: Fail) -> None:
    if one.principal is None:
        fail(Fault.NO_PRINCIPAL)
    if one.not_principal and one.allows:
        fail(Fault.ALLOW_NOT_PRINCIPAL)
    if one.not_principal and kind is Kind.TRUST:
        fail(Fault.NOT_PRINCIPAL)
    if one.principal == {}:
        fail(Fault.EMPTY_PRINCIPAL)
    if kind is Kind.TRUST and one.principal == "*":
        fail(Fault.PRINCIPAL_STAR)
    principals(one, fail)


def _check_trust(one: Written, fail: Fail) -> None:
    if not one.actions:
        fail(Fault.NO_ACTION)
    if one.resources is not None:
        fail(Fault.RESOURCE, "NotResource" if one.not_resource else "Resource")
    if one.not_action or not all(_TRUST_ACTION.fullmatch(action) for action in one.actions or ()):
        fail(Fault.ACTION)


def _check_topic(one: Written, fail: Fail) -> None:
    if not one.actions:
        fail(Fault.NO_ACTION)
    if not one.resources:
        fail(Fault.NO_RESOURCE)
    if not all(_TOPIC_ACTION.fullmatch(action) for action in one.actions):
        fail(Fault.ACTION)


def principals(one: Written, fail: Fail) -> Principals | None:
    """The Principal or NotPrincipal of a statement, compiled."""
    written = one.principal
    if written is None:
        return None
    if written == "*":
        return Principals(everybody=True, negated=one.not_principal)
    if not isinstance(written, dict):
        fail(Fault.PRINCIPAL_TEXT if isinstance(written, str) else Fault.SYNTAX)
    found: dict[str, set[str]] = {"everybody": set(), "account": set(), "arn": set()}
    others: dict[str, frozenset[str]] = {}
    for kind, value in written.items():
        values = _values(value, fail)
        if kind not in TYPES:
            fail(Fault.PRINCIPAL, kind, values[0])
        if kind != "AWS":
            others[kind] = frozenset(_named(kind, text, fail) for text in values)
            continue
        for text in values:
            placed = add_aws(text)
            if placed is None:
                fail(Fault.PRINCIPAL, kind, text)
            found[placed[0]].add(placed[1])
    return Principals(
        any_aws=bool(found["everybody"]),
        accounts=frozenset(found["account"]),
        arns=frozenset(found["arn"]),
        canonical=others.get("CanonicalUser", frozenset()),
        federated=others.get("Federated", frozenset()),
        services=others.get("Service", frozenset()),
        negated=one.not_principal,
    )


def _values(value: Any, fail: Fail) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        fail(Fault.SYNTAX)
    if not values:
        fail(Fault.EMPTY_PRINCIPAL)
    return values


def _named(kind: str, text: str, fail: Fail) -> str:
    form = {"CanonicalUser": _CANONICAL, "Federated": _PROVIDER, "Service": _SERVICE}[kind]
    if not form.fullmatch(text):
        fail(Fault.PRINCIPAL, kind, text)
    return text
