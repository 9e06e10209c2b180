"""Policies that are refused, with AWS's words: one line a case.

The words of IAM are those that it gives for the same documents; those of S3 and of trust policies likewise.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_policies.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from objstore.iam.policy import Kind, MalformedPolicy, check_bucket, parse

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
NO_ACTIONS = "Policy statement must contain actions."
NO_RESOURCES = "Policy statement must contain resources."
SAME_SID = "Statement IDs (SID) in a single policy must be unique."
IAM_PATH = (
    'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, '
    "mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/."
)
BUCKET = "arn:aws:s3:::b"


def changed(base: dict[str, Any], **elements: Any) -> str:
    """A policy of one statement, with other elements; None takes one away."""
    statement = {name: value for name, value in (base | elements).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def of_identity(**elements: Any) -> str:
    return changed({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}, **elements)


def of_bucket(**elements: Any) -> str:
    base = {"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket", "Resource": BUCKET}
    return changed(base, **elements)


def of_trust(**elements: Any) -> str:
    return changed({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}, **elements)


def whole(**elements: Any) -> str:
    """A policy with other elements beside its statement."""
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}
    policy = {"Version": "2012-10-17", "Statement": statement} | elements
    return json.dumps({name: value for name, value in policy.items() if value is not None})


def two(**second: Any) -> str:
    """A policy of two statements, of which the first is good and has the Sid `s`."""
    first = {"Sid": "s", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}
    return json.dumps({"Version": "2012-10-17", "Statement": [first, {"Effect": "Allow"} | second]})


IDENTITY = [
    ("This is not a json document", SYNTAX),
    ("", SYNTAX),
    ("{not valid json", SYNTAX),
    ("[]", SYNTAX),
    ("{}", SYNTAX),
    ('{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}', SYNTAX),
    ('{"Version":"2012-10-17","Statement":' + "[" * 5000, SYNTAX),
    (whole(Version="2013-10-17"), SYNTAX),
    (whole(Version=20121017), SYNTAX),
    (whole(Version=["2012-10-17"]), SYNTAX),
    (whole(Statement=None), SYNTAX),
    (whole(Statement=[]), SYNTAX),
    (whole(Statement=["afd"]), SYNTAX),
    (whole(Statement="hello"), SYNTAX),
    (whole(**{"Extra field": "value"}), SYNTAX),
    (whole(version="2012-10-17"), SYNTAX),
    (whole(Id=["cd3a324d"]), SYNTAX),
    (whole(Id={}), SYNTAX),
    (of_identity(**{"Extra field": "value"}), SYNTAX),
    (of_identity(effect="Allow"), SYNTAX),
    (of_identity(Effect="invalid"), SYNTAX),
    (of_identity(Effect=None), SYNTAX),
    (of_identity(Effect=True), SYNTAX),
    (of_identity(Effect="denY"), LEGACY),
    (of_identity(Effect="allow"), LEGACY),
    (of_identity(Sid={}), SYNTAX),
    (of_identity(Sid=[]), SYNTAX),
    (
        of_identity(Sid="with-hyphen"),
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
        "[0-9A-Za-z]*",
    ),
    (two(Sid="s"), SAME_SID),
    (two(Sid="t"), NO_ACTIONS),
    (of_identity(Principal="*"), "Policy document should not specify a principal."),
    (of_identity(Principal="arn:aws:iam:::username"), "Policy document should not specify a principal."),
    (of_identity(NotPrincipal={"AWS": "*"}), "Policy document should not specify a principal."),
    (of_identity(Action=None), NO_ACTIONS),
    (of_identity(Action=[]), NO_ACTIONS),
    (of_identity(Action=None, Resource=None), NO_ACTIONS),
    (of_identity(Action=123), SYNTAX),
    (of_identity(Action=[[]]), SYNTAX),
    (of_identity(Action={}), SYNTAX),
    (of_identity(NotAction="iam:dsf"), SYNTAX),
    (of_identity(NotAction="s3:GetObject", Action=[]), SYNTAX),
    (of_identity(Action="invalid"), VENDOR),
    (of_identity(Action=""), VENDOR),
    (of_identity(Action=None, NotAction=""), VENDOR),
    (of_identity(Action=None, NotAction="GetObject"), VENDOR),
    (of_identity(Action=["s3:GetObject", "GetObject"]), VENDOR),
    (of_identity(Action="a a:ListBucket"), "Vendor a a is not valid"),
    (of_identity(Action=":GetObject"), "Vendor  is not valid"),
    (of_identity(Action="iam :Get"), "Vendor iam  is not valid"),
    (of_identity(Action="*:Get"), "Vendor * is not valid"),
    (of_identity(Action="s3:List:Bucket"), "Actions/Condition can contain only one colon."),
    (of_identity(Action="s:3s:ListBucket"), "Actions/Condition can contain only one colon."),
    (of_identity(Resource=None), NO_RESOURCES),
    (of_identity(Resource=[]), NO_RESOURCES),
    (of_identity(Action="invalid", Resource=None), NO_RESOURCES),
    (of_identity(NotResource="*"), SYNTAX),
    (of_identity(NotResource=[]), SYNTAX),
    (of_identity(Resource={"a": BUCKET}), SYNTAX),
    (of_identity(Resource=["adfdf", {}]), SYNTAX),
    (of_identity(Resource="invalid resource"), 'Resource invalid resource must be in ARN format or "*".'),
    (of_identity(Resource=""), 'Resource  must be in ARN format or "*".'),
    (of_identity(Resource=["adf"]), 'Resource adf must be in ARN format or "*".'),
    (of_identity(Resource=None, NotResource="invalid"), 'Resource invalid must be in ARN format or "*".'),
    (of_identity(Resource="sdfsadf", Action="s:3:ListBucket"), 'Resource sdfsadf must be in ARN format or "*".'),
    (of_identity(Resource="a:bsdf"), 'Partition "bsdf" is not valid for resource "arn:bsdf:*:*:*:*".'),
    (of_identity(Resource="a:b:cadfsdf"), 'Partition "b" is not valid for resource "arn:b:cadfsdf:*:*:*".'),
    (of_identity(Resource="a:b:c:d:e:f:g:h"), 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h".'),
    (of_identity(Resource="aws:s3:::eb"), 'Partition "s3" is not valid for resource "arn:s3:::eb:*".'),
    (of_identity(Resource="s3::eb/*"), 'Partition "" is not valid for resource "arn::eb/*:*:*:*".'),
    (of_identity(Resource="arn:error:s3:::eb"), 'Partition "error" is not valid for resource "arn:error:s3:::eb".'),
    (of_identity(Resource="arn:aws2:s3:::b/*"), 'Partition "aws2" is not valid for resource "arn:aws2:s3:::b/*".'),
    (of_identity(Resource="arn:aws"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (of_identity(Resource="arn:aws:*:::b"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (of_identity(Resource="arn:aws:s3::eb"), LEGACY),
    (of_identity(Resource=None, NotResource="arn:aws:s3::eb"), LEGACY),
    (of_identity(Resource="arn:aws::::eb"), LEGACY),
    (of_identity(Resource="arn:aws::fdsasf"), LEGACY),
    (of_identity(Resource="arn:awss3::eb/*"), LEGACY),
    (of_identity(Resource="arn:aws:s3::eb", Action=None), LEGACY),
    (of_identity(Resource="arn:aws:iam:::eb"), IAM_PATH),
    (
        of_identity(Resource="arn:aws:iam:us-east-1::user/u"),
        "IAM resource arn:aws:iam:us-east-1::user/u cannot contain region information.",
    ),
    (
        of_identity(Resource="arn:aws:s3:us-east-1::eb"),
        "Resource arn:aws:s3:us-east-1::eb can not contain region information.",
    ),
    (of_identity(Condition=[]), SYNTAX),
    (of_identity(Condition="a"), SYNTAX),
    (of_identity(Condition={"a": "b"}), SYNTAX),
    (of_identity(Condition={"DateGreaterThan": "b"}), SYNTAX),
    (of_identity(Condition={"DateGreaterThan": []}), SYNTAX),
    (of_identity(Condition={"DateGreaterThan": {"a": {}}}), SYNTAX),
    (of_identity(Condition={"DateGreaterThan": {"a": None}}), SYNTAX),
    (of_identity(Condition={"x": {"a": "1"}}), SYNTAX),
    (of_identity(Condition={"ForAnyValue::StringEqualsIfExists": {"a": "asf"}}), SYNTAX),
    (of_identity(Condition={"ForSomeValues:StringEquals": {"a": "asf"}}), SYNTAX),
    (of_identity(Condition={"NullIfExists": {"aws:userid": "true"}}), SYNTAX),
    (of_identity(Condition={"ForAnyValue:Null": {"aws:userid": "true"}}), SYNTAX),
    (of_identity(Condition=[{"ForAllValues:StringEquals": {"aws:TagKeys": "Department"}}]), SYNTAX),
    (of_identity(Condition={"DateGreaterThan": {"a": "sdfdsf"}}), LEGACY),
    (of_identity(Condition={"DateLessThanEquals": {"a": "234-13"}}), LEGACY),
    (of_identity(Condition={"DateLessThanEquals": {"a": "2016-12-13t2:00:00.593194+1"}}), LEGACY),
    (of_identity(Condition={"DateLessThan": {"a": "9223372036854775808"}}), LEGACY),
    (of_identity(Condition={"NumericLessThan": {"s3:max-keys": "ten"}}), LEGACY),
    (of_identity(Condition={"NumericLessThan": {"s3:max-keys": "NaN"}}), LEGACY),
    (of_identity(Condition={"NumericLessThan": {"s3:max-keys": "${aws:x}"}}), LEGACY),
    (of_identity(Condition={"Bool": {"aws:SecureTransport": "yes"}}), LEGACY),
    (of_identity(Condition={"Null": {"aws:userid": "yes"}}), LEGACY),
    (of_identity(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}), LEGACY),
    (of_identity(Condition={"BinaryEquals": {"a:b": "%%%"}}), LEGACY),
    (of_identity(Resource="arn:aws:s3:::b/${${aws:username}}"), LEGACY),
    (of_identity(Resource="arn:aws:s3:::b/${aws:a${aws:b}}"), LEGACY),
    (of_identity(Resource="arn:aws:s3:::b/${username}"), LEGACY),
    (of_identity(Resource="arn:aws:s3:::b/${aws:username, none}"), LEGACY),
    (of_identity(Condition={"StringEquals": {"a:b": "${${aws:username}}"}}), LEGACY),
]

BUCKET_POLICIES = [
    ("", "Policies must be valid JSON and the first byte must be '{'"),
    ("[]", "Policies must be valid JSON and the first byte must be '{'"),
    (" {}", "Policies must be valid JSON and the first byte must be '{'"),
    ("{invalid", "This policy contains invalid Json"),
    ('{"Id":"a","Id":"b"}', "This policy contains invalid Json"),
    ('{"Id":NaN}', "This policy contains invalid Json"),
    ('{"Id":1e999}', "This policy contains invalid Json"),
    ('{"Id":1' + "0" * 5000 + "}", "This policy contains invalid Json"),
    ('{"Id":"\\ud800"}', "This policy contains invalid Json"),
    ("{}", "Missing required field Statement"),
    (whole(Statement=[]), "Could not parse the policy: Statement is empty!"),
    (whole(Version="2012-10-18"), "The policy must contain a valid version string"),
    (whole(Statements=[]), "Unknown field Statements"),
    (whole(Statement="s"), "Invalid policy syntax."),
    (of_bucket(Principals="*"), "Unknown field Principals"),
    (of_bucket(Effect=None), "Missing required field Effect"),
    (of_bucket(Effect="invalid_effect"), "Invalid effect: invalid_effect"),
    (of_bucket(Effect="allow"), "Invalid effect: allow"),
    (of_bucket(Principal=None), "Missing required field Principal"),
    (of_bucket(Principal={}), "Missing required field Principal cannot be empty!"),
    (of_bucket(Principal={"AWS": []}), "Missing required field Principal cannot be empty!"),
    (of_bucket(Principal="alice"), "Invalid policy syntax."),
    (of_bucket(Principal=["*"]), "Invalid policy syntax."),
    (of_bucket(Principal={"AWS": 7}), "Invalid policy syntax."),
    (of_bucket(Principal={"User": "alice"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": ""}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "arn:aws:iam::111122223333:user"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "arn:aws:iam::111122223333:user/*"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "arn:aws:iam::111122223333:group/g"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "arn:aws:s3:::b"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "arn:aws:iam:::root"}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": ["*", "arn:aws:iam::"]}), "Invalid principal in policy"),
    (of_bucket(Principal={"AWS": "a" * 33}), "Invalid principal in policy"),
    (of_bucket(Principal={"Service": "*"}), "Invalid principal in policy"),
    (of_bucket(Principal={"Service": "example.com"}), "Invalid principal in policy"),
    (of_bucket(Principal={"Federated": "*"}), "Invalid principal in policy"),
    (of_bucket(Principal={"CanonicalUser": "*"}), "Invalid principal in policy"),
    (of_bucket(Principal=None, NotPrincipal={"AWS": "111122223333"}), "Allow with NotPrincipal is not allowed."),
    (of_bucket(NotPrincipal="*"), "Invalid policy syntax."),
    (of_bucket(Action=None), "Missing required field Action"),
    (of_bucket(Action=[]), "Missing required field Action"),
    (of_bucket(Action="ListBucket"), "Policy has invalid action"),
    (of_bucket(Action="s3:NoSuchThing"), "Policy has invalid action"),
    (of_bucket(Action="s3:Nothing*"), "Policy has invalid action"),
    (of_bucket(Action="s3:"), "Policy has invalid action"),
    (of_bucket(Action="ec2:RunInstances"), "Policy has invalid action"),
    (of_bucket(Resource=None), "Missing required field Resource"),
    (of_bucket(Resource="b"), "Policy has invalid resource"),
    (of_bucket(Resource="arn:aws:s3:::"), "Policy has invalid resource"),
    (of_bucket(Resource="arn:aws:ec2:::b"), "Policy has invalid resource"),
    (of_bucket(Resource=BUCKET + "/*"), "Action does not apply to any resource(s) in statement"),
    (
        of_bucket(Action=["s3:GetObject", "s3:GetBucketAcl"], Resource=BUCKET + "/*"),
        "Action does not apply to any resource(s) in statement",
    ),
    (of_bucket(Action="s3:ListAllMyBuckets", Resource="*"), "Action does not apply to any resource(s) in statement"),
    (of_bucket(Condition={"StringEqual": {"aws:Referer": "x"}}), "Invalid Condition type : StringEqual"),
    (of_bucket(Condition={"StringEquals": {"s3:x-acl": "x"}}), "Policy has an invalid condition key"),
    (of_bucket(Condition={"StringEquals": {"s3:ExistingObjectTag": "x"}}), "Policy has an invalid condition key"),
    (of_bucket(Condition={"StringEquals": {"s3:ExistingObjectTag/": "x"}}), "Policy has an invalid condition key"),
    (of_bucket(Condition={"StringEquals": {"s3:prefix/a": "x"}}), "Policy has an invalid condition key"),
    (of_bucket(Condition={"StringEquals": {"referer": "x"}}), "Policy has an invalid condition key"),
    (of_bucket(Condition={"StringEquals": {"ec2:Region": "x"}}), "Policy has an invalid condition key"),
    (
        of_bucket(Condition={"StringEquals": {"s3:x-amz-acl": "private"}}),
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    (
        of_bucket(
            Action=["s3:ListBucket", "s3:GetObject"], Resource="*", Condition={"StringLike": {"s3:prefix": "a*"}}
        ),
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    (
        of_bucket(Action="s3:*", Resource=BUCKET + "/*", Condition={"StringLike": {"s3:prefix": "a*"}}),
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    (
        of_bucket(Action="s3:PutObject", Resource="*", Condition={"StringEquals": {"s3:ExistingObjectTag/a": "b"}}),
        "Conditions do not apply to combination of actions and resources in statement",
    ),
    (of_bucket(Condition={"IpAddress": {"aws:SourceIp": "123"}}), "Invalid IP address in Conditions"),
    (
        of_bucket(Condition={"NotIpAddress": {"aws:SourceIp": ["10.0.0.1", "::/129"]}}),
        "Invalid IP address in Conditions",
    ),
    (
        of_bucket(Condition={"NumericLessThan": {"s3:max-keys": "many"}}),
        "Invalid value in Conditions for operator NumericLessThan",
    ),
    (
        of_bucket(Condition={"StringEquals": {"s3:prefix": "${${aws:userid}}"}}),
        "Policy has an invalid policy variable: ${${aws:userid}",
    ),
]

TRUST = [
    ("{invalid", "This policy contains invalid Json"),
    ("", "This policy contains invalid Json"),
    (whole(Statement=[]), "Could not parse the policy: Statement is empty!"),
    (of_trust(Principal=None), "Missing required field Principal"),
    (of_trust(Principal={}), "Missing required field Principal cannot be empty!"),
    (of_trust(Principal="*"), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
    (of_trust(Principal="alice"), "Principal must be a JSON object."),
    (of_trust(Principal={"AWS": "arn:aws:iam::1:group/g"}),
     'Invalid principal in policy: "AWS":"arn:aws:iam::1:group/g"'),
    (of_trust(Principal=None, NotPrincipal={"AWS": "1"}), "Allow with NotPrincipal is not allowed."),
    (of_trust(Effect="Deny", Principal=None, NotPrincipal={"AWS": "1"}),
     "AssumeRole policy must not contain NotPrincipal field."),
    (of_trust(Action=None), "Missing required field Action"),
    (of_trust(Action="*"), "AssumeRole policy may only specify STS AssumeRole actions."),
    (of_trust(Action="sts:*"), "AssumeRole policy may only specify STS AssumeRole actions."),
    (of_trust(Action="s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
    (of_trust(Action=None, NotAction="sts:AssumeRole"), "AssumeRole policy may only specify STS AssumeRole actions."),
    (of_trust(Resource="*"), "Has prohibited field Resource"),
    (of_trust(NotResource="*"), "Has prohibited field NotResource"),
]  # fmt: skip


def refused(text: str, kind: Kind) -> MalformedPolicy:
    with pytest.raises(MalformedPolicy) as caught:
        parse(text, kind)
    return caught.value


@pytest.mark.parametrize(("text", "message"), IDENTITY)
def test_what_iam_refuses(text: str, message: str) -> None:
    for kind in (Kind.IDENTITY, Kind.BOUNDARY, Kind.SESSION):
        error = refused(text, kind)
        assert (error.code, error.message) == ("MalformedPolicyDocument", message)


@pytest.mark.parametrize(("text", "message"), BUCKET_POLICIES)
def test_what_s3_refuses(text: str, message: str) -> None:
    error = refused(text, Kind.RESOURCE)
    assert (error.code, error.message) == ("MalformedPolicy", message)


@pytest.mark.parametrize(("text", "message"), TRUST)
def test_what_is_no_trust_policy(text: str, message: str) -> None:
    error = refused(text, Kind.TRUST)
    assert (error.code, error.message) == ("MalformedPolicyDocument", message)


GOOD_IDENTITY = [
    whole(),
    whole(Id="x"),
    whole(Version=None),
    whole(Version="2008-10-17"),
    of_identity(Action="*"),
    of_identity(Action="iam: asdf safdsf af "),
    of_identity(Action="s3-s.x:ListBucket"),
    of_identity(Action=None, NotAction="s3:ListBucket"),
    of_identity(Resource=[BUCKET, "*"]),
    of_identity(Resource=None, NotResource="*"),
    of_identity(Resource="arn:aws:fdsasf"),
    of_identity(Resource="arn:aws:s33:::x"),
    of_identity(Resource="arn:aws:iam:::user/u"),
    of_identity(Resource="arn:aws:iam::*:user/${aws:username}"),
    of_identity(Resource="arn:aws:ec2:us-east-1::x"),
    of_identity(Resource="arn:aws:s3:::b/${"),
    of_identity(Resource=["arn:aws:s3:*:*:accesspoint/x", "arn:aws:s3:us-east-1:1:job/*", "arn:aws:s3:*:*:*"]),
    of_identity(Condition={}),
    of_identity(Condition={"DateGreaterThan": {}}),
    of_identity(Condition={"DateGreaterThan": {"a": []}}),
    of_identity(Condition={"x": {}, "y": {}}),
    of_identity(Condition={"ForAnyValue:StringEqualsIfExists": {"a": "asf"}}),
    of_identity(Condition={"DateLessThanEquals": {"a": "2016-12-13T21:20:37.593194+00:00"}}),
    of_identity(Condition={"DateLessThan": {"a": "-292275054"}}),
    of_identity(Condition={"Bool": {"aws:SecureTransport": True}, "NumericLessThan": {"s3:max-keys": 10}}),
    of_identity(Condition={"stringlike": {"S3:PREFIX": "a*"}}),
]
GOOD_BUCKET = [
    of_bucket(Sid="Allow Public Access to All Objects"),
    of_bucket(Action="*", Resource=[BUCKET, BUCKET + "/*"]),
    of_bucket(Action=["s3:ListBucket", "s3:GetObject"], Resource=[BUCKET, BUCKET + "/*"]),
    of_bucket(Action="s3:PutObject"),
    of_bucket(Resource=["arn:aws:s3:::*", "arn:aws:s3:::*/*"]),
    of_bucket(Resource="arn:aws:s3:::b*"),
    of_bucket(Action="S3:GETOBJECT", Resource=BUCKET + "/a?c"),
    of_bucket(Effect="Deny", Principal=None, NotPrincipal={"AWS": "RGW11111111111111111"}),
    of_bucket(Effect="Deny", Action=None, NotAction="s3:GetBucketPolicy"),
    of_bucket(Principal={"AWS": ["s3tenant1", "arn:aws:iam::s3tenant1:root", "arn:aws:iam:::user/testid"]}),
    of_bucket(Principal={"AWS": "arn:aws:sts::111122223333:assumed-role/r/s", "Service": "logging.s3.amazonaws.com"}),
    of_bucket(Principal={"CanonicalUser": "a" * 64, "Federated": "cognito-identity.amazonaws.com"}),
    of_bucket(Action="s3:*", Resource="*", Condition={"StringLike": {"s3:prefix": "a*"}}),
    of_bucket(Action="s3:Get*", Resource="*", Condition={"StringEquals": {"s3:ExistingObjectTag/a b": "c"}}),
    of_bucket(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3::*:x"}, "StringEquals": {"aws:NewKey": "x"}}),
    of_bucket(Condition={"StringEquals": {"idp.example.com/realm:sub": "x"}}),
]
GOOD_TRUST = [
    of_trust(),
    of_trust(Principal={"Federated": "arn:aws:iam::111122223333:oidc-provider/idp.example.com"}),
    of_trust(Action=["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]),
    of_trust(Principal={"AWS": ["arn:aws:iam:::user/testid"]}),
]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *((text, Kind.IDENTITY) for text in GOOD_IDENTITY),
        *((text, Kind.RESOURCE) for text in GOOD_BUCKET),
        *((text, Kind.TRUST) for text in GOOD_TRUST),
    ],
)
def test_what_aws_takes_is_taken(text: str, kind: Kind) -> None:
    policy = parse(text, kind)
    assert parse(policy.text, kind).text == policy.text
    assert json.loads(policy.text)["Statement"]


def test_a_principal_that_is_everybody_may_be_let_through() -> None:
    everybody = of_identity(Principal="*")
    assert parse(everybody, Kind.IDENTITY, principal_may_be_everybody=True).statements
    for principal in ("alice", {"AWS": "111122223333"}, {"Service": "*"}):
        with pytest.raises(MalformedPolicy):
            parse(of_identity(Principal=principal), Kind.IDENTITY, principal_may_be_everybody=True)


@pytest.mark.parametrize(
    ("resource", "good"),
    [
        ("*", True),
        ("arn:aws:s3:::b", True),
        ("arn:aws:s3:::b/*", True),
        ("arn:aws:s3:::b/${aws:username}/*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::b*z", True),
        ("arn:aws:s3:::${aws:username}/k", True),
        ("arn:aws:s3:::bb", False),
        ("arn:aws:s3:::bb/*", False),
        ("arn:aws:s3:::a*", False),
        ("arn:aws:s3:::?b/*", False),
        ("arn:aws:s3:::a*/k", False),
    ],
)
def test_a_bucket_policy_speaks_of_its_bucket(resource: str, good: bool) -> None:
    policy = parse(of_bucket(Action="*", Resource=resource), Kind.RESOURCE)
    if good:
        check_bucket(policy, "b")
        return
    with pytest.raises(MalformedPolicy) as caught:
        check_bucket(policy, "b")
    assert caught.value.message == "Policy has invalid resource"
