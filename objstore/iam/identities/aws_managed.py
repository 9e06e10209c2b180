"""AWS's own managed policies that concern this store, by their well-known ARNs: there for every account, read-only.

https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from objstore.iam.identities.names import named_arn
from objstore.iam.identities.records import ManagedPolicy

ACCOUNT: Final = "aws"


@dataclass(frozen=True, slots=True)
class AwsPolicy:
    """One of them, with its document."""

    policy: ManagedPolicy
    document: str


def _allow(*actions: str, resource: str | list[str] = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


_READ_S3 = ("s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*")
_READ_IAM = (
    "iam:GenerateCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:Get*",
    "iam:List*",
    "iam:SimulateCustomPolicy",
    "iam:SimulatePrincipalPolicy",
)

# Name, when AWS published it (Unix seconds), what it is for, statements.
_POLICIES: Final[tuple[tuple[str, int, str, tuple[dict[str, Any], ...]], ...]] = (
    (
        "AdministratorAccess",
        1423247999,
        "Provides full access to AWS services and resources.",
        ({"Effect": "Allow", "Action": "*", "Resource": "*"},),
    ),
    (
        "AmazonS3FullAccess",
        1423248018,
        "Provides full access to all buckets via the AWS Management Console.",
        (_allow("s3:*", "s3-object-lambda:*"),),
    ),
    (
        "AmazonS3ReadOnlyAccess",
        1423248019,
        "Provides read only access to all buckets via the AWS Management Console.",
        (_allow(*_READ_S3),),
    ),
    ("IAMFullAccess", 1423247998, "Provides full access to IAM via the AWS Management Console.", (_allow("iam:*"),)),
    (
        "IAMReadOnlyAccess",
        1423247999,
        "Provides read only access to IAM via the AWS Management Console.",
        (_allow(*_READ_IAM),),
    ),
    (
        "AmazonSNSFullAccess",
        1423248005,
        "Provides full access to Amazon SNS via the AWS Management Console.",
        (_allow("sns:*"),),
    ),
    (
        "AmazonSNSReadOnlyAccess",
        1423248006,
        "Provides read only access to Amazon SNS via the AWS Management Console.",
        (_allow("sns:GetTopicAttributes", "sns:List*"),),
    ),
)


def _made(name: str, published: int, description: str, statements: tuple[dict[str, Any], ...]) -> AwsPolicy:
    at = published * 1_000_000
    policy = ManagedPolicy(ACCOUNT, "ANPA" + name.upper(), name, "/", at, at, description=description)
    return AwsPolicy(policy, json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


ALL: Final = {named_arn(ManagedPolicy, ACCOUNT, one[0]): _made(*one) for one in _POLICIES}
"""By ARN."""


def find(arn: str) -> AwsPolicy | None:
    """The policy of that ARN."""
    return ALL.get(arn)
