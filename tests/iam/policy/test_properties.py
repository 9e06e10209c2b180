"""What holds for all policies, whatever they say."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.iam.policy import Asked, Caller, Decision, Grants, Kind, MalformedPolicy, Policy, decide, is_public, parse
from objstore.iam.policy.caller_keys import lookup_of
from objstore.iam.policy.operators import OPERATORS
from objstore.iam.policy.policy import first, speaking
from tests.iam.policy.language import AWAY, CALLERS, HOME, OIDC

ACTIONS = ("s3:GetObject", "s3:Get*", "s3:*", "*", "s3:PutObject", "iam:GetUser", "s3:?etObject", "S3:GETOBJECT")
RESOURCES = (
    "*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::*",
    "arn:aws:s3:::c/*",
    "arn:aws:s3:::b/${aws:username}",
    "arn:aws:s3:::b/${aws:PrincipalTag/x, 'k'}",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/a*",
    "arn:aws:s3:::?/${aws:username}*",
    "arn:aws:s3:::${aws:username}/*",
    "arn:aws:s3:::*b/${aws:username}",
)
KEYS = ("aws:username", "aws:SourceIp", "aws:SecureTransport", "aws:CurrentTime", "aws:TagKeys", "aws:PrincipalArn")
VALUES = {
    "Numeric": ("1", "-3.5", "10"),
    "Date": ("2020-01-01T00:00:00Z", "1577836800"),
    "Bool": ("true", "false"),
    "Null": ("true", "false"),
    "Binary": ("QQ==",),
    "IpAddress": ("10.0.0.0/8", "2001:db8::/32"),
    "NotIpAddress": ("0.0.0.0/0",),
    "String": ("alice", "a*", "${aws:username}", "${*}", ""),
    "Arn": (f"arn:aws:iam::{HOME}:user/*", "arn:aws:*"),
}
PRINCIPALS: tuple[Any, ...] = (
    "*",
    {"AWS": "*"},
    {"AWS": HOME},
    {"AWS": [f"arn:aws:iam::{AWAY}:root", f"arn:aws:iam::{HOME}:user/alice"]},
    {"AWS": "arn:aws:iam:::user/alice"},
    {"CanonicalUser": "c1"},
    {"Service": "logging.s3.amazonaws.com"},
    {"Federated": OIDC},
)


def some(values: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, dict[str, list[str]]]:
    result = {}
    for operator in draw(st.lists(st.sampled_from([*OPERATORS, "null"]), max_size=2)):
        family = next(name for name in VALUES if operator.startswith(name.lower()))
        null = operator == "null"
        before = "" if null else draw(st.sampled_from(("", "ForAllValues:", "ForAnyValue:")))
        after = "" if null else draw(st.sampled_from(("", "IfExists")))
        result[before + operator + after] = {draw(st.sampled_from(KEYS)): draw(some(VALUES[family]))}
    return result


@st.composite
def statements(draw: st.DrawFn, kind: Kind, effects: tuple[str, ...] = ("Allow", "Deny")) -> dict[str, Any]:
    actions = tuple(action for action in ACTIONS if kind is not Kind.RESOURCE or not action.startswith("iam"))
    effect = draw(st.sampled_from(effects))
    result = {
        "Effect": effect,
        draw(st.sampled_from(("Action", "NotAction"))): draw(some(actions)),
        draw(st.sampled_from(("Resource", "NotResource"))): draw(some(RESOURCES)),
        "Condition": draw(conditions()),
    }
    if kind is Kind.RESOURCE:
        name = draw(st.sampled_from(("Principal",) if effect == "Allow" else ("Principal", "NotPrincipal")))
        result[name] = draw(st.sampled_from(PRINCIPALS))
    return result


def documents(kind: Kind, effects: tuple[str, ...] = ("Allow", "Deny")) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda version, listed: {"Version": version, "Statement": listed},
        st.sampled_from(("2012-10-17", "2008-10-17")),
        st.lists(statements(kind, effects), min_size=1, max_size=4),
    )


def compiled(document: dict[str, Any], kind: Kind) -> Policy | None:
    """None where S3 finds that actions, resources and keys do not go together."""
    try:
        return parse(json.dumps(document), kind)
    except MalformedPolicy:
        return None


def policies(kind: Kind) -> st.SearchStrategy[Policy]:
    return documents(kind).map(lambda document: compiled(document, kind)).filter(bool)


IDENTITIES = st.lists(policies(Kind.IDENTITY), max_size=3).map(tuple)
GRANTS = st.builds(
    Grants,
    IDENTITIES,
    st.none() | policies(Kind.BOUNDARY),
    st.none() | st.lists(policies(Kind.SESSION), max_size=2).map(tuple),
)
BUCKETS = st.none() | policies(Kind.RESOURCE)
WHO = st.sampled_from(list(CALLERS.values()))
WHAT = st.builds(
    Asked,
    st.sampled_from(("s3:GetObject", "s3:PutObject", "s3:ListBucket", "iam:GetUser", "s3:PutBucketPolicy")),
    st.sampled_from(("arn:aws:s3:::b/k", "arn:aws:s3:::b/alice", "arn:aws:s3:::b", "arn:aws:s3:::c/x", "*", "")),
    st.dictionaries(
        st.sampled_from([name.lower() for name in KEYS]),
        st.lists(
            st.sampled_from(("alice", "10.0.0.1", "true", "2020-01-01T00:00:00Z", "QQ==", "7", ""))
            | st.text(max_size=4),
            max_size=2,
        ).map(tuple),
    ),
)


def ask(what: Asked, who: Caller, grants: Grants, bucket: Policy | None) -> Decision:
    return decide(what, who, grants, resource_policy=bucket, owner_account=HOME)


@settings(max_examples=50)
@given(WHAT, WHO, GRANTS, BUCKETS)
def test_every_question_has_an_answer_and_a_reason(
    what: Asked, who: Caller, grants: Grants, bucket: Policy | None
) -> None:
    decision = ask(what, who, grants, bucket)
    assert str(decision).startswith("allowed" if decision.allowed else "denied")
    assert ask(what, who, grants, bucket) == decision


DENY_ALL = parse('{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}', Kind.IDENTITY)
DENY_EVERYBODY = parse(
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}', Kind.RESOURCE
)
ALLOW_ALL = parse('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}', Kind.IDENTITY)


@settings(max_examples=50)
@given(WHAT, WHO, GRANTS, BUCKETS)
def test_a_deny_wins(what: Asked, who: Caller, grants: Grants, bucket: Policy | None) -> None:
    if not who.account_root:
        assert not ask(what, who, Grants((*grants.identity, DENY_ALL), grants.boundary, grants.session), bucket).allowed
        assert not ask(what, who, Grants(grants.identity, DENY_ALL, grants.session), bucket).allowed
    assert not ask(what, who, Grants(grants.identity, grants.boundary, (DENY_ALL, ALLOW_ALL)), bucket).allowed
    decision = ask(what, who, grants, DENY_EVERYBODY)
    repairs = who.account_root and who.account == HOME and what.action == "s3:PutBucketPolicy"
    assert repairs or not decision.allowed


@settings(max_examples=50)
@given(WHAT, WHO, GRANTS, BUCKETS, documents(Kind.IDENTITY, ("Allow",)))
def test_an_allow_takes_nothing_away(
    what: Asked, who: Caller, grants: Grants, bucket: Policy | None, more: dict[str, Any]
) -> None:
    before = ask(what, who, grants, bucket)
    added = parse(json.dumps(more), Kind.IDENTITY)
    for wider in (
        Grants((*grants.identity, added), grants.boundary, grants.session),
        Grants(grants.identity, grants.boundary, None if grants.session is None else (*grants.session, added)),
    ):
        assert ask(what, who, wider, bucket).allowed or not before.allowed


@settings(max_examples=50)
@given(WHAT, WHO, GRANTS, BUCKETS, policies(Kind.IDENTITY), policies(Kind.SESSION))
def test_a_boundary_and_a_session_policy_add_nothing(
    what: Asked, who: Caller, grants: Grants, bucket: Policy | None, boundary: Policy, session: Policy
) -> None:
    free = ask(what, who, Grants(grants.identity), bucket)
    bounded = ask(what, who, Grants(grants.identity, boundary), bucket)
    narrowed = ask(what, who, Grants(grants.identity, boundary, (session,)), bucket)
    assert free.allowed or not bounded.allowed
    assert bounded.allowed or not narrowed.allowed


@settings(max_examples=50)
@given(WHAT, WHO, documents(Kind.IDENTITY), documents(Kind.RESOURCE), st.randoms())
def test_order_means_nothing(
    what: Asked, who: Caller, identity: dict[str, Any], bucket: dict[str, Any], chance: Any
) -> None:
    def decision(first: dict[str, Any], second: dict[str, Any]) -> Decision:
        mine, theirs = compiled(first, Kind.IDENTITY), compiled(second, Kind.RESOURCE)
        return ask(what, who, Grants((mine,) if mine else ()), theirs)

    def shuffled(document: dict[str, Any]) -> dict[str, Any]:
        listed = list(document["Statement"])
        chance.shuffle(listed)
        return document | {"Statement": listed}

    assert decision(identity, bucket).reason is decision(shuffled(identity), shuffled(bucket)).reason


@given(documents(Kind.IDENTITY))
def test_canonical_text_is_its_own(document: dict[str, Any]) -> None:
    policy = parse(json.dumps(document, indent=2), Kind.IDENTITY)
    again = parse(policy.text, Kind.IDENTITY)
    assert again.text == policy.text
    assert json.loads(policy.text) == document
    assert parse(policy.text, Kind.IDENTITY) is again


@given(policies(Kind.RESOURCE), WHAT)
def test_what_anybody_may_do_is_public(policy: Policy, what: Asked) -> None:
    decision = ask(what, CALLERS["anybody"], Grants(), policy)
    fixing = any(statement.conditions for statement in policy.statements)
    assert is_public(policy) or fixing or not decision.allowed


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    (
                        "Version",
                        "Statement",
                        "Effect",
                        "Action",
                        "Resource",
                        "Principal",
                        "Condition",
                        "Sid",
                        "AWS",
                        "StringEquals",
                        "*",
                    )
                ),
                inner,
                max_size=5,
            )
        ),
    ),
    st.sampled_from(list(Kind)),
)
def test_any_json_is_taken_or_refused(document: Any, kind: Kind) -> None:
    try:
        parse(json.dumps(document), kind)
    except MalformedPolicy as error:
        assert error.message


@given(st.lists(documents(Kind.IDENTITY), min_size=1, max_size=3), WHAT, WHO)
@settings(max_examples=50)
def test_looking_at_fewer_statements_finds_the_same(listed: list[dict[str, Any]], what: Asked, who: Caller) -> None:
    """Statements are found by action and by what resources begin with; here all of them are asked."""
    found = tuple(parse(json.dumps(document), Kind.IDENTITY) for document in listed)
    lookup = lookup_of(what.keys, who)
    effects = {
        statement.allows
        for policy in found
        for statement in policy.statements
        if statement.actions.cover(what.action.lower())
        and (statement.resources is None or statement.resources.cover(what.resource, lookup))
        and all(condition.holds(lookup) for condition in statement.conditions)
    }
    chosen = speaking(found, what.action.lower()).about(what.resource)
    assert (first(chosen.allowing, what.resource, lookup) is not None) is (True in effects)
    assert (first(chosen.denying, what.resource, lookup) is not None) is (False in effects)
