"""What the policy simulator tells beside the decision: statements that matched, keys nobody gave, and who stopped it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
"""

from __future__ import annotations

import json

import pytest

from objstore.iam.policy import Grants, Kind, Outcome, Simulated, parse, simulate, statement_spans
from tests.iam.policy.language import CALLERS, HOME, asked, policy


def simulated(
    who: str = "alice",
    *identity: str,
    bucket: str = "",
    boundary: str = "",
    session: str | None = None,
    **keys: str,
) -> Simulated:
    grants = Grants(
        tuple(policy(text, name=f"p{number}") for number, text in enumerate(identity, 1)),
        policy(boundary, Kind.BOUNDARY, name="boundary") if boundary else None,
        None if session is None else (policy(session, Kind.SESSION, name="session"),),
    )
    resource_policy = policy(bucket, Kind.RESOURCE, name="bucket") if bucket else None
    request = asked("s3:GetObject", "b/k", **keys)  # type: ignore[arg-type]
    return simulate(request, CALLERS[who], grants, resource_policy=resource_policy, owner_account=HOME)


def matched(found: Simulated) -> list[tuple[str, str]]:
    return [(placed.policy.name, placed.statement.label) for placed in found.matched]


GET = "Allow s3:GetObject on b/*"


def test_all_statements_that_allow_are_told() -> None:
    found = simulated("alice", f"Allow s3:PutObject on *; {GET}", "Allow s3:* on *", bucket=f"{GET} for alice")
    assert found.outcome is Outcome.ALLOWED
    assert matched(found) == [("p1", "2"), ("p2", "1"), ("bucket", "1")]


def test_of_a_denial_only_the_statements_that_deny() -> None:
    found = simulated("alice", GET, "Deny s3:Get* on *", bucket="Deny s3:* on b/* for *")
    assert found.outcome is Outcome.EXPLICIT_DENY
    assert matched(found) == [("p2", "1"), ("bucket", "1")]


def test_nothing_matches_what_nothing_allows() -> None:
    found = simulated("alice", "Allow s3:PutObject on *", bucket=f"{GET} for bob")
    assert (found.outcome, found.matched, found.missing) == (Outcome.IMPLICIT_DENY, (), ())


@pytest.mark.parametrize(
    ("boundary", "outcome", "allowed"),
    [("Allow s3:* on *", "allowed", True), ("Allow iam:* on *", "implicitDeny", False), ("", "allowed", None)],
)
def test_what_the_boundary_says(boundary: str, outcome: str, allowed: bool | None) -> None:
    found = simulated("alice", GET, boundary=boundary)
    assert (found.outcome, found.by_boundary) == (outcome, allowed)


def test_a_session_policy_limits() -> None:
    assert simulated("session", GET, session="Allow s3:PutObject on *").outcome is Outcome.IMPLICIT_DENY
    assert matched(simulated("session", GET, session=GET)) == [("p1", "1")]


def test_keys_that_nobody_gave() -> None:
    text = f"{GET} if IpAddress aws:SourceIp=10.0.0.0/8 and StringEquals aws:PrincipalTag/Team=${{aws:RequestTag/T}}"
    assert simulated("alice", text).missing == ("aws:SourceIp", "aws:PrincipalTag/Team", "aws:RequestTag/T")
    assert simulated("alice", text, aws__SourceIp="10.0.0.1").missing == ("aws:PrincipalTag/Team", "aws:RequestTag/T")


def test_keys_of_statements_about_something_else_are_not_missing() -> None:
    where = "if IpAddress aws:SourceIp=10.0.0.0/8"
    assert simulated("alice", f"Allow s3:PutObject on * {where}").missing == ()
    assert simulated("alice", f"Allow s3:GetObject on c/* {where}").missing == ()
    assert simulated("alice", bucket=f"{GET} for bob {where}").missing == ()
    assert simulated("alice", bucket=f"{GET} for alice {where}").missing == ("aws:SourceIp",)
    assert simulated("alice", "Allow s3:GetObject on b/${aws:username}/*").missing == ()


def test_both_sides_of_a_request_between_accounts() -> None:
    found = simulated("mallory", GET, bucket=f"{GET} for alice")
    assert found.by_side == {"IAM Policy": "allowed", "Resource Policy": "implicitDeny"}
    found = simulated("stranger", bucket="Deny s3:* on b/* for away")
    assert found.by_side == {"IAM Policy": "allowed", "Resource Policy": "explicitDeny"}
    assert simulated("alice", GET).by_side == {}


AWS_EXAMPLE = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":'
    '{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}'
)


def test_where_a_statement_stands_is_told_as_aws_does() -> None:
    """https://docs.aws.amazon.com/cli/latest/reference/iam/simulate-custom-policy.html"""
    assert statement_spans(AWS_EXAMPLE) == [((1, 38), (1, 167))]


def test_statements_are_found_whatever_the_text_looks_like() -> None:
    document = {
        "Id": 'a "Statement": [{}] {',
        "Statement": [
            {"Sid": "}{", "Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["*"], "Resource": "*", "Condition": {"Bool": {"Statement": "true"}}},
        ],
        "Version": "2012-10-17",
    }
    text = json.dumps(document, indent=4)
    assert len(parse(text.replace("}{", "x"), Kind.IDENTITY).statements) == 2
    lines = text.split("\n")
    for span, sid in zip(statement_spans(text), ("}{", None), strict=True):
        inside = "\n".join(lines[span.start.line - 1 : span.end.line]).strip().rstrip(",")
        assert json.loads(inside).get("Sid") == sid
