"""What all ways to temporary credentials share: policies that narrow them, tags, durations, and the answer.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam import policy
from objstore.iam.api import tags
from objstore.iam.context import Context
from objstore.iam.identities import managed
from objstore.iam.identities.records import Role, Tags
from objstore.iam.identities.sessions import Credentials, Record, size

MOST_ARNS: Final = 10
MOST_PACKED: Final = 8 << 10  # bytes of policies and tags in one token
DEFAULT_SECONDS: Final = 3600


def narrowing(call: Call, context: Context, account: str) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The session policy, and the ARNs of managed policies, that a call narrows its session by.

    Raises MalformedPolicyDocument, PackedPolicyTooLarge, and ValidationError for a policy that is not there.
    """
    document = call.get("Policy")
    if document is not None:
        if policy.size(document) > policy.SESSION_LIMIT:
            raise AwsError("PackedPolicyTooLarge", f"A session policy has at most {policy.SESSION_LIMIT} characters.")
        policy.parse(document, policy.Kind.SESSION)
    policies, arns = narrowing_by(context, account, tuple(one.get("arn", "") for one in call.get("PolicyArns") or ()))
    return ((document,) if document is not None else policies), arns


def narrowing_by(
    context: Context, account: str, arns: tuple[str, ...]
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The same for managed policies alone. Raises ValidationError for one that is not there."""
    if len(arns) > MOST_ARNS:
        raise AwsError("ValidationError", f"A session has at most {MOST_ARNS} managed policies.")
    for arn in arns:
        _require_policy(context, account, arn)
    return (() if arns else None), arns


def _require_policy(context: Context, account: str, arn: str) -> None:
    try:
        context.identities.read(lambda tx: managed.require(tx, account, arn))
    except AwsError:
        raise AwsError("ValidationError", f"The policy {arn} is not one of account {account}, nor AWS's.") from None


def session_tags(call: Call) -> tuple[Tags, tuple[str, ...]]:
    """The tags of a session, and the keys of those that go on to the next role. Raises ValidationError."""
    try:
        new = tags.read(call.get("Tags"))
    except AwsError as error:
        raise AwsError("ValidationError", error.message) from None
    transitive = tuple(call.get("TransitiveTagKeys") or ())
    known = {key.lower() for key, _ in new}
    if any(key.lower() not in known for key in transitive):
        raise AwsError("ValidationError", "TransitiveTagKeys names a tag that the session does not get.")
    return new, transitive


def seconds(call: Call, role: Role, *, chained: bool = False) -> int:
    """How long a session of a role lasts. Raises ValidationError for longer than the role allows."""
    asked = int(call.get("DurationSeconds") or min(DEFAULT_SECONDS, role.longest))
    if chained and asked > DEFAULT_SECONDS:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    if asked > role.longest:
        raise AwsError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
    return asked


def issue(context: Context, record: Record) -> tuple[Credentials, int]:
    """Credentials for a session, and the percentage of what may be packed that it uses. Raises PackedPolicyTooLarge."""
    packed = size(record)
    if packed > MOST_PACKED:
        raise AwsError("PackedPolicyTooLarge")
    return context.identities.tokens.issue(record), max(1, 100 * packed // MOST_PACKED)


def shown(credentials: Credentials) -> Mapping[str, Any]:
    """Credentials as an answer has them."""
    return {
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.token,
        "Expiration": datetime.fromtimestamp(credentials.expires, UTC),
    }
