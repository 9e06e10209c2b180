"""Identities as members of answers: in full, and short as they stand in lists.

Documents are percent-encoded, as RFC 3986 has it; clients decode them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from objstore.iam.api import tags
from objstore.iam.identities import names
from objstore.iam.identities.records import AccessKey, Group, ManagedPolicy, PolicyVersion, Role, User


def moment(us: int) -> datetime:
    """Microseconds since 1970, cut to seconds as IAM shows them."""
    return datetime.fromtimestamp(us // 1_000_000, UTC)


def document(text: str) -> str:
    """A policy as answers carry it."""
    return quote(text, safe="")


def user(one: User, *, full: bool = True) -> dict[str, Any]:
    """A user; boundary and tags only in full."""
    members = {
        "Path": one.path,
        "UserName": one.name,
        "UserId": one.id,
        "Arn": names.arn(one),
        "CreateDate": moment(one.created_us),
    }
    return members | _extras(one) if full else members


def group(one: Group) -> dict[str, Any]:
    """A group."""
    return {
        "Path": one.path,
        "GroupName": one.name,
        "GroupId": one.id,
        "Arn": names.arn(one),
        "CreateDate": moment(one.created_us),
    }


def role(one: Role, *, full: bool = True) -> dict[str, Any]:
    """A role; boundary and tags only in full."""
    members = {
        "Path": one.path,
        "RoleName": one.name,
        "RoleId": one.id,
        "Arn": names.arn(one),
        "CreateDate": moment(one.created_us),
        "AssumeRolePolicyDocument": document(one.trust),
        "MaxSessionDuration": one.longest,
    }
    if one.description:
        members["Description"] = one.description
    return members | _extras(one) if full else members


def policy(one: ManagedPolicy, attached: int, bounding: int, *, full: bool = True) -> dict[str, Any]:
    """A managed policy, and of how many it is attached to or the boundary."""
    members: dict[str, Any] = {
        "PolicyName": one.name,
        "PolicyId": one.id,
        "Arn": names.arn(one),
        "Path": one.path,
        "DefaultVersionId": f"v{one.default}",
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": bounding,
        "IsAttachable": True,
        "CreateDate": moment(one.created_us),
        "UpdateDate": moment(one.updated_us),
    }
    if full and one.description:
        members["Description"] = one.description
    if full and one.tags:
        members["Tags"] = tags.shown(one.tags)
    return members


def version(one: PolicyVersion, default: int, *, with_document: bool = False) -> dict[str, Any]:
    """A version of a managed policy."""
    members: dict[str, Any] = {
        "VersionId": f"v{one.number}",
        "IsDefaultVersion": one.number == default,
        "CreateDate": moment(one.created_us),
    }
    return {"Document": document(one.document), **members} if with_document else members


def key(one: AccessKey, username: str | None) -> dict[str, Any]:
    """An access key, without its secret."""
    return {
        "UserName": username,
        "AccessKeyId": one.id,
        "Status": "Active" if one.active else "Inactive",
        "CreateDate": moment(one.created_us),
    }


def _extras(one: User | Role) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if one.boundary is not None:
        members["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": one.boundary,
        }
    if one.tags:
        members["Tags"] = tags.shown(one.tags)
    return members
