"""GetCallerIdentity and GetAccessKeyInfo: who a caller is, and whose a key is.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.identities import keys


@operation("GetCallerIdentity", service="sts", action="sts:GetCallerIdentity", concerns=subjects.anything)
async def get_caller_identity(call: Call, context: Context) -> dict[str, Any]:
    """Who signed. Nobody needs leave for it, and no policy denies it."""
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


@operation("GetAccessKeyInfo", service="sts", action="sts:GetAccessKeyInfo", concerns=subjects.anything)
async def get_access_key_info(call: Call, context: Context) -> dict[str, Any]:
    """The account of an access key that is stored. Temporary keys are not: only their token tells whose they are."""
    unique = call["AccessKeyId"]
    configured = context.users.credential(unique)
    if configured is not None:
        return {"Account": configured.principal.account}
    key = context.identities.read(lambda tx: keys.find(tx, unique))
    if key is None:
        raise AwsError("AccessDenied", f"The access key {unique} is not known.")
    return {"Account": key.account}
