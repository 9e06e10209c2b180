"""GetAccountSummary and GetAccountAuthorizationDetails: an account at a glance, and everything in it.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import holder_policies, paging, policies, shown, subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, aws_managed, entities, inline, keys, managed, members
from objstore.iam.identities.inline import BUDGET, Holder
from objstore.iam.identities.records import Group, ManagedPolicy, Provider, Role, User
from objstore.iam.policy import MANAGED_LIMIT, TRUST_LIMIT

_QUOTAS: Final = {
    "UsersQuota": entities.MOST[User],
    "GroupsQuota": entities.MOST[Group],
    "RolesQuota": entities.MOST[Role],
    "PoliciesQuota": entities.MOST[ManagedPolicy],
    "AccessKeysPerUserQuota": keys.MOST,
    "GroupsPerUserQuota": members.MOST_GROUPS,
    "UserPolicySizeQuota": BUDGET[User],
    "GroupPolicySizeQuota": BUDGET[Group],
    "RolePolicySizeQuota": BUDGET[Role],
    "AssumeRolePolicySizeQuota": TRUST_LIMIT,
    "PolicySizeQuota": MANAGED_LIMIT,
    "AttachedPoliciesPerUserQuota": attachments.MOST,
    "AttachedPoliciesPerGroupQuota": attachments.MOST,
    "AttachedPoliciesPerRoleQuota": attachments.MOST,
    "VersionsPerPolicyQuota": managed.MOST_VERSIONS,
}
# What this store does not have.
_NONE: Final = (
    *("AccountMFAEnabled", "AccountPasswordPresent", "AccountSigningCertificatesPresent", "InstanceProfiles"),
    *("MFADevices", "MFADevicesInUse", "ServerCertificates"),
)


@operation("GetAccountSummary", service="iam", action="iam:GetAccountSummary", concerns=subjects.anything)
async def get_account_summary(call: Call, context: Context) -> dict[str, Any]:
    account = subjects.account(call)

    def look(tx: Transaction) -> dict[str, int]:
        own = entities.every(tx, ManagedPolicy, account)
        return {
            "Users": entities.count(tx, User, account),
            "Groups": entities.count(tx, Group, account),
            "Roles": entities.count(tx, Role, account),
            "Policies": len(own),
            "Providers": entities.count(tx, Provider, account),
            "PolicyVersionsInUse": sum(len(managed.versions(tx, one)) for one in own),
            "AccountAccessKeysPresent": int(any(key.service is None for key in keys.of_owner(tx, account, ""))),
        }

    return {"SummaryMap": context.identities.read(look) | _QUOTAS | dict.fromkeys(_NONE, 0)}


def _inline(tx: Transaction, holder: Holder) -> list[dict[str, str]]:
    return [{"PolicyName": name, "PolicyDocument": shown.document(text)} for name, text in inline.all_of(tx, holder.id)]


def _attached(tx: Transaction, holder: Holder) -> list[dict[str, str]]:
    return [holder_policies.attached(arn) for arn in attachments.policies_of(tx, holder.id)]


def _user(tx: Transaction, one: User) -> dict[str, Any]:
    return {
        **shown.user(one),
        "UserPolicyList": _inline(tx, one),
        "GroupList": [group.name for group in members.groups_of(tx, one.id)],
        "AttachedManagedPolicies": _attached(tx, one),
    }


def _group(tx: Transaction, one: Group) -> dict[str, Any]:
    return {
        **shown.group(one),
        "GroupPolicyList": _inline(tx, one),
        "AttachedManagedPolicies": _attached(tx, one),
    }


def _role(tx: Transaction, one: Role) -> dict[str, Any]:
    members = shown.role(one)
    for left_out in ("Description", "MaxSessionDuration"):
        members.pop(left_out, None)
    return {
        **members,
        "InstanceProfileList": [],
        "RolePolicyList": _inline(tx, one),
        "AttachedManagedPolicies": _attached(tx, one),
    }


def _policy(tx: Transaction, account: str, one: ManagedPolicy) -> dict[str, Any]:
    members = policies.show(tx, account, one)
    members.pop("Tags", None)
    versions = [shown.version(version, one.default, with_document=True) for version in managed.versions(tx, one)]
    return {**members, "PolicyVersionList": versions}


@operation(
    "GetAccountAuthorizationDetails",
    service="iam",
    action="iam:GetAccountAuthorizationDetails",
    supports=paging.MEMBERS | {"Filter"},
    concerns=subjects.anything,
)
async def get_account_authorization_details(call: Call, context: Context) -> dict[str, Any]:
    """Every user, group, role and policy of the account with all that they may do, in pages."""
    account, wanted = subjects.account(call), set(call.get("Filter") or ())

    def look(tx: Transaction) -> dict[str, Any]:
        found: list[tuple[str, str, Callable[[], dict[str, Any]]]] = []

        def gather(member: str, filter_: str, ones: list[Any], show: Callable[[Any], dict[str, Any]]) -> None:
            if not wanted or filter_ in wanted:
                found.extend((member, one.id, partial(show, one)) for one in ones)

        gather("UserDetailList", "User", entities.every(tx, User, account), lambda one: _user(tx, one))
        gather("GroupDetailList", "Group", entities.every(tx, Group, account), lambda one: _group(tx, one))
        gather("RoleDetailList", "Role", entities.every(tx, Role, account), lambda one: _role(tx, one))
        own = entities.every(tx, ManagedPolicy, account)
        gather("Policies", "LocalManagedPolicy", own, lambda one: _policy(tx, account, one))
        aws = [one.policy for one in aws_managed.ALL.values()]
        gather("Policies", "AWSManagedPolicy", aws, lambda one: _policy(tx, account, one))
        listing = paging.page(call, found, lambda one: one[1])
        result: dict[str, Any] = {member: [] for member, _, _ in listing.items}
        for member, _, show in listing.items:
            result[member].append(show())
        result["IsTruncated"] = listing.next is not None
        if listing.next is not None:
            result["Marker"] = listing.next
        return result

    return context.identities.read(look)
