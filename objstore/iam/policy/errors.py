"""The one error of policies: a document that is refused, in the words that AWS has for it.

IAM, S3 and trust policies have words of their own for the same fault, so a fault is a row of three. A blank in a row is
a fault that cannot be there.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_policies.html
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from objstore.iam.policy.types import Kind


@unique
class Fault(Enum):
    """What is wrong with a policy: the words of IAM, of S3, and of IAM for trust policies."""

    FIRST_BYTE = (
        "Syntax errors in policy.",
        "Policies must be valid JSON and the first byte must be '{{'",
        "This policy contains invalid Json",
    )
    JSON = ("Syntax errors in policy.", "This policy contains invalid Json", "This policy contains invalid Json")
    SYNTAX = ("Syntax errors in policy.", "Invalid policy syntax.", "Syntax error in policy.")
    UNKNOWN_FIELD = ("Syntax errors in policy.", "Unknown field {0}", "Unknown field {0}")
    VERSION = (
        "Syntax errors in policy.",
        "The policy must contain a valid version string",
        "The policy must contain a valid version string",
    )
    NO_STATEMENT = (
        "Syntax errors in policy.",
        "Missing required field Statement",
        "Missing required field Statement",
    )
    EMPTY = (
        "Syntax errors in policy.",
        "Could not parse the policy: Statement is empty!",
        "Could not parse the policy: Statement is empty!",
    )
    NO_EFFECT = ("Syntax errors in policy.", "Missing required field Effect", "Missing required field Effect")
    EFFECT = ("Syntax errors in policy.", "Invalid effect: {0}", "Invalid effect: {0}")
    EFFECT_CASE = ("The policy failed legacy parsing", "Invalid effect: {0}", "Invalid effect: {0}")
    SAME_SID = ("Statement IDs (SID) in a single policy must be unique.",) * 3
    SID = (
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
        "[0-9A-Za-z]*",
        "Invalid policy syntax.",
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression "
        "[0-9A-Za-z]*",
    )
    PRINCIPAL = (
        "Policy document should not specify a principal.",
        "Invalid principal in policy",
        'Invalid principal in policy: "{0}":"{1}"',
    )
    NO_PRINCIPAL = ("", "Missing required field Principal", "Missing required field Principal")
    EMPTY_PRINCIPAL = (
        "",
        "Missing required field Principal cannot be empty!",
        "Missing required field Principal cannot be empty!",
    )
    PRINCIPAL_TEXT = ("", "Invalid policy syntax.", "Principal must be a JSON object.")
    PRINCIPAL_STAR = ("", "", 'AssumeRolepolicy contained an invalid principal: "STAR":"*".')
    ALLOW_NOT_PRINCIPAL = ("", *("Allow with NotPrincipal is not allowed.",) * 2)
    NOT_PRINCIPAL = ("", "", "AssumeRole policy must not contain NotPrincipal field.")
    NO_ACTION = (
        "Policy statement must contain actions.",
        "Missing required field Action",
        "Missing required field Action",
    )
    ACTION = ("{0}", "Policy has invalid action", "AssumeRole policy may only specify STS AssumeRole actions.")
    NO_RESOURCE = ("Policy statement must contain resources.", "Missing required field Resource", "")
    RESOURCE = ("{0}", "Policy has invalid resource", "Has prohibited field {0}")
    RESOURCE_FIELDS = ("The policy failed legacy parsing", "Policy has invalid resource", "")
    NOT_APPLICABLE = ("", "Action does not apply to any resource(s) in statement", "")
    OPERATOR = ("Syntax errors in policy.", "Invalid Condition type : {0}", "Syntax error in policy.")
    KEY = ("", "Policy has an invalid condition key", "")
    KEY_NOT_APPLICABLE = (
        "",
        "Conditions do not apply to combination of actions and resources in statement",
        "",
    )
    VALUE = (
        "The policy failed legacy parsing",
        "Invalid value in Conditions for operator {0}",
        "The policy failed legacy parsing",
    )
    ADDRESS = (
        "The policy failed legacy parsing",
        "Invalid IP address in Conditions",
        "The policy failed legacy parsing",
    )
    VARIABLE = (
        "The policy failed legacy parsing",
        "Policy has an invalid policy variable: {0}",
        "The policy failed legacy parsing",
    )


_COLUMN: Final = {Kind.RESOURCE: 1, Kind.TOPIC: 1, Kind.TRUST: 2}


class MalformedPolicy(Exception):
    """A policy that cannot be taken; `message` is what the client gets to see, `code` what AWS calls it."""

    def __init__(self, kind: Kind, fault: Fault, *named: str) -> None:
        self.code = "MalformedPolicy" if kind is Kind.RESOURCE else "MalformedPolicyDocument"
        self.fault = fault
        self.message: str = fault.value[_COLUMN.get(kind, 0)].format(*named)
        super().__init__(self.message)
