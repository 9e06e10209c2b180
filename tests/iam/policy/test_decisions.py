"""Who may do what, as AWS documents it: one line a case.

Bucket `b` is of the account HOME; alice, bob, root and the role of `session` are of it, mallory, stranger (a root) and
`visitor` (a session) of another. A case says who asks, with which policies, of a bucket with which policy, for what
(GetObject on b/k where nothing is said), and what decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from objstore.iam.policy import Decision, Grants, Kind, Reason, decide
from tests.iam.policy.language import CALLERS, HOME, asked, policy

ROOT, IDENTITY, RESOURCE = Reason.ROOT, Reason.IDENTITY, Reason.RESOURCE
DENIED, NOTHING = Reason.EXPLICIT_DENY, Reason.IMPLICIT_DENY
BOUNDARY, SESSION = Reason.BOUNDARY, Reason.SESSION
HALF_MINE, HALF_THEIRS = Reason.NO_RESOURCE_ALLOWS, Reason.NO_IDENTITY_ALLOWS

GET = "Allow s3:GetObject on b/*"
ALL = "Allow * on *"
NO_GET = "Deny s3:GetObject on b/*"


@dataclass(frozen=True)
class Case:
    who: str
    outcome: Reason
    identity: str = ""
    bucket: str = ""
    boundary: str = ""
    session: str | None = None
    action: str = "s3:GetObject"
    resource: str = "b/k"
    keys: tuple[tuple[str, Any], ...] = ()
    owner: str = HOME

    def __str__(self) -> str:
        parts = {name: getattr(self, name) for name in ("identity", "bucket", "boundary", "session")}
        given = ", ".join(f"{name}: {text}" for name, text in parts.items() if text)
        return f"{self.who} {self.action} {self.resource} [{given}]"


def decided(case: Case) -> Decision:
    def compiled(text: str, kind: Kind) -> Any:
        return policy(text, kind, name=kind.value)

    grants = Grants(
        identity=(compiled(case.identity, Kind.IDENTITY),) if case.identity else (),
        boundary=compiled(case.boundary, Kind.BOUNDARY) if case.boundary else None,
        session=None if case.session is None else (compiled(case.session, Kind.SESSION),) if case.session else (),
    )
    bucket = compiled(case.bucket, Kind.RESOURCE) if case.bucket else None
    request = asked(case.action, case.resource, **dict(case.keys))
    return decide(request, CALLERS[case.who], grants, resource_policy=bucket, owner_account=case.owner)


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics.html
ONE_ACCOUNT = [
    Case("alice", NOTHING),
    Case("alice", IDENTITY, GET),
    Case("alice", IDENTITY, ALL),
    Case("alice", NOTHING, "Allow s3:PutObject on b/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on c/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on b"),
    Case("alice", RESOURCE, bucket=f"{GET} for alice"),
    Case("alice", NOTHING, bucket=f"{GET} for bob"),
    Case("bob", RESOURCE, bucket=f"{GET} for alice,bob"),
    Case("alice", RESOURCE, bucket=f"{GET} for *"),
    Case("alice", RESOURCE, bucket=f"{GET} for aws*"),
    Case("alice", RESOURCE, "Allow s3:PutObject on b/*", f"{GET} for alice"),
    Case("alice", RESOURCE, GET, f"{GET} for alice"),
    Case("alice", DENIED, f"{GET}; {NO_GET}"),
    Case("alice", DENIED, f"{NO_GET}; {GET}"),
    Case("alice", DENIED, NO_GET),
    Case("alice", DENIED, GET, f"{NO_GET} for alice"),
    Case("alice", DENIED, GET, f"{NO_GET} for *"),
    Case("alice", DENIED, GET, f"{NO_GET} for aws*"),
    Case("alice", DENIED, GET, f"{NO_GET} for home"),
    Case("alice", DENIED, GET, f"{NO_GET} for home-root"),
    Case("alice", DENIED, GET, f"{NO_GET} for home-owner"),
    Case("alice", IDENTITY, GET, f"{NO_GET} for bob"),
    Case("alice", IDENTITY, GET, f"{NO_GET} for away"),
    Case("alice", DENIED, NO_GET, f"{GET} for alice"),
    Case("alice", DENIED, ALL, f"Deny s3:* on b,b/* for alice; {GET} for alice"),
    Case("session", IDENTITY, GET),
    Case("session", NOTHING),
    Case("session", DENIED, f"{ALL}; {NO_GET}"),
    Case("session", RESOURCE, bucket=f"{GET} for role"),
    Case("session", RESOURCE, bucket=f"{GET} for session"),
    Case("session", RESOURCE, bucket=f"{GET} for *"),
    Case("session", DENIED, GET, f"{NO_GET} for role"),
    Case("session", DENIED, GET, f"{NO_GET} for session"),
    Case("session", DENIED, GET, f"{NO_GET} for home"),
    Case("anybody", NOTHING),
    Case("anybody", RESOURCE, bucket=f"{GET} for *"),
    Case("anybody", RESOURCE, bucket=f"{GET} for aws*"),
    Case("anybody", NOTHING, bucket=f"{GET} for alice,home"),
    Case("anybody", DENIED, bucket=f"{GET} for *; {NO_GET} for *"),
    Case("anybody", RESOURCE, bucket=f"{GET} for *; {NO_GET} for alice"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
DELEGATION = [
    Case("alice", NOTHING, bucket=f"{GET} for home"),
    Case("alice", NOTHING, bucket=f"{GET} for home-root"),
    Case("alice", NOTHING, bucket=f"{GET} for home-owner"),
    Case("alice", IDENTITY, GET, f"{GET} for home"),
    Case("alice", RESOURCE, bucket=f"{GET} for home; {GET} for alice"),
    Case("mallory", HALF_THEIRS, bucket=f"{GET} for away"),
    Case("mallory", RESOURCE, GET, f"{GET} for away"),
    Case("mallory", RESOURCE, GET, f"{GET} for 444455556666"),
    Case("mallory", RESOURCE, GET, f"{GET} for away-owner"),
    Case("stranger", RESOURCE, bucket=f"{GET} for away"),
    Case("stranger", RESOURCE, bucket=f"{GET} for away-owner"),
    Case("visitor", RESOURCE, GET, f"{GET} for away"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
TWO_ACCOUNTS = [
    Case("mallory", NOTHING),
    Case("mallory", HALF_MINE, GET),
    Case("mallory", HALF_MINE, ALL),
    Case("mallory", HALF_THEIRS, bucket=f"{GET} for mallory"),
    Case("mallory", HALF_THEIRS, bucket=f"{GET} for *"),
    Case("mallory", RESOURCE, GET, f"{GET} for mallory"),
    Case("mallory", RESOURCE, GET, f"{GET} for *"),
    Case("mallory", HALF_MINE, GET, f"{GET} for alice"),
    Case("mallory", HALF_MINE, GET, "Allow s3:PutObject on b/* for mallory"),
    Case("mallory", DENIED, GET, f"{GET} for mallory; {NO_GET} for mallory"),
    Case("mallory", DENIED, GET, f"{GET} for mallory; {NO_GET} for away"),
    Case("mallory", DENIED, f"{GET}; {NO_GET}", f"{GET} for mallory"),
    Case("mallory", DENIED, NO_GET),
    Case("mallory", BOUNDARY, GET, f"{GET} for mallory", "Allow s3:PutObject on *"),
    Case("mallory", RESOURCE, GET, f"{GET} for mallory", "Allow s3:* on *"),
    Case("mallory", DENIED, GET, f"{GET} for mallory", "Allow s3:* on *; Deny s3:Get* on *"),
    Case("visitor", HALF_MINE, GET),
    Case("visitor", RESOURCE, GET, f"{GET} for guest-role"),
    Case("visitor", RESOURCE, GET, f"{GET} for visitor"),
    Case("visitor", HALF_THEIRS, bucket=f"{GET} for visitor"),
    Case("visitor", SESSION, GET, f"{GET} for visitor", session="Allow s3:PutObject on *"),
    Case("visitor", RESOURCE, GET, f"{GET} for visitor", session=GET),
    Case("visitor", SESSION, GET, f"{GET} for visitor", session=""),
    Case("stranger", HALF_MINE),
    Case("stranger", DENIED, bucket=f"{GET} for away; {NO_GET} for *"),
    Case("stranger", HALF_MINE, bucket=f"{GET} for home"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
BOUNDARIES = [
    Case("alice", IDENTITY, GET, boundary="Allow s3:* on *"),
    Case("alice", IDENTITY, ALL, boundary=GET),
    Case("alice", BOUNDARY, GET, boundary="Allow s3:PutObject on *"),
    Case("alice", BOUNDARY, GET, boundary="Allow s3:GetObject on c/*"),
    Case("alice", BOUNDARY, ALL, boundary="Allow iam:* on *"),
    Case("alice", NOTHING, boundary="Allow s3:* on *"),
    Case("alice", NOTHING, boundary=GET),
    Case("alice", DENIED, GET, boundary=f"{ALL}; {NO_GET}"),
    Case("alice", DENIED, boundary=NO_GET),
    Case("alice", RESOURCE, bucket=f"{GET} for alice", boundary="Allow s3:PutObject on *"),
    Case("alice", RESOURCE, GET, f"{GET} for alice", "Allow s3:PutObject on *"),
    Case("alice", DENIED, bucket=f"{GET} for alice", boundary=f"{ALL}; {NO_GET}"),
    Case("alice", RESOURCE, bucket=f"{GET} for *", boundary="Allow s3:PutObject on *"),
    Case("alice", BOUNDARY, GET, f"{GET} for home", "Allow s3:PutObject on *"),
    Case("session", BOUNDARY, GET, boundary="Allow s3:PutObject on *"),
    Case("session", NOTHING, bucket=f"{GET} for role", boundary="Allow s3:PutObject on *"),
    Case("session", RESOURCE, bucket=f"{GET} for role", boundary=GET),
    Case("session", RESOURCE, bucket=f"{GET} for session", boundary="Allow s3:PutObject on *"),
    Case("session", RESOURCE, bucket=f"{GET} for role; {GET} for session", boundary="Allow s3:PutObject on *"),
    Case("root", ROOT, boundary="Allow s3:PutObject on *"),
    Case("root", ROOT, boundary="Deny * on *"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
SESSIONS = [
    Case("session", IDENTITY, GET, session=GET),
    Case("session", IDENTITY, ALL, session=GET),
    Case("session", SESSION, ALL, session="Allow s3:PutObject on *"),
    Case("session", SESSION, ALL, session=""),
    Case("session", NOTHING, session=GET),
    Case("session", NOTHING, session=ALL),
    Case("session", DENIED, ALL, session=f"{ALL}; {NO_GET}"),
    Case("session", DENIED, ALL, session=NO_GET),
    Case("session", NOTHING, bucket=f"{GET} for role", session="Allow s3:PutObject on *"),
    Case("session", RESOURCE, bucket=f"{GET} for role", session=GET),
    Case("session", RESOURCE, bucket=f"{GET} for session", session="Allow s3:PutObject on *"),
    Case("session", DENIED, bucket=f"{GET} for session", session=NO_GET),
    Case("session", SESSION, GET, boundary=GET, session="Allow s3:PutObject on *"),
    Case("session", BOUNDARY, GET, boundary="Allow s3:PutObject on *", session=GET),
    Case("session", IDENTITY, GET, boundary=GET, session=GET),
    # A service account is its user behind a policy of its own.
    Case("alice", IDENTITY, ALL, session=GET),
    Case("alice", SESSION, ALL, session="Allow s3:PutObject on *"),
    Case("alice", NOTHING, bucket=f"{GET} for alice", session="Allow s3:PutObject on *"),
    Case("alice", RESOURCE, bucket=f"{GET} for alice", session=GET),
    Case("alice", DENIED, ALL, session=f"{ALL}; {NO_GET}"),
    Case("root", ROOT, session=GET),
    Case("root", SESSION, session="Allow s3:PutObject on *"),
    Case("root", SESSION, session=""),
    Case("root", DENIED, session=f"{ALL}; {NO_GET}"),
    Case("stranger", SESSION, bucket=f"{GET} for away", session="Allow s3:PutObject on *"),
    Case("stranger", RESOURCE, bucket=f"{GET} for away", session=GET),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user.html
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
ROOTS = [
    Case("root", ROOT),
    Case("root", ROOT, action="s3:DeleteBucket", resource="b"),
    Case("root", ROOT, action="iam:CreateUser", resource="arn:aws:iam::111122223333:user/x"),
    Case("root", DENIED, bucket=f"{NO_GET} for *"),
    Case("root", DENIED, bucket=f"{NO_GET} for home-root"),
    Case("root", DENIED, bucket=f"{NO_GET} for home"),
    Case("root", ROOT, bucket=f"{NO_GET} for alice"),
    Case("root", ROOT, NO_GET),
    *(
        Case("root", ROOT, bucket="Deny s3:* on b,b/* for *", action=f"s3:{verb}BucketPolicy", resource="b")
        for verb in ("Get", "Put", "Delete")
    ),
    Case("root", DENIED, bucket="Deny s3:* on b,b/* for *", action="s3:GetBucketAcl", resource="b"),
    Case("root", DENIED, bucket="Deny s3:* on b,b/* for *", action="s3:GetBucketPolicyStatus", resource="b"),
    Case("alice", DENIED, ALL, bucket="Deny s3:* on b,b/* for *", action="s3:PutBucketPolicy", resource="b"),
    Case("stranger", DENIED, bucket="Deny s3:* on b,b/* for *", action="s3:PutBucketPolicy", resource="b"),
    Case("stranger", HALF_MINE, action="s3:PutBucketPolicy", resource="b"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
NOT_PRINCIPAL = [
    Case("alice", IDENTITY, GET, f"{NO_GET} for !alice,home"),
    Case("alice", DENIED, GET, f"{NO_GET} for !alice"),
    Case("alice", DENIED, GET, f"{NO_GET} for !home"),
    Case("bob", DENIED, GET, f"{NO_GET} for !alice,home"),
    Case("root", ROOT, bucket=f"{NO_GET} for !home"),
    Case("root", ROOT, bucket=f"{NO_GET} for !alice,home-root"),
    Case("root", DENIED, bucket=f"{NO_GET} for !alice"),
    Case("session", IDENTITY, GET, f"{NO_GET} for !session,role,home"),
    Case("session", DENIED, GET, f"{NO_GET} for !role,home"),
    Case("session", DENIED, GET, f"{NO_GET} for !session,home"),
    Case("mallory", DENIED, GET, f"{NO_GET} for !alice,home; {GET} for mallory"),
    Case("mallory", RESOURCE, GET, f"{NO_GET} for !mallory,away; {GET} for mallory"),
    Case("anybody", DENIED, bucket=f"{GET} for *; {NO_GET} for !alice,home"),
    Case("logging", DENIED, bucket=f"{GET} for logging; {NO_GET} for !alice,home"),
    Case("logging", RESOURCE, bucket=f"{GET} for logging; {NO_GET} for !logging"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
ACTIONS = [
    Case("alice", IDENTITY, "Allow s3:* on *"),
    Case("alice", IDENTITY, "Allow s3:Get* on *"),
    Case("alice", IDENTITY, "Allow s3:*Object on *"),
    Case("alice", IDENTITY, "Allow s3:Get?bject on *"),
    Case("alice", IDENTITY, "Allow S3:GETOBJECT on *"),
    Case("alice", IDENTITY, "Allow s3:getobject on *"),
    Case("alice", IDENTITY, "Allow s3:PutObject,s3:GetObject on *"),
    Case("alice", NOTHING, "Allow s3:GetObject? on *"),
    Case("alice", NOTHING, "Allow s3:GetObjec on *"),
    Case("alice", NOTHING, "Allow s3:GetObjectAcl on *"),
    Case("alice", NOTHING, "Allow iam:* on *"),
    Case("alice", IDENTITY, "Allow !s3:PutObject on *"),
    Case("alice", NOTHING, "Allow !s3:GetObject on *"),
    Case("alice", NOTHING, "Allow !s3:Get* on *"),
    Case("alice", IDENTITY, "Allow !iam:* on *"),
    Case("alice", IDENTITY, "Allow !iam:*,sts:* on *", action="s3:PutObject"),
    Case("alice", NOTHING, "Allow !iam:*,s3:* on *"),
    Case("alice", DENIED, f"{ALL}; Deny !s3:PutObject on *"),
    Case("alice", IDENTITY, f"{ALL}; Deny !s3:GetObject on *"),
    Case("alice", NOTHING, "Deny !s3:GetObject on *"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
RESOURCES = [
    Case("alice", IDENTITY, "Allow s3:GetObject on b/k"),
    Case("alice", IDENTITY, "Allow s3:GetObject on *"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b*"),
    Case("alice", IDENTITY, "Allow s3:GetObject on */k"),
    Case("alice", IDENTITY, "Allow s3:GetObject on ?/?"),
    Case("alice", IDENTITY, "Allow s3:GetObject on c/*,b/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on b/K"),
    Case("alice", NOTHING, "Allow s3:GetObject on B/k"),
    Case("alice", NOTHING, "Allow s3:GetObject on b/"),
    Case("alice", NOTHING, "Allow s3:GetObject on b/k?"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b/*", resource="b/a/b/c"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b/*", resource="b/"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b/a*z", resource="b/a/b/z"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b/*", resource="b/a:b\nc"),
    Case("alice", IDENTITY, "Allow s3:GetObject on b/?", resource="b/é"),
    Case("alice", IDENTITY, "Allow s3:GetObject on arn:aws:s3::*:b/*"),
    Case("alice", IDENTITY, "Allow s3:GetObject on arn:aws:s3:::*"),
    Case("alice", IDENTITY, "Allow s3:GetObject on arn:aws:s3"),
    Case("alice", NOTHING, "Allow s3:GetObject on arn:aws:s3::*:c/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on arn:aws-cn:s3:::b/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on arn:aws:iam::*:user/*"),
    Case("alice", IDENTITY, "Allow s3:GetObject on !c/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on !b/*"),
    Case("alice", NOTHING, "Allow s3:GetObject on !c/*,b/k"),
    Case("alice", NOTHING, "Allow s3:GetObject on !*"),
    Case("alice", DENIED, f"{ALL}; Deny s3:* on !c,c/*"),
    Case("alice", IDENTITY, f"{ALL}; Deny s3:* on !b,b/*"),
    Case("alice", IDENTITY, "Allow s3:ListBucket on b", action="s3:ListBucket", resource="b"),
    Case("alice", NOTHING, "Allow s3:ListBucket on b/*", action="s3:ListBucket", resource="b"),
    Case("alice", NOTHING, "Allow s3:ListBucket on b", action="s3:ListBucket", resource="bb"),
    Case(
        "alice",
        IDENTITY,
        "Allow iam:GetUser on arn:aws:iam::*:user/${aws:username}",
        action="iam:GetUser",
        resource="arn:aws:iam::111122223333:user/alice",
    ),
    Case(
        "alice",
        NOTHING,
        "Allow iam:GetUser on arn:aws:iam::*:user/${aws:username}",
        action="iam:GetUser",
        resource="arn:aws:iam::111122223333:user/bob",
    ),
]


def key(name: str, *values: str) -> tuple[tuple[str, Any], ...]:
    return ((name, values),)


# https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-policies-s3.html
EXAMPLES = [
    # HTTPS only
    *(
        Case(who, outcome, GET, "Deny s3:* on b,b/* for * if Bool aws:SecureTransport=false", keys=given)
        for who, outcome, given in (
            ("alice", IDENTITY, key("aws__SecureTransport", "true")),
            ("alice", DENIED, key("aws__SecureTransport", "false")),
            ("root", DENIED, key("aws__SecureTransport", "false")),
            ("root", ROOT, key("aws__SecureTransport", "true")),
        )
    ),
    # a range of addresses, with a hole
    *(
        Case("anybody", outcome, "", f"{GET} for * if {conditions}", keys=key("aws__SourceIp", address))
        for conditions in ("IpAddress aws:SourceIp=192.0.2.0/24 and NotIpAddress aws:SourceIp=192.0.2.188/32",)
        for address, outcome in (("192.0.2.7", RESOURCE), ("192.0.2.188", NOTHING), ("203.0.113.1", NOTHING))
    ),
    # a referer
    *(
        Case("anybody", outcome, "", f"{GET} for * if StringLike aws:Referer=http://www.example.com/*", keys=given)
        for outcome, given in (
            (RESOURCE, key("aws__Referer", "http://www.example.com/page")),
            (NOTHING, key("aws__Referer", "http://evil.example.com/")),
            (NOTHING, ()),
        )
    ),
    # a home directory
    *(
        Case(who, outcome, text, action="s3:ListBucket", resource="b", keys=key("s3__prefix", prefix))
        for text in ("Allow s3:ListBucket on b if StringLike s3:prefix=|home/|home/${aws:username}/*",)
        for who, prefix, outcome in (
            ("alice", "", IDENTITY),
            ("alice", "home/", IDENTITY),
            ("alice", "home/alice/", IDENTITY),
            ("alice", "home/alice/x/", IDENTITY),
            ("alice", "home/alice", NOTHING),
            ("alice", "home/bob/", NOTHING),
            ("bob", "home/bob/", IDENTITY),
            ("session", "home/alice/", NOTHING),
        )
    ),
    # listing without a prefix
    Case(
        "alice",
        NOTHING,
        "Allow s3:ListBucket on b if StringLike s3:prefix=home/*",
        action="s3:ListBucket",
        resource="b",
    ),
    # no more than ten keys
    *(
        Case("alice", outcome, text, action="s3:ListBucket", resource="b", keys=given)
        for text in ("Allow s3:ListBucket on b if NumericLessThanEquals s3:max-keys=10",)
        for outcome, given in (
            (IDENTITY, key("s3__max-keys", "10")),
            (NOTHING, key("s3__max-keys", "11")),
            (NOTHING, ()),
        )
    ),
    # full control for the bucket's owner
    *(
        Case(
            "mallory",
            outcome,
            "Allow s3:PutObject on b/*",
            "Allow s3:PutObject on b/* for away if StringEquals s3:x-amz-acl=bucket-owner-full-control",
            action="s3:PutObject",
            keys=given,
        )
        for outcome, given in (
            (RESOURCE, key("s3__x-amz-acl", "bucket-owner-full-control")),
            (HALF_MINE, key("s3__x-amz-acl", "private")),
            (HALF_MINE, ()),
        )
    ),
    # encryption with a KMS key, or none at all
    *(
        Case(
            "alice",
            outcome,
            ALL,
            "Deny s3:PutObject on b/* for * if Null s3:x-amz-server-side-encryption=true; "
            "Deny s3:PutObject on b/* for * if StringNotEquals s3:x-amz-server-side-encryption=aws:kms",
            action="s3:PutObject",
            keys=given,
        )
        for outcome, given in (
            (IDENTITY, key("s3__x-amz-server-side-encryption", "aws:kms")),
            (DENIED, key("s3__x-amz-server-side-encryption", "AES256")),
            (DENIED, ()),
        )
    ),
    # objects with a tag
    *(
        Case("alice", outcome, f"{GET} if StringEquals s3:ExistingObjectTag/environment=production", keys=given)
        for outcome, given in (
            (IDENTITY, key("s3__ExistingObjectTag/environment", "production")),
            (NOTHING, key("s3__ExistingObjectTag/environment", "test")),
            (NOTHING, key("s3__ExistingObjectTag/other", "production")),
            (NOTHING, ()),
        )
    ),
    # only some tags, and at least one of them
    *(
        Case(
            "alice",
            outcome,
            "Allow s3:PutObjectTagging on b/* if ForAllValues:StringEquals s3:RequestObjectTagKeys=Owner|Created "
            "and ForAnyValue:StringEquals s3:RequestObjectTagKeys=Owner",
            action="s3:PutObjectTagging",
            keys=given,
        )
        for outcome, given in (
            (IDENTITY, key("s3__RequestObjectTagKeys", "Owner")),
            (IDENTITY, key("s3__RequestObjectTagKeys", "Owner", "Created")),
            (NOTHING, key("s3__RequestObjectTagKeys", "Created")),
            (NOTHING, key("s3__RequestObjectTagKeys", "Owner", "Other")),
            (NOTHING, ()),
        )
    ),
    # multi-factor authentication
    *(
        Case("alice", outcome, GET, f"{NO_GET} for * if Null aws:MultiFactorAuthAge=true", keys=given)
        for outcome, given in ((IDENTITY, key("aws__MultiFactorAuthAge", "30")), (DENIED, ()))
    ),
    # a copy only from one folder
    *(
        Case(
            "alice",
            outcome,
            bucket="Allow s3:PutObject on b/* for alice; "
            "Deny s3:PutObject on b/* for alice if StringNotLike s3:x-amz-copy-source=b/public/*",
            action="s3:PutObject",
            keys=given,
        )
        for outcome, given in (
            (RESOURCE, key("s3__x-amz-copy-source", "b/public/k")),
            (DENIED, key("s3__x-amz-copy-source", "b/private/k")),
            (DENIED, ()),
        )
    ),
    # a signature that is not old
    *(
        Case("alice", outcome, GET, f"{NO_GET} for * if NumericGreaterThan s3:signatureAge=600000", keys=given)
        for outcome, given in (
            (IDENTITY, key("s3__signatureAge", "1000")),
            (DENIED, key("s3__signatureAge", "600001")),
            (IDENTITY, ()),
        )
    ),
    # only through the organisation's roles, except for one
    Case("session", IDENTITY, GET, f"{NO_GET} for * if StringNotLike aws:userid=AROABUILDER:*|{HOME}"),
    Case("alice", DENIED, GET, f"{NO_GET} for * if StringNotLike aws:userid=AROABUILDER:*|{HOME}"),
    Case("root", ROOT, bucket=f"{NO_GET} for * if StringNotLike aws:userid=AROABUILDER:*|{HOME}"),
]
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
CALLER_KEYS = [
    *(
        Case(who, outcome, bucket=f"{GET} for * if {condition}")
        for who, condition, outcome in (
            ("alice", f"StringEquals aws:PrincipalAccount={HOME}", RESOURCE),
            ("anybody", f"StringEquals aws:PrincipalAccount={HOME}", NOTHING),
            ("alice", f"ArnEquals aws:PrincipalArn=arn:aws:iam::{HOME}:user/alice", RESOURCE),
            ("bob", f"ArnLike aws:PrincipalArn=arn:aws:iam::{HOME}:user/team/*", RESOURCE),
            ("alice", f"ArnLike aws:PrincipalArn=arn:aws:iam::{HOME}:user/team/*", NOTHING),
            ("session", f"ArnEquals aws:PrincipalArn=arn:aws:iam::{HOME}:role/builder", RESOURCE),
            ("session", f"ArnLike aws:PrincipalArn=arn:aws:sts::{HOME}:assumed-role/*", NOTHING),
            ("anybody", "Null aws:PrincipalArn=true", RESOURCE),
            ("alice", "StringEquals aws:username=alice", RESOURCE),
            ("session", "Null aws:username=true", RESOURCE),
            ("alice", "StringEquals aws:PrincipalType=User", RESOURCE),
            ("session", "StringEquals aws:PrincipalType=AssumedRole", RESOURCE),
            ("anybody", "StringEquals aws:PrincipalType=Anonymous", RESOURCE),
            ("anybody", "StringEquals aws:userid=anonymous", RESOURCE),
            ("alice", "Bool aws:PrincipalIsAWSService=false", RESOURCE),
            ("logging", "Bool aws:PrincipalIsAWSService=true", RESOURCE),
            ("logging", "StringEquals aws:PrincipalServiceName=logging.s3.amazonaws.com", RESOURCE),
        )
    ),
    Case("root", DENIED, bucket=f"{NO_GET} for * if StringEquals aws:PrincipalType=Account"),
    Case("root", DENIED, bucket=f"{NO_GET} for * if ArnEquals aws:PrincipalArn=arn:aws:iam::{HOME}:root"),
    Case("root", DENIED, bucket=f"{NO_GET} for * if StringEquals aws:userid={HOME}"),
]
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
SERVICES = [
    Case("logging", NOTHING, action="s3:PutObject"),
    Case("logging", RESOURCE, bucket="Allow s3:PutObject on b/* for logging", action="s3:PutObject"),
    Case("logging", NOTHING, bucket="Allow s3:PutObject on b/* for aws*", action="s3:PutObject"),
    Case("logging", NOTHING, bucket="Allow s3:PutObject on b/* for home", action="s3:PutObject"),
    Case("logging", NOTHING, bucket="Allow s3:PutObject on b/logs/* for logging", action="s3:PutObject"),
    Case("logging", DENIED, bucket="Allow s3:* on b/* for logging; Deny s3:* on b/* for *", action="s3:PutObject"),
    Case("logging", DENIED, bucket="Allow s3:* on b/* for logging; Deny s3:* on b/* for aws*", action="s3:PutObject"),
    *(
        Case(
            "logging",
            outcome,
            bucket="Allow s3:PutObject on b/* for logging if ArnLike aws:SourceArn=arn:aws:s3:::src "
            "and StringEquals aws:SourceAccount=testid",
            action="s3:PutObject",
            keys=(*key("aws__SourceArn", arn), *key("aws__SourceAccount", account)),
        )
        for arn, account, outcome in (
            ("arn:aws:s3:::src", "testid", RESOURCE),
            ("arn:aws:s3:::kaboom", "testid", NOTHING),
            ("arn:aws:s3:::src", "kaboom", NOTHING),
        )
    ),
    Case("alice", NOTHING, bucket="Allow s3:PutObject on b/* for logging", action="s3:PutObject"),
]
TABLE = [
    *ONE_ACCOUNT,
    *DELEGATION,
    *TWO_ACCOUNTS,
    *BOUNDARIES,
    *SESSIONS,
    *ROOTS,
    *NOT_PRINCIPAL,
    *ACTIONS,
    *RESOURCES,
    *EXAMPLES,
    *CALLER_KEYS,
    *SERVICES,
]


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_a_decision(case: Case) -> None:
    decision = decided(case)
    assert decision.reason is case.outcome
    assert decision.allowed is (case.outcome in (ROOT, IDENTITY, RESOURCE))
    assert str(decision).startswith("allowed" if decision.allowed else "denied")


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (Case("root", ROOT), "allowed: root of the account that owns the resource"),
        (Case("alice", IDENTITY, GET), 'allowed by statement 1 of identity policy "identity"'),
        (Case("alice", DENIED, f"{ALL}; {NO_GET}"), 'denied by statement 2 of identity policy "identity"'),
        (Case("alice", NOTHING), "denied: no policy allows it"),
        (
            Case("alice", BOUNDARY, GET, boundary="Allow s3:PutObject on *"),
            'denied: statement 1 of identity policy "identity" allows it, but the permissions boundary does not',
        ),
        (
            Case("mallory", HALF_THEIRS, bucket=f"{GET} for mallory"),
            'denied: statement 1 of resource policy "resource" allows it, but no policy of the caller, who is of '
            "another account, does",
        ),
        (
            Case("stranger", HALF_MINE),
            "denied: the root of the caller's account allows it, but the resource is of another account and its "
            "policy does not",
        ),
    ],
    ids=str,
)
def test_a_decision_says_why(case: Case, text: str) -> None:
    assert str(decided(case)) == text


def test_a_decision_names_policy_and_statement() -> None:
    decision = decided(Case("alice", DENIED, f"{ALL}; {NO_GET}"))
    assert (decision.policy, decision.statement) == ("identity", "2")
    assert (Decision(NOTHING).policy, Decision(NOTHING).statement) == (None, None)
