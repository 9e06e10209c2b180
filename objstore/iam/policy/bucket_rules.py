"""What S3 checks of a bucket policy beyond its form: that every action, resource and condition key goes together.

An action that is done to objects may stand beside the ARN of a bucket alone, where S3 says that it does not apply: it
allows nothing there, and Ceph's gateway, whose clients do that, takes it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from objstore.iam.policy.errors import Fault, MalformedPolicy
from objstore.iam.policy.patterns import Wild, matcher, tokens
from objstore.iam.policy.policy import Policy
from objstore.iam.policy.s3_actions import ACTIONS, EVERY_ACTION, ResourceKind, actions_of
from objstore.iam.policy.shape import Fail, Written
from objstore.iam.policy.types import Kind

_ACTION: Final = re.compile(r"s3:[a-z*?]+", re.IGNORECASE)
_RESOURCE: Final = re.compile(r"arn:aws[a-z-]*:s3:[^:]*:[^:]*:.+", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_PROVIDERS: Final = re.compile(r"(saml|ldap|jwt|sts|[a-z0-9\-]+[.:][a-z0-9./:_\-]*):[^:]+")


def check(one: Written, fail: Fail) -> None:
    """Check one statement, whose principal has been looked at already. `fail` raises MalformedPolicy."""
    if not one.actions:
        fail(Fault.NO_ACTION)
    covered = [_covered(action, fail) for action in one.actions]
    if not one.resources:
        fail(Fault.NO_RESOURCE)
    kinds = {kind for resource in one.resources for kind in _kinds(resource, fail)}
    if one.not_resource:
        kinds = {"bucket", "object"}
    if one.not_action:
        covered = [EVERY_ACTION.difference(*covered)]
    for _, key, _ in one.conditions:
        _check_key(key.lower(), covered, kinds, fail)
    for actions in covered:
        of = {ACTIONS[action] for action in actions}
        if not (of & kinds or (kinds == {"bucket"} and "object" in of)):
            fail(Fault.NOT_APPLICABLE)


def check_bucket(policy: Policy, bucket: str) -> None:
    """Raise MalformedPolicy when a statement names a resource that is neither the bucket nor in it."""
    for statement in policy.statements:
        for resource in statement.resources.written if statement.resources else ():
            if not _may_be_of(resource, bucket):
                raise MalformedPolicy(Kind.RESOURCE, Fault.RESOURCE)


def _covered(action: str, fail: Fail) -> frozenset[str]:
    """The actions of S3 that a pattern covers."""
    if action == "*":
        return EVERY_ACTION
    if not _ACTION.fullmatch(action):
        fail(Fault.ACTION)
    lower = action.lower()
    found = frozenset({lower}) & EVERY_ACTION or frozenset(filter(matcher(tokens(lower)), EVERY_ACTION))
    if not found:
        fail(Fault.ACTION)
    return found


def _kinds(resource: str, fail: Fail) -> Iterable[ResourceKind]:
    if resource == "*":
        return ("bucket", "object")
    if not _RESOURCE.fullmatch(resource):
        fail(Fault.RESOURCE)
    path = _path(resource)
    bucket, slash, _ = path.partition("/")
    if slash:
        return ("object",)
    return ("bucket", "object") if "*" in bucket else ("bucket",)


def _path(resource: str) -> str:
    """Bucket and key of an ARN's pattern, where a variable may be anything."""
    return _VARIABLE.sub("*", resource.split(":", 5)[5])


def _may_be_of(resource: str, bucket: str) -> bool:
    if resource == "*":
        return True
    path = _path(resource)
    name, slash, _ = path.partition("/")
    pattern = tokens(name)
    if matcher(pattern)(bucket):
        return True
    # `buck*z` reaches from the bucket's name into its keys.
    reaches = not slash and Wild.ANY in pattern
    head = tokens(name.partition("*")[0])
    return reaches and matcher(head)(f"{bucket}/"[: len(name.partition("*")[0])])


def _check_key(key: str, covered: list[frozenset[str]], kinds: set[ResourceKind], fail: Fail) -> None:
    if not key.startswith("s3:"):
        if not (key.startswith("aws:") or _PROVIDERS.fullmatch(key)):
            fail(Fault.KEY)
        return
    known = actions_of(key)
    if known is None:
        fail(Fault.KEY)
    for actions in covered:
        if not any(ACTIONS[action] in kinds or kinds == {"bucket"} for action in actions & known):
            fail(Fault.KEY_NOT_APPLICABLE)
