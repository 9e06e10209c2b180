"""GetSessionToken: temporary credentials of the caller itself; and AssumeRoot: of the root user of another account.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoot.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.principal import Kind
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.identities import names
from objstore.iam.identities.sessions import Origin, Record
from objstore.iam.sts import issuing

_DEFAULT_SECONDS: Final = 43_200
_ROOT_SECONDS: Final = 3600
_ASSUME_ROOT_SECONDS: Final = 900


@operation(
    "GetSessionToken",
    service="sts",
    action="sts:GetSessionToken",
    supports={"DurationSeconds"},
    concerns=subjects.anything,
)
async def get_session_token(call: Call, context: Context) -> dict[str, Any]:
    """No longer than the key that asked is good for; an hour at most for a root user."""
    principal = call.principal
    if principal.session is not None and principal.session.temporary:
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials")
    asked = int(call.get("DurationSeconds") or _DEFAULT_SECONDS)
    if principal.kind is Kind.ACCOUNT:
        asked = min(asked, _ROOT_SECONDS)
    now = int(context.identities.clock())
    assert principal.access_key is not None, "who signed has an access key"
    ends = min(now + asked, int(context.identities.end_of(principal.access_key) or now + asked))
    record = Record(Origin.KEY, principal.account, principal.access_key, now, ends)
    credentials, _ = issuing.issue(context, record)
    return {"Credentials": issuing.shown(credentials)}


def _target(call: Call) -> str:
    """The account that is meant, by its id or its ARN."""
    return str(call["TargetPrincipal"]).removeprefix("arn:aws:iam::").removesuffix(":root")


@operation(
    "AssumeRoot",
    service="sts",
    action="sts:AssumeRoot",
    supports={"DurationSeconds"},
    concerns=lambda call, context: names.root_arn(_target(call)),
)
async def assume_root(call: Call, context: Context) -> dict[str, Any]:
    """For the deployment's root user alone, who stands above all accounts; narrowed by the task policy given."""
    if not call.principal.is_root:
        raise AwsError("AccessDenied", "Only the root user of the deployment may act for other accounts.")
    account = _target(call)
    if not context.identities.is_account(account):
        raise AwsError("ValidationError", f"There is no account {account}.")
    arn = call["TaskPolicyArn"].get("arn", "")
    policies, arns = issuing.narrowing_by(context, account, (arn,))
    now = int(context.identities.clock())
    seconds = int(call.get("DurationSeconds") or _ASSUME_ROOT_SECONDS)
    record = Record(Origin.ACCOUNT, account, account, now, now + seconds, "root", policies, arns)
    credentials, _ = issuing.issue(context, record)
    return {"Credentials": issuing.shown(credentials)}
