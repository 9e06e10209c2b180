"""Somebody with as many policies as a person ever has, and an object behind a policy of its bucket, with tags.

Of twenty managed policies ten are attached to a user and ten to its group, as many as AWS lets one have by default.
Eighteen are about other buckets and services, as most of what a user brings is; the one that allows the read asks for a
tag of the object, and another denies what comes from elsewhere. So a decision looks at statements of every kind.
"""

from __future__ import annotations

import json
from typing import Any, Final

from objstore.cli.bench.costs import Signer
from objstore.cli.bench.servers import BUCKET, Server

KEY: Final = "4 KiB"
POLICIES: Final = 20
_EACH: Final = 10
_USER, _GROUP = "reader", "readers"
_TAGS: Final = "team=red&project=bench&stage=production"


def prepare(server: Server, root: Signer) -> Signer:
    """Make the object, the user and all policies. Gives a signer for the user; the server runs."""
    s3, iam = root.client, root.service("iam")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=bytes(4096), Tagging=_TAGS)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=_document(*_bucket_statements()))
    iam.create_user(UserName=_USER)
    iam.create_group(GroupName=_GROUP)
    iam.add_user_to_group(UserName=_USER, GroupName=_GROUP)
    for number in range(POLICIES):
        made = iam.create_policy(PolicyName=f"policy-{number:02d}", PolicyDocument=_document(*_statements(number)))
        if number < _EACH:
            iam.attach_user_policy(UserName=_USER, PolicyArn=made["Policy"]["Arn"])
        else:
            iam.attach_group_policy(GroupName=_GROUP, PolicyArn=made["Policy"]["Arn"])
    key = iam.create_access_key(UserName=_USER)["AccessKey"]
    return Signer(server, key["AccessKeyId"], key["SecretAccessKey"])


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _bucket_statements() -> list[dict[str, Any]]:
    inside = f"arn:aws:s3:::{BUCKET}/*"
    old = {"NumericGreaterThan": {"s3:signatureAge": str(7 * 24 * 3600 * 1000)}}
    return [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": inside, "Condition": old},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"{inside[:-1]}locked/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"{inside[:-1]}public/*"},
    ]


def _statements(number: int) -> list[dict[str, Any]]:
    if number == POLICIES - 1:
        tagged = {"StringEquals": {"s3:ExistingObjectTag/team": ["red", "blue"]}}
        anything = ["s3:Get*", "s3:List*"]
        return [{"Effect": "Allow", "Action": anything, "Resource": f"arn:aws:s3:::{BUCKET}*", "Condition": tagged}]
    if number == POLICIES // 2:
        elsewhere = {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.0/8", "::1/128"]}}
        return [{"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": elsewhere}]
    other = f"arn:aws:s3:::other-{number:02d}"
    home = "arn:aws:s3:::home-*/${aws:username}/*"
    return [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{other}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": other, "Condition": _below("${aws:username}/*")},
        {"Effect": "Allow", "Action": "s3:*Object*", "Resource": home},
        {"Effect": "Allow", "Action": ["iam:GetUser", "iam:ListAccessKeys"], "Resource": "*"},
    ]


def _below(prefix: str) -> dict[str, Any]:
    return {"StringLike": {"s3:prefix": prefix}}
