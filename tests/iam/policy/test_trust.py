"""Who may assume a role: its trust policy decides, and the caller's own where it only delegates.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_manage-assume.html
"""

from __future__ import annotations

import pytest

from objstore.iam.policy import Caller, Grants, Kind, Reason, decide
from tests.iam.policy.language import ALICE, CALLERS, HOME, OIDC, asked, policy

ROLE = f"arn:aws:iam::{HOME}:role/target"
MAY = f"Allow sts:AssumeRole on {ROLE}"
TRUST = "Allow sts:AssumeRole"
YES, BY_IDENTITY, DENIED, NOTHING = Reason.RESOURCE, Reason.IDENTITY, Reason.EXPLICIT_DENY, Reason.IMPLICIT_DENY

CASES = [
    ("alice", "", f"{TRUST} for alice", YES),
    ("alice", "", f"{TRUST} for bob", NOTHING),
    ("alice", MAY, f"{TRUST} for bob", NOTHING),
    ("alice", "Allow * on *", f"{TRUST} for bob", NOTHING),
    ("alice", "", f"{TRUST} for home", NOTHING),
    ("alice", MAY, f"{TRUST} for home", BY_IDENTITY),
    ("alice", "", f"{TRUST} for aws*", YES),
    ("alice", f"Deny sts:AssumeRole on {ROLE}", f"{TRUST} for alice", DENIED),
    ("alice", MAY, f"{TRUST} for alice; Deny sts:AssumeRole for home", DENIED),
    ("root", "", f"{TRUST} for bob", NOTHING),
    ("root", "", f"{TRUST} for home", YES),
    ("session", "", f"{TRUST} for role", YES),
    ("session", "", f"{TRUST} for session", YES),
    ("session", MAY, f"{TRUST} for alice", NOTHING),
    ("mallory", "", f"{TRUST} for mallory", YES),
    ("mallory", "Deny sts:* on *", f"{TRUST} for mallory", DENIED),
    ("mallory", "", f"{TRUST} for away", Reason.NO_IDENTITY_ALLOWS),
    ("mallory", MAY, f"{TRUST} for away", YES),
    ("mallory", "", f"{TRUST} for aws*", Reason.NO_IDENTITY_ALLOWS),
    ("mallory", MAY, f"{TRUST} for aws*", YES),
    ("mallory", MAY, f"{TRUST} for alice", NOTHING),
    ("stranger", "", f"{TRUST} for away", YES),
    ("visitor", MAY, f"{TRUST} for guest-role", YES),
    ("anybody", "", f"{TRUST} for alice", NOTHING),
]


@pytest.mark.parametrize(("who", "identity", "trust", "outcome"), CASES)
def test_assuming_a_role(who: str, identity: str, trust: str, outcome: Reason) -> None:
    grants = Grants(identity=(policy(identity),) if identity else ())
    decision = decide(
        asked("sts:AssumeRole", ROLE),
        CALLERS[who],
        grants,
        resource_policy=policy(trust, Kind.TRUST),
        owner_account=HOME,
    )
    assert decision.reason is outcome


WEB = "Allow sts:AssumeRoleWithWebIdentity for federated"


@pytest.mark.parametrize(
    ("trust", "provider", "outcome"),
    [
        (WEB, OIDC, YES),
        (WEB, OIDC + ".evil.com", NOTHING),
        (f"{WEB} if StringEquals idp.example.com:aud=app", OIDC, YES),
        (f"{WEB} if StringEquals idp.example.com:aud=other", OIDC, NOTHING),
        (f"{WEB} if StringEquals idp.example.com:sub=jane", OIDC, NOTHING),
        (f"{WEB}; Deny sts:AssumeRoleWithWebIdentity for aws*", OIDC, DENIED),
        ("Allow sts:AssumeRoleWithWebIdentity for aws*", OIDC, NOTHING),
        ("Allow sts:AssumeRole for federated", OIDC, NOTHING),
    ],
)
def test_assuming_a_role_with_a_web_identity(trust: str, provider: str, outcome: Reason) -> None:
    caller = Caller("idp.example.com:jane", federated=provider)
    request = asked("sts:AssumeRoleWithWebIdentity", ROLE, **{"idp.example.com__aud": "app"})
    decision = decide(request, caller, Grants(), resource_policy=policy(trust, Kind.TRUST), owner_account=HOME)
    assert decision.reason is outcome


def test_names_without_an_account_are_of_the_owners() -> None:
    """As Ceph's gateway writes the names of users that belong to no account."""
    trust = policy(f"{TRUST} for arn:aws:iam:::user/alice", Kind.TRUST)
    elsewhere = Caller("arn:aws:iam::444455556666:user/alice", "444455556666", username="alice")
    nowhere = Caller("arn:aws:iam:::user/alice", "alice", username="alice")
    for caller, outcome in ((ALICE, YES), (elsewhere, NOTHING), (nowhere, YES)):
        request = asked("sts:AssumeRole", ROLE)
        assert decide(request, caller, Grants(), resource_policy=trust, owner_account=HOME).reason is outcome


def test_a_session_is_one_of_iam_or_of_sts() -> None:
    """Ceph's gateway knows the one, AWS the other; a Deny that names a session by either must hold."""
    session, mine = CALLERS["session"], Grants((policy("Allow * on *"),))
    for name in (session.arn, session.arn.replace(":sts:", ":iam:")):
        theirs = policy(f"Deny s3:GetObject on b/* for {name}", Kind.RESOURCE)
        decision = decide(asked("s3:GetObject", "b/k"), session, mine, resource_policy=theirs, owner_account=HOME)
        assert decision.reason is DENIED, name
