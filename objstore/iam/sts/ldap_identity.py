"""AssumeRoleWithLDAPIdentity, in MinIO's manner: a login with the name and password of an LDAP server's user.

There is no role: what the session may do is what the policies say that are attached to the user's distinguished name
and to those of its groups. Who has none may not log in.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.federation.ldap_logins import LdapError, Login, LoginRefused
from objstore.iam.identities import logins
from objstore.iam.identities.sessions import Origin, Record
from objstore.iam.sts import issuing

log = logging.getLogger(__name__)

_UNUSUAL: Final = re.compile(r"[^\w+=,.@-]", re.ASCII)
_REFUSED: Final = "LDAP authentication failed."


@operation(
    "AssumeRoleWithLDAPIdentity",
    service="sts",
    action="sts:AssumeRoleWithLDAPIdentity",
    supports={"Policy", "DurationSeconds"},
    concerns=subjects.anything,
)
async def assume_role_with_ldap_identity(call: Call, context: Context) -> dict[str, Any]:
    directory = context.federation.directory
    if directory is None:
        raise AwsError("NotImplemented", "No LDAP server is configured.")
    account = directory.settings.account
    policies, arns = issuing.narrowing(call, context, account)
    login = await _login(call, context)
    if not context.identities.read(lambda tx: logins.policies_of(tx, (login.dn, *login.groups))):
        raise AwsError("AccessDenied", "No policy is attached to this user or to a group of it.")
    now = int(context.identities.clock())
    seconds = int(call.get("DurationSeconds") or issuing.DEFAULT_SECONDS)
    record = Record(
        Origin.LDAP,
        account,
        login.dn,
        now,
        now + seconds,
        session_name(login.username),
        policies,
        arns,
        keys=(("ldap:username", (login.username,)), ("ldap:user", (login.dn,)), ("ldap:groups", login.groups)),
        groups=login.groups,
    )
    credentials, _ = issuing.issue(context, record)
    return {"Credentials": issuing.shown(credentials)}


async def _login(call: Call, context: Context) -> Login:
    directory = context.federation.directory
    assert directory is not None, "it was looked at before"
    attempts, client, name = context.attempts, call.request.client, f"ldap:{call['LDAPUsername']}"
    if attempts is not None:
        attempts.require(client, name)
    try:
        login = await directory.login(call["LDAPUsername"], call["LDAPPassword"])
    except LoginRefused:
        slow = attempts.failed(client, name) if attempts is not None else None
        raise slow or AwsError("AccessDenied", _REFUSED) from None
    except LdapError as error:
        log.error("LDAP: %s", error)
        raise AwsError("IDPCommunicationError", "The LDAP server could not be asked.") from None
    if attempts is not None:
        attempts.passed(client, name)
    return login


def session_name(username: str) -> str:
    """A name as it stands in an ARN: one with other characters than AWS allows is told by its hash."""
    if _UNUSUAL.search(username) or not 2 <= len(username) <= 64:
        return "ldap-" + hashlib.sha256(username.encode()).hexdigest()[:32]
    return username
