"""AssumeRole: credentials of a role, for whom the role's trust policy names.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.principal import Kind
from objstore.iam import administration
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.identities import names
from objstore.iam.identities.grants import caller_of
from objstore.iam.identities.principals import joined
from objstore.iam.identities.records import Role, Tags
from objstore.iam.identities.sessions import Origin, Record
from objstore.iam.sts import issuing, trust

_SUPPORTS = frozenset(
    {"Policy", "PolicyArns", "DurationSeconds", "ExternalId", "Tags", "TransitiveTagKeys", "SourceIdentity"}
)


@operation(
    "AssumeRole",
    service="sts",
    action="sts:AssumeRole",
    supports=_SUPPORTS,
    concerns=subjects.given("RoleArn"),
)
async def assume_role(call: Call, context: Context) -> dict[str, Any]:
    if call.principal.kind is Kind.ACCOUNT:
        raise AwsError("AccessDenied", "Roles may not be assumed by root accounts.")
    inherited, went_on, source = _brought(call)
    given, transitive = issuing.session_tags(call)
    if {key.lower() for key, _ in given} & {key.lower() for key, _ in inherited}:
        raise AwsError("ValidationError", "A session tag has the key of one that the session brought along.")
    role = _trusted(call, context, given, transitive, source)
    policies, arns = issuing.narrowing(call, context, role.account)
    now = int(context.identities.clock())
    principal = call.principal
    record = Record(
        Origin.ROLE,
        role.account,
        role.id,
        now,
        now + issuing.seconds(call, role, chained=principal.kind is Kind.ROLE),
        call["RoleSessionName"],
        policies,
        arns,
        joined(inherited, given),
        (*went_on, *transitive),
        source_identity=source,
        made_by=(principal.id, principal.name) if role.account == names.SHARED else None,
    )
    credentials, packed = issuing.issue(context, record)
    return {
        "Credentials": issuing.shown(credentials),
        "AssumedRoleUser": assumed(role, record),
        "PackedPolicySize": packed,
        "SourceIdentity": source,
    }


def _brought(call: Call) -> tuple[Tags, tuple[str, ...], str | None]:
    """What a session takes along to the next role: transitive tags, their keys, and its source identity."""
    session, source = call.principal.session, call.get("SourceIdentity")
    if session is None:
        return (), (), source
    if session.source_identity is not None and source not in (None, session.source_identity):
        raise AwsError("AccessDenied", "The source identity of a session cannot be changed.")
    keys = {key.lower() for key in session.transitive}
    tags = tuple(tag for tag in call.principal.tags if tag[0].lower() in keys)
    return tags, session.transitive, source or session.source_identity


def _trusted(call: Call, context: Context, given: Tags, transitive: tuple[str, ...], source: str | None) -> Role:
    principal, arn = call.principal, call["RoleArn"]
    keys = administration.request_keys(call, context) | trust.tag_keys(given, transitive)
    keys["sts:rolesessionname"] = (call["RoleSessionName"],)
    if "ExternalId" in call:
        keys["sts:externalid"] = (call["ExternalId"],)
    if source is not None:
        keys["sts:sourceidentity"] = (source,)
    refusal = AwsError(
        "AccessDenied", f"User: {principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )
    return trust.require(
        trust.find(context, arn),
        caller_of(principal),
        context.identities.grants(principal),
        keys,
        trust.actions("sts:AssumeRole", given, source),
        refusal,
    )


def assumed(role: Role, record: Record) -> dict[str, str]:
    """A session of a role as an answer shows it."""
    return {
        "AssumedRoleId": f"{role.id}:{record.name}",
        "Arn": names.session_arn(role, record.name),
    }
