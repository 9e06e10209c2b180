"""Managed policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, and their versions.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import documents, paging, shown, subjects, tags
from objstore.iam.context import Context
from objstore.iam.identities import attachments, aws_managed, entities, managed, names
from objstore.iam.identities.records import ManagedPolicy, PolicyVersion

_BY_ARN = subjects.given("PolicyArn")


def number(version: str) -> int:
    """The number in a version's id, `v3`; the model has checked its form."""
    return int(version.removeprefix("v").partition(".")[0])


def show(tx: Transaction, account: str, policy: ManagedPolicy, *, full: bool = True) -> dict[str, Any]:
    """A policy as an answer shows it, with its uses in an account."""
    arn = names.arn(policy)
    bounding = len(attachments.bounded_by(tx, arn))
    return shown.policy(policy, attachments.count(tx, arn, account), bounding, full=full)


@operation(
    "CreatePolicy",
    service="iam",
    action="iam:CreatePolicy",
    supports={"Path", "Description", "Tags"},
    concerns=subjects.new(ManagedPolicy, "PolicyName"),
)
async def create_policy(call: Call, context: Context) -> dict[str, Any]:
    document, now = documents.identity(call["PolicyDocument"]), context.identities.now_us()
    new = ManagedPolicy(
        subjects.account(call),
        names.new_id(names.PREFIXES[ManagedPolicy]),
        call["PolicyName"],
        call.get("Path") or "/",
        now,
        now,
        description=call.get("Description") or "",
        tags=tags.joined((), tags.read(call.get("Tags"))),
    )
    await context.identities.write(lambda tx: managed.create(tx, new, document))
    return {"Policy": shown.policy(new, 0, 0)}


@operation("GetPolicy", service="iam", action="iam:GetPolicy", concerns=_BY_ARN)
async def get_policy(call: Call, context: Context) -> dict[str, Any]:
    account = subjects.account(call)

    def look(tx: Transaction) -> dict[str, Any]:
        return show(tx, account, managed.require(tx, account, call["PolicyArn"]))

    return {"Policy": context.identities.read(look)}


@operation(
    "ListPolicies",
    service="iam",
    action="iam:ListPolicies",
    supports=paging.MEMBERS | {"Scope", "OnlyAttached", "PathPrefix", "PolicyUsageFilter"},
    concerns=subjects.prefix(ManagedPolicy),
)
async def list_policies(call: Call, context: Context) -> dict[str, Any]:
    """AWS's policies, the account's own, or both; all, or those in use."""
    account, scope, prefix = subjects.account(call), call.get("Scope") or "All", call.get("PathPrefix") or "/"

    def look(tx: Transaction) -> list[dict[str, Any]]:
        found = [] if scope == "AWS" else entities.every(tx, ManagedPolicy, account)
        found += [] if scope == "Local" else [one.policy for one in aws_managed.ALL.values()]
        return [show(tx, account, one, full=False) for one in found if one.path.startswith(prefix)]

    def wanted(policy: dict[str, Any]) -> bool:
        attached, bounding = policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]
        usage = call.get("PolicyUsageFilter")
        if usage == "PermissionsBoundary":
            return bool(bounding)
        return bool(attached) if call.get("OnlyAttached") or usage == "PermissionsPolicy" else True

    listing = paging.page(call, filter(wanted, context.identities.read(look)), lambda policy: policy["Arn"])
    return paging.members("Policies", listing, lambda policy: policy)


@operation("DeletePolicy", service="iam", action="iam:DeletePolicy", concerns=_BY_ARN)
async def delete_policy(call: Call, context: Context) -> None:
    account, arn = subjects.account(call), call["PolicyArn"]
    await context.identities.write(lambda tx: managed.delete(tx, managed.require_own(tx, account, arn)))


@operation(
    "CreatePolicyVersion",
    service="iam",
    action="iam:CreatePolicyVersion",
    supports={"SetAsDefault"},
    concerns=_BY_ARN,
)
async def create_policy_version(call: Call, context: Context) -> dict[str, Any]:
    account, arn, in_force = subjects.account(call), call["PolicyArn"], bool(call.get("SetAsDefault"))
    document, now = documents.identity(call["PolicyDocument"]), context.identities.now_us()

    def create(tx: Transaction) -> tuple[ManagedPolicy, PolicyVersion]:
        policy = managed.require_own(tx, account, arn)
        return policy, managed.add_version(tx, policy, document, now, in_force=in_force)

    policy, version = await context.identities.write(create)
    return {"PolicyVersion": shown.version(version, version.number if in_force else policy.default)}


@operation("GetPolicyVersion", service="iam", action="iam:GetPolicyVersion", concerns=_BY_ARN)
async def get_policy_version(call: Call, context: Context) -> dict[str, Any]:
    account, wanted = subjects.account(call), number(call["VersionId"])

    def look(tx: Transaction) -> dict[str, Any]:
        policy = managed.require(tx, account, call["PolicyArn"])
        return shown.version(managed.version(tx, policy, wanted), policy.default, with_document=True)

    return {"PolicyVersion": context.identities.read(look)}


@operation(
    "ListPolicyVersions",
    service="iam",
    action="iam:ListPolicyVersions",
    supports=paging.MEMBERS,
    concerns=_BY_ARN,
)
async def list_policy_versions(call: Call, context: Context) -> dict[str, Any]:
    account = subjects.account(call)

    def look(tx: Transaction) -> list[dict[str, Any]]:
        policy = managed.require(tx, account, call["PolicyArn"])
        return [shown.version(one, policy.default) for one in managed.versions(tx, policy)]

    listing = paging.page(call, context.identities.read(look), lambda one: f"{number(one['VersionId']):09d}")
    return paging.members("Versions", listing, lambda one: one)


@operation("DeletePolicyVersion", service="iam", action="iam:DeletePolicyVersion", concerns=_BY_ARN)
async def delete_policy_version(call: Call, context: Context) -> None:
    account, arn, unwanted = subjects.account(call), call["PolicyArn"], number(call["VersionId"])
    await context.identities.write(
        lambda tx: managed.delete_version(tx, managed.require_own(tx, account, arn), unwanted)
    )


@operation("SetDefaultPolicyVersion", service="iam", action="iam:SetDefaultPolicyVersion", concerns=_BY_ARN)
async def set_default_policy_version(call: Call, context: Context) -> None:
    account, arn, wanted = subjects.account(call), call["PolicyArn"], number(call["VersionId"])
    now = context.identities.now_us()
    await context.identities.write(
        lambda tx: managed.set_default(tx, managed.require_own(tx, account, arn), wanted, now)
    )
