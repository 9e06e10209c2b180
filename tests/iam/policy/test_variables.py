"""Policy variables in resources and in values: pattern, request's resource, and whether it matches.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import pytest

from objstore.iam.policy import Caller, Grants, Kind, decide
from objstore.iam.policy.conditions import compile_condition
from tests.iam.policy.language import ALICE, HOME, SESSION, asked, policy

KEYS = {
    "aws__PrincipalTag/team": "blue",
    "aws__PrincipalTag/star": "*",
    "aws__PrincipalTag/question": "?",
    "aws__PrincipalTag/variable": "${aws:username}",
    "aws__PrincipalTag/empty": "",
    "aws__PrincipalTag/a b": "spaced",
    "aws__TagKeys": ("one", "two"),
    "cognito-identity.amazonaws.com__sub": "us-east-1:x",
}

RESOURCES = [
    ("b/home/${aws:username}/*", "b/home/alice/k", True),
    ("b/home/${aws:username}/*", "b/home/bob/k", False),
    ("b/home/${AWS:UserName}/*", "b/home/alice/k", True),
    ("b/home/${ aws:username }/*", "b/home/alice/k", True),
    ("b/${aws:userid}", "b/AIDAALICE", True),
    ("b/${aws:PrincipalTag/team}", "b/blue", True),
    ("b/${aws:PrincipalTag/TEAM}", "b/blue", True),
    ("b/${aws:PrincipalTag/team}/${aws:username}", "b/blue/alice", True),
    ("b/${aws:PrincipalTag/a b}", "b/spaced", True),
    ("b/${cognito-identity.amazonaws.com:sub}/*", "b/us-east-1:x/k", True),
    ("${aws:username}", "alice", True),
    ("${aws:username}*", "alice-bucket", True),
    # What has no value, or several, matches nothing, unless there is a default.
    ("b/${aws:PrincipalTag/none}", "b/", False),
    ("b/${aws:PrincipalTag/none}", "b/${aws:PrincipalTag/none}", False),
    ("b/${aws:PrincipalTag/none}*", "b/x", False),
    ("b/${aws:TagKeys}", "b/one", False),
    ("b/${aws:PrincipalTag/none, 'public'}/*", "b/public/k", True),
    ("b/${aws:PrincipalTag/none,'public'}/*", "b/public/k", True),
    ("b/${aws:PrincipalTag/team, 'public'}/*", "b/public/k", False),
    ("b/${aws:PrincipalTag/none, ''}/k", "b//k", True),
    ("b/${aws:PrincipalTag/empty}/k", "b//k", True),
    ("b/${aws:PrincipalTag/none, '*'}", "b/*", True),
    ("b/${aws:PrincipalTag/none, '*'}", "b/x", False),
    ("b/${aws:TagKeys, 'many'}", "b/many", True),
    # Values are literals: neither wildcards nor variables.
    ("b/${aws:PrincipalTag/star}/*", "b/*/k", True),
    ("b/${aws:PrincipalTag/star}/*", "b/x/k", False),
    ("b/${aws:PrincipalTag/question}", "b/?", True),
    ("b/${aws:PrincipalTag/question}", "b/x", False),
    ("b/${aws:PrincipalTag/variable}", "b/alice", False),
    ("b/${aws:PrincipalTag/variable}", "b/${aws:username}", True),
    # Escapes.
    ("b/${*}", "b/*", True),
    ("b/${*}", "b/x", False),
    ("b/${?}", "b/?", True),
    ("b/${?}", "b/x", False),
    ("b/${$}{aws:username}", "b/${aws:username}", True),
    ("b/${$}{aws:username}", "b/alice", False),
    ("b/${*}${aws:username}*", "b/*alice-and-more", True),
    # Half a variable is text.
    ("b/${", "b/${", True),
    ("b/${aws:username", "b/${aws:username", True),
    ("b/$aws:username}", "b/$aws:username}", True),
    ("b/$", "b/$", True),
]


def allowed(text: str, resource: str, *, version: str = "2012-10-17", caller: Caller = ALICE) -> bool:
    grants = Grants(identity=(policy(text, Kind.IDENTITY, version=version),))
    request = asked("s3:GetObject", resource, **KEYS)  # type: ignore[arg-type]
    return decide(request, caller, grants, resource_policy=None, owner_account=HOME).allowed


def with_resource(pattern: str) -> str:
    """The language of these tests has no spaces in resources."""
    return f"Allow s3:GetObject on {pattern.replace(' ', '%20')}"


@pytest.mark.parametrize(("pattern", "resource", "matches"), RESOURCES)
def test_variables_in_resources(pattern: str, resource: str, matches: bool) -> None:
    assert allowed(with_resource(pattern), resource) is matches


@pytest.mark.parametrize("pattern", ["b/${aws:username}", "b/${${aws:username}}", "b/${x}"])
def test_an_old_policy_has_no_variables(pattern: str) -> None:
    text = with_resource(pattern)
    assert allowed(text, pattern, version="2008-10-17")
    assert not allowed(text, "b/alice", version="2008-10-17")


def test_a_variable_without_a_value_never_lets_through() -> None:
    unknown = "b/${aws:PrincipalTag/none}/*"
    assert not allowed(f"Allow s3:GetObject on !{unknown}", "b/k")
    assert allowed("Allow s3:* on *", "b/k")
    assert not allowed(f"Allow s3:* on *; Deny s3:* on !{unknown}", "b/k")
    assert allowed(f"Allow s3:* on *; Deny s3:* on {unknown}", "b/k")


def test_a_role_has_no_user_name() -> None:
    assert not allowed("Allow s3:GetObject on b/${aws:username}*", "b/builder", caller=SESSION)
    assert allowed("Allow s3:GetObject on b/${aws:userid}", "b/AROABUILDER:s1", caller=SESSION)


VALUES = [
    ("StringEquals", "${aws:username}", "alice", True),
    ("StringEquals", "${aws:username}", "bob", False),
    ("StringEquals", "x-${aws:username}-y", "x-alice-y", True),
    ("StringEquals", "${aws:none}", "", False),
    ("StringEquals", "${aws:none, 'anon'}", "anon", True),
    ("StringEquals", "${*}", "*", True),
    ("StringEquals", "${aws:username}*", "alice*", True),
    ("StringEquals", "${aws:username}*", "alice2", False),
    ("StringEqualsIgnoreCase", "${aws:username}", "ALICE", True),
    ("StringNotEquals", "${aws:username}", "bob", True),
    ("StringNotEquals", "${aws:username}", "alice", False),
    ("StringLike", "home/${aws:username}/*", "home/alice/x", True),
    ("StringLike", "home/${aws:username}/*", "home/bob/x", False),
    ("StringLike", "${*}*", "*x", True),
    ("StringLike", "${*}*", "yx", False),
    ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/alice", True),
    ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/bob", False),
    ("ForAllValues:StringLike", "${aws:username}*", "alice1", True),
]


@pytest.mark.parametrize(("operator", "value", "given", "holds"), VALUES)
def test_variables_in_values(operator: str, value: str, given: str, holds: bool) -> None:
    condition = compile_condition(operator, "aws:Key", (value,), variables=True)
    assert condition.holds({"aws:key": (given,), "aws:username": ("alice",)}.get) is holds
    old = compile_condition(operator, "aws:Key", (value,), variables=False)
    assert old.holds({"aws:key": (value,), "aws:username": ("alice",)}.get) is not operator.startswith("StringNot")
