"""Whether a role's trust policy lets somebody in: to assume it, with those tags and that source identity.

A role that is not there is told like one that does not trust the caller.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user.html
"""

from __future__ import annotations

from objstore.aws.errors import AwsError
from objstore.iam import policy
from objstore.iam.administration import resource_tags
from objstore.iam.context import Context
from objstore.iam.identities import entities, names
from objstore.iam.identities.records import Role, Tags
from objstore.iam.policy import Asked, Caller, Grants, Values, decide


def find(context: Context, arn: str) -> Role | None:
    """The role of an ARN."""
    parts = names.split(arn)
    if parts is None or parts[1] != "role":
        return None
    found = context.identities.read(lambda tx: entities.find(tx, Role, parts[0], parts[3]))
    return found if found is not None and names.arn(found) == arn else None


def require(
    role: Role | None,
    caller: Caller,
    grants: Grants,
    keys: dict[str, Values],
    actions: tuple[str, ...],
    refusal: AwsError,
) -> Role:
    """The role, when its trust policy allows the caller all of the actions. Raises the refusal."""
    if role is None:
        raise refusal
    trust = policy.parse(role.trust, policy.Kind.TRUST, name=f"trust policy of {role.name}")
    known = {**keys, **resource_tags(role.tags)}
    for action in actions:
        asked = Asked(action, names.arn(role), known)
        if not decide(asked, caller, grants, resource_policy=trust, owner_account=role.account).allowed:
            raise refusal
    return role


def actions(assume: str, tags: Tags, source_identity: str | None) -> tuple[str, ...]:
    """What must be allowed: to assume, and where they are asked for, to set tags and a source identity."""
    return (
        assume,
        *(("sts:TagSession",) if tags else ()),
        *(("sts:SetSourceIdentity",) if source_identity is not None else ()),
    )


def tag_keys(tags: Tags, transitive: tuple[str, ...]) -> dict[str, Values]:
    """Condition keys of the tags that a session is to have."""
    keys: dict[str, Values] = {f"aws:requesttag/{name.lower()}": (value,) for name, value in tags}
    if tags:
        keys["aws:tagkeys"] = tuple(name for name, _ in tags)
    if transitive:
        keys["sts:transitivetagkeys"] = transitive
    return keys
