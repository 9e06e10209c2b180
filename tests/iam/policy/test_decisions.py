"""Who may do what, as AWS documents it: one line a case.

Bucket `b` is of the account HOME; alice, bob and the role of `session` are of it, mallory and `visitor` of another.
"""

from __future__ import annotations

from objstore.iam.policy import Grants, Kind, Reason, decide
from tests.iam.policy.language import CALLERS, HOME, asked, policy


def reason(who: str, action: str, resource: str, *, identity: str = "", bucket: str = "") -> Reason:
    grants = Grants(identity=(policy(identity),) if identity else ())
    resource_policy = policy(bucket, Kind.RESOURCE) if bucket else None
    decision = decide(
        asked(action, resource), CALLERS[who], grants, resource_policy=resource_policy, owner_account=HOME
    )
    assert decision.allowed is str(decision).startswith("allowed")
    return decision.reason


def test_either_side_allows_within_an_account() -> None:
    assert reason("alice", "s3:GetObject", "b/k") is Reason.IMPLICIT_DENY
    assert reason("alice", "s3:GetObject", "b/k", identity="Allow s3:GetObject on b/*") is Reason.IDENTITY
    assert reason("alice", "s3:GetObject", "b/k", bucket="Allow s3:GetObject on b/* for alice") is Reason.RESOURCE


def test_both_sides_allow_between_accounts() -> None:
    mine, theirs = "Allow s3:GetObject on b/*", "Allow s3:GetObject on b/* for mallory"
    assert reason("mallory", "s3:GetObject", "b/k", identity=mine) is Reason.NO_RESOURCE_ALLOWS
    assert reason("mallory", "s3:GetObject", "b/k", bucket=theirs) is Reason.NO_IDENTITY_ALLOWS
    assert reason("mallory", "s3:GetObject", "b/k", identity=mine, bucket=theirs) is Reason.RESOURCE
