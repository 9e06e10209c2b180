"""Policies of every kind: read, compiled, and decided with."""

from __future__ import annotations

import base64
import json

from objstore.aws.post_policy import parse_policy
from objstore.iam.policy import Asked, Caller, Grants, Kind, MalformedPolicy, check_bucket, decide, is_public, parse
from objstore.iam.policy import statement_spans as spans
from tests.fuzz.target import Target, designed, pieces

_KINDS = {kind.value.encode(): kind for kind in Kind}
_RESOURCE = "arn:aws:s3:::bucket/home/ann/file"
_CALLERS = (
    Caller("arn:aws:iam::111111111111:user/ann", "111111111111", "c", user_id="AIDA", username="ann"),
    Caller("*", anonymous=True),
    Caller("arn:aws:sts::222222222222:assumed-role/r/s", "222222222222", role_arn="arn:aws:iam::222222222222:role/r"),
)
_KEYS = {
    "aws:sourceip": ("10.0.0.1",),
    "aws:currenttime": ("2026-01-01T00:00:00Z",),
    "aws:securetransport": ("false",),
    "s3:prefix": ("home/ann/",),
    "s3:max-keys": ("10",),
    "aws:principaltag/team": ("red",),
    "s3:requestobjecttag/a": ("b",),
    "aws:tagkeys": ("a", "b"),
}


def run(data: bytes) -> None:
    name, text = pieces(data, 2)
    if name == b"post":
        with designed():
            policy = parse_policy(base64.b64encode(text).decode())
            policy.check({"key": "a", "bucket": "b", "content-type": "c/d, e"}, frozenset({"file"}), 1_700_000_000)
        return
    kind = _KINDS.get(name)
    if kind is None:
        return
    try:
        policy = parse(text.decode("utf-8"), kind)
        if kind is Kind.RESOURCE:
            check_bucket(policy, "bucket")
    except (MalformedPolicy, UnicodeDecodeError):
        return
    is_public(policy)
    spans(policy.text)
    for action in ("s3:GetObject", "s3:ListBucket", "sts:AssumeRole", "sns:Publish"):
        asked = Asked(action, _RESOURCE, _KEYS)
        for caller in _CALLERS:
            grants = Grants(identity=(policy,)) if kind is Kind.IDENTITY else Grants(boundary=policy, session=(policy,))
            resource = policy if kind in (Kind.RESOURCE, Kind.TOPIC, Kind.TRUST) else None
            decision = decide(
                asked, caller, Grants() if resource else grants, resource_policy=resource, owner_account="1"
            )
            str(decision)


def _seed(kind: str, **statement: object) -> bytes:
    document = {"Version": "2012-10-17", "Id": "i", "Statement": [{"Sid": "s", "Effect": "Allow", **statement}]}
    return kind.encode() + b"\0" + json.dumps(document).encode()


_CONDITION = {
    "StringLike": {"s3:prefix": ["home/${aws:username}/*", "${aws:PrincipalTag/team, 'none'}"]},
    "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]},
    "NumericLessThanIfExists": {"s3:max-keys": "100"},
    "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
    "Bool": {"aws:SecureTransport": "false"},
    "ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]},
    "ForAllValues:StringNotLike": {"aws:TagKeys": "x*"},
    "Null": {"s3:x-amz-acl": "true"},
    "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/${*}"},
    "BinaryEquals": {"aws:x": "QmFzZTY0"},
}
_POST = (
    '["eq","$key","a"]',
    '["starts-with","$content-type","c/"],{"bucket":"b"},{"key":"\\$a"}',
    '["content-length-range",0,1e3],{"key":"a"},["starts-with","$key",""]',
    '{"key":"\\ud83d\\ude00"}',
)
TARGET = Target(
    "policies",
    run,
    (
        *(f'post\0{{"expiration":"2030-01-01T00:00:00.000Z","conditions":[{one}]}}'.encode() for one in _POST),
        _seed("identity", Action="s3:*", Resource="*"),
        _seed("identity", NotAction=["s3:Get*", "iam:?"], NotResource="arn:aws:s3:::b/*", Condition=_CONDITION),
        _seed("resource", Action="s3:GetObject", Resource="arn:aws:s3:::bucket/*", Principal="*", Condition=_CONDITION),
        _seed(
            "resource",
            Action=["s3:ListBucket"],
            Resource=["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/${aws:userid}/?*"],
            Principal={"AWS": ["111111111111", "arn:aws:iam::222222222222:role/r"], "CanonicalUser": "c"},
        ),
        _seed("resource", Action="s3:PutObject", Resource="*", NotPrincipal={"Service": "logging.s3.amazonaws.com"}),
        _seed("topic", Action="sns:Publish", Resource="*", Principal={"Service": "s3.amazonaws.com"}),
        _seed(
            "trust", Action="sts:AssumeRoleWithWebIdentity", Principal={"Federated": "arn:aws:iam::1:oidc-provider/h"}
        ),
        _seed("boundary", Action="*", Resource="*"),
        _seed("session", Action="s3:GetObject", Resource="arn:aws:s3:::bucket/a*b*c*d"),
    ),
    words=(
        *('"Version":"2012-10-17"', '"Version":"2008-10-17"', '"Statement":[', '"Effect":"Deny"', '"Action":', "s3:"),
        *('"NotAction":', '"Resource":', '"NotResource":', '"Principal":', '"NotPrincipal":', '"Condition":', '"AWS":'),
        *("arn:aws:s3:::", "arn:aws:iam::", "${aws:username}", "${*}", "ForAnyValue:", "ForAllValues:", "IfExists"),
        *("StringLike", "NumericEquals", "DateEquals", "IpAddress", "ArnLike", "Null", "Bool", "1e999", "\\ud800"),
        *(
            '"conditions":',
            '"expiration":',
            "starts-with",
            "content-length-range",
            "$key",
            "1e999",
            "NaN",
            "-1",
            "post\0",
        ),
        *(f"{kind.value}\0" for kind in Kind),
    ),
    longest=4096,
)
