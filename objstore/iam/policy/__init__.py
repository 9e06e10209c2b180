"""The policy engine: AWS's policy language and its evaluation, as pure functions.

    policy = parse(text, Kind.IDENTITY, name="readers")
    decision = decide(asked, caller, Grants(identity=(policy,)), resource_policy=bucket_policy, owner_account=owner)
    decision.allowed, str(decision)

A policy is compiled once for each text. Nothing here knows a store, a request or a clock: what a decision depends on is
in its arguments.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies.html
"""

from objstore.iam.policy.bucket_rules import check_bucket
from objstore.iam.policy.decision import Decision, Reason
from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.evaluation import decide
from objstore.iam.policy.parsing import (
    BUCKET_LIMIT,
    GROUP_INLINE_LIMIT,
    MANAGED_LIMIT,
    ROLE_INLINE_LIMIT,
    SESSION_LIMIT,
    TRUST_LIMIT,
    USER_INLINE_LIMIT,
    parse,
    size,
)
from objstore.iam.policy.policy import Policy, Statement
from objstore.iam.policy.positions import Position, Span, statement_spans
from objstore.iam.policy.public import is_public
from objstore.iam.policy.simulation import Outcome, Simulated, outcome_of, simulate
from objstore.iam.policy.types import Asked, Caller, Grants, Keys, Kind, Values

__all__ = [
    "BUCKET_LIMIT",
    "GROUP_INLINE_LIMIT",
    "MANAGED_LIMIT",
    "ROLE_INLINE_LIMIT",
    "SESSION_LIMIT",
    "TRUST_LIMIT",
    "USER_INLINE_LIMIT",
    "Asked",
    "Caller",
    "Decision",
    "Fault",
    "Grants",
    "Keys",
    "Kind",
    "MalformedPolicy",
    "Outcome",
    "Policy",
    "Position",
    "Reason",
    "Simulated",
    "Span",
    "Statement",
    "Values",
    "check_bucket",
    "decide",
    "is_public",
    "outcome_of",
    "parse",
    "simulate",
    "size",
    "statement_spans",
]
