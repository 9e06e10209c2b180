"""Whether a bucket policy is public, as AWS means it.

A policy is public when it allows something to everybody, and no condition narrows that to callers or networks that are
fixed: a fixed value of one of the keys below, with an operator that is satisfied by nothing else.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Final

from objstore.iam.policy.conditions import Condition
from objstore.iam.policy.policy import Policy, Statement

_FIXING_KEYS: Final = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourceip",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "aws:vpcsourceip",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_FIXING_OPERATORS: Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"}
)
_FIXED_BUT_FOR_A_NAME: Final = {
    "aws:userid": re.compile(r"AROA[A-Z0-9]+:\*"),
    "s3:dataaccesspointarn": re.compile(r"arn:aws[a-z-]*:s3:[^:*?$]*:[^:*?$]+:accesspoint/[^$]+"),
}
_WIDEST_V4: Final = 8
_WIDEST_V6: Final = 32


def is_public(policy: Policy) -> bool:
    """Whether any statement allows something to the public."""
    return any(_is_public(statement) for statement in policy.statements)


def _is_public(statement: Statement) -> bool:
    principals = statement.principals
    if not statement.allows or principals is None:
        return False
    if not (principals.everybody or principals.any_aws or principals.negated):
        return False
    return not any(_fixes(condition) for condition in statement.conditions)


def _fixes(condition: Condition) -> bool:
    operator, key = condition.operator.lower().removeprefix("foranyvalue:"), condition.key.lower()
    if operator not in _FIXING_OPERATORS or key not in _FIXING_KEYS or not condition.values:
        return False
    if operator == "ipaddress":
        return all(_is_narrow(value) for value in condition.values)
    return all(_is_fixed(key, value) for value in condition.values)


def _is_fixed(key: str, value: str) -> bool:
    """Whether it has neither wildcards nor variables, save for the name of a session or an access point."""
    if not any(sign in value for sign in ("*", "?", "${")):
        return True
    known = _FIXED_BUT_FOR_A_NAME.get(key)
    return known is not None and known.fullmatch(value) is not None


def _is_narrow(text: str) -> bool:
    network = ip_network(text, strict=False)
    return network.prefixlen >= (_WIDEST_V4 if network.version == 4 else _WIDEST_V6)
