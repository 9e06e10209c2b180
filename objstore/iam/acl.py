"""Access control lists: how a request gives one, what it allows, and how it is shown.

A list comes as a canned name (`x-amz-acl: public-read`), as `x-amz-grant-*` headers, or as an AccessControlPolicy
document; never as two of them. It is stored as grants to canonical users and groups, groups first: that is the order
in which canned lists show on the servers that clients were tested with, and order means nothing else.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.principal import Principal
from objstore.iam.users import Users
from objstore.store.types import Acl, Grant, Owner

READ: Final = "READ"
WRITE: Final = "WRITE"
READ_ACP: Final = "READ_ACP"
WRITE_ACP: Final = "WRITE_ACP"
FULL_CONTROL: Final = "FULL_CONTROL"
PERMISSIONS: Final = frozenset({READ, WRITE, READ_ACP, WRITE_ACP})

USER: Final = "CanonicalUser"
GROUP: Final = "Group"
EMAIL: Final = "AmazonCustomerByEmail"

ALL_USERS: Final = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS: Final = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY: Final = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS: Final = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})

MAX_GRANTS: Final = 100

_CANNED: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "private": (),
    "public-read": ((ALL_USERS, READ),),
    "public-read-write": ((ALL_USERS, READ), (ALL_USERS, WRITE)),
    "authenticated-read": ((AUTHENTICATED_USERS, READ),),
    "log-delivery-write": ((LOG_DELIVERY, WRITE), (LOG_DELIVERY, READ_ACP)),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
_OF_BUCKET_OWNER: Final = {"bucket-owner-read": READ, "bucket-owner-full-control": FULL_CONTROL}

# In the order in which AWS's page names them, which is that of the grants they make.
_HEADER_MEMBERS: Final = {
    "GrantRead": READ,
    "GrantWrite": WRITE,
    "GrantReadACP": READ_ACP,
    "GrantWriteACP": WRITE_ACP,
    "GrantFullControl": FULL_CONTROL,
}
_GRANTEE = re.compile(r'\s*(\w+)\s*=\s*(?:"([^"]*)"|([^",\s]+))\s*(?:,|$)')


def user_grant(owner: Owner, permission: str) -> Grant:
    """A grant to one canonical user."""
    return Grant(USER, permission, id=owner.id, display=owner.name)


def private(owner: Owner) -> Acl:
    """What a bucket or object has when nothing else was asked for."""
    return (user_grant(owner, FULL_CONTROL),)


def canned(name: str, owner: Owner, bucket_owner: Owner | None = None) -> Acl:
    """The grants of a canned ACL for a resource of `owner`; `bucket_owner` is given for objects alone.

    Raises InvalidArgument for an unknown name. `aws-exec-read` speaks of a service that is not here: NotImplemented.
    """
    if name == "aws-exec-read":
        raise AwsError("NotImplemented", "The canned ACL aws-exec-read is not implemented.")
    groups = _CANNED.get(name)
    if groups is None:
        raise AwsError("InvalidArgument", ArgumentName="x-amz-acl", ArgumentValue=name)
    grants = [*(Grant(GROUP, permission, uri=uri) for uri, permission in groups), user_grant(owner, FULL_CONTROL)]
    permission = _OF_BUCKET_OWNER.get(name)
    if permission and bucket_owner and bucket_owner.id != owner.id:
        grants.append(user_grant(bucket_owner, permission))
    return tuple(grants)


def requested(
    members: Mapping[str, Any],
    headers: Mapping[str, str],
    users: Users,
    owner: Owner,
    bucket_owner: Owner | None = None,
) -> Acl | None:
    """The ACL that a request asks for in its headers: canned or grants; None when it asks for none.

    `headers` are looked at for `x-amz-grant-write`, which AWS's model leaves out for objects.
    """
    name = members.get("ACL")
    given = {member: members[member] for member in _HEADER_MEMBERS if members.get(member)}
    if "GrantWrite" not in given and headers.get("x-amz-grant-write"):
        given["GrantWrite"] = headers["x-amz-grant-write"]
    if name and given:
        raise AwsError("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if name:
        return canned(name, owner, bucket_owner)
    if not given:
        return None
    return _arranged(
        grant
        for member, permission in _HEADER_MEMBERS.items()
        if member in given
        for grant in _header_grants(given[member], permission, users)
    )


def _header_grants(value: str, permission: str, users: Users) -> Iterable[Grant]:
    """`id="..", emailAddress=.., uri=..`: a comma-separated list of grantees."""
    at = 0
    while at < len(value):
        match = _GRANTEE.match(value, at)
        if match is None:
            raise AwsError("InvalidArgument", "Argument format not recognized", ArgumentValue=value)
        kind, who = match.group(1).lower(), match.group(2) if match.group(2) is not None else match.group(3)
        if kind == "id":
            yield _to_user(who, permission, users)
        elif kind == "emailaddress":
            yield _to_email(who, permission, users)
        elif kind == "uri":
            yield _to_group(who, permission)
        else:
            raise AwsError("InvalidArgument", "Argument format not recognized", ArgumentValue=value)
        at = match.end()


def from_policy(policy: Mapping[str, Any], owner: Owner, users: Users) -> Acl:
    """The grants of an AccessControlPolicy for a resource of `owner`.

    Raises MalformedACLError, AccessDenied when it names another owner, InvalidArgument for an unknown grantee and
    UnresolvableGrantByEmailAddress for an unknown address.
    """
    named = (policy.get("Owner") or {}).get("ID")
    if not named:
        raise AwsError("MalformedACLError")
    if named != owner.id:
        raise AwsError("AccessDenied", "The owner of a resource cannot be changed by its ACL.")
    return _arranged(_policy_grant(grant, users) for grant in policy.get("Grants") or ())


def _policy_grant(grant: Mapping[str, Any], users: Users) -> Grant:
    grantee, permission = grant.get("Grantee") or {}, grant.get("Permission")
    if permission not in PERMISSIONS and permission != FULL_CONTROL:
        raise AwsError("MalformedACLError")
    kind = grantee.get("Type")
    if kind == USER and grantee.get("ID"):
        return _to_user(grantee["ID"], permission, users)
    if kind == GROUP and grantee.get("URI"):
        return _to_group(grantee["URI"], permission)
    if kind == EMAIL and grantee.get("EmailAddress"):
        return _to_email(grantee["EmailAddress"], permission, users)
    raise AwsError("MalformedACLError")


def _to_user(canonical_id: str, permission: str, users: Users) -> Grant:
    owner = users.by_id(canonical_id)
    if owner is None:
        raise AwsError("InvalidArgument", "Invalid id", ArgumentName="CanonicalUser/ID", ArgumentValue=canonical_id)
    return user_grant(owner, permission)


def _to_email(email: str, permission: str, users: Users) -> Grant:
    owner = users.by_email(email)
    if owner is None:
        raise AwsError("UnresolvableGrantByEmailAddress", ArgumentName="EmailAddress", ArgumentValue=email)
    return user_grant(owner, permission)


def _to_group(uri: str, permission: str) -> Grant:
    if uri not in GROUPS:
        raise AwsError("InvalidArgument", "Invalid group uri", ArgumentName="uri", ArgumentValue=uri)
    return Grant(GROUP, permission, uri=uri)


def _arranged(grants: Iterable[Grant]) -> Acl:
    acl = tuple(sorted(grants, key=lambda grant: grant.kind != GROUP))
    if len(acl) > MAX_GRANTS:
        raise AwsError("MalformedACLError", f"An ACL holds at most {MAX_GRANTS} grants.")
    return acl


class To(IntEnum):
    """To whom a permission was granted, widest last."""

    NOBODY = 0
    CALLER = 1
    GROUP = 2


def granted(acl: Acl, principal: Principal, permission: str) -> To:
    """To whom the grants of an ACL give a permission that reaches a caller: it or its account, or a group it is in."""
    found = To.NOBODY
    for grant in acl:
        if grant.permission in (permission, FULL_CONTROL):
            found = max(found, _reaches(grant, principal))
    return found


def _reaches(grant: Grant, principal: Principal) -> To:
    if grant.kind == GROUP:
        inside = grant.uri == ALL_USERS or (grant.uri == AUTHENTICATED_USERS and not principal.anonymous)
        return To.GROUP if inside else To.NOBODY
    mine = not principal.anonymous and grant.id in (principal.id, principal.user_id)
    return To.CALLER if mine else To.NOBODY


def to_members(acl: Acl, owner: Owner) -> dict[str, Any]:
    """An ACL as the members of GetBucketAcl and GetObjectAcl."""
    return {"Owner": owner_members(owner), "Grants": [_grant_members(grant) for grant in acl]}


def owner_members(owner: Owner) -> dict[str, str]:
    """An owner or initiator as it stands in answers; a nameless one has no DisplayName."""
    return {"ID": owner.id, "DisplayName": owner.name} if owner.name else {"ID": owner.id}


def _grant_members(grant: Grant) -> dict[str, Any]:
    if grant.kind == GROUP:
        grantee = {"Type": GROUP, "URI": grant.uri}
    else:
        grantee = {"Type": USER, **owner_members(Owner(grant.id, grant.display))}
    return {"Grantee": grantee, "Permission": grant.permission}
