"""Policies as requests bring them: compiled once to see that they can be, then kept as they were put.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

from objstore.aws.errors import AwsError
from objstore.iam.policy import TRUST_LIMIT, Kind, parse, size


def identity(text: str, *, of_role: bool = False) -> str:
    """An identity policy. Raises MalformedPolicyDocument. A role's may say `"Principal": "*"`, as Ceph's do."""
    parse(text, Kind.IDENTITY, principal_may_be_everybody=of_role)
    return text


def trust(text: str) -> str:
    """The trust policy of a role. Raises MalformedPolicyDocument, LimitExceeded."""
    if size(text) > TRUST_LIMIT:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for ACLSizePerRole: {TRUST_LIMIT}")
    parse(text, Kind.TRUST)
    return text
