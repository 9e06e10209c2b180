"""Replaying: what a log of requests would have been under another policy.

Each request of an access log is asked about twice, with the policies in force and with the changed one. The log does
not tell all that a policy may look at (headers, tags that are set, what is copied): where a policy does, the answer
says so. A request that the log tells too little of, or whose caller or bucket is gone, is left out with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import REGISTRY
from objstore.aws.principal import ANONYMOUS, Principal
from objstore.catalog.transaction import Transaction
from objstore.iam.actions import on_version
from objstore.iam.context import Context
from objstore.iam.explaining import people
from objstore.iam.explaining.questions import Answer, Instead, Question, answer
from objstore.iam.identities import entities, members, names
from objstore.iam.identities.records import Group, Role, User
from objstore.iam.policy import Grants, Kind, Policy, Values, check_bucket, parse
from objstore.store.errors import NoSuchBucket

OF_BUCKET: Final = "bucket:"
_MANAGED: Final = "policy"
_HOLDERS: Final[dict[str, type]] = {"user": User, "group": Group, "role": Role}
# What is decided key by key, and the log tells none of them.
_PER_KEY: Final = frozenset({"DeleteObjects"})


class Logged(msgspec.Struct, frozen=True):
    """A line of the access log, as far as a decision may depend on it."""

    time: str
    operation: str | None = None
    service: str = "s3"
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    access_key: str | None = None
    principal: str | None = None
    client: str | None = None
    secure: bool | None = None
    status: int = 0


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy, and where it would stand.

    `target` is `bucket:NAME`, whose policy it replaces; the ARN of a managed policy, which it replaces for all who have
    it; or the ARN of a user, group or role, which gets it beside its policies, or in place of the one named `instead`.
    """

    target: str
    policy: str
    instead: str | None = None


class Replayed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one request: both answers, or why there are none."""

    before: Answer | None = None
    after: Answer | None = None
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Changed:
    """A change, compiled: of a bucket's policy, of a managed one by its ARN, or of what the holder of an id has.

    `instead` are the names by which the policy that it replaces may go.
    """

    policy: Policy
    bucket: str | None = None
    managed: str | None = None
    holder: str | None = None
    instead: tuple[str, ...] = ()


def compiled(context: Context, change: Change) -> Changed:
    """Raises MalformedPolicy; NoSuchBucket and NoSuchEntity when there is no such target."""
    if change.target.startswith(OF_BUCKET):
        name = change.target.removeprefix(OF_BUCKET)
        context.store.bucket(name)
        policy = parse(change.policy, Kind.RESOURCE, name="the new bucket policy")
        check_bucket(policy, name)
        return Changed(policy, bucket=name)
    policy = parse(change.policy, Kind.IDENTITY, name="the new policy")
    parts = names.split(change.target)
    if parts is not None and parts[1] == _MANAGED:
        return Changed(policy, managed=change.target)
    kind = _HOLDERS.get(parts[1]) if parts is not None else None
    if parts is None or kind is None:
        raise AwsError(
            "NoSuchEntity", f"{change.target} is no bucket:NAME and no ARN of a user, group, role or managed policy."
        )
    found = context.identities.read(lambda tx: entities.require(tx, kind, parts[0], parts[3]))
    instead = (change.instead, f"{change.instead} of {parts[1]} {found.name}") if change.instead else ()
    return Changed(policy, holder=found.id, instead=instead)


def replay(context: Context, changed: Changed, logged: Logged) -> Replayed:
    """Ask about one request of a log, with and without the change. Never raises for what a log may hold."""
    try:
        question = _question(logged)
        principal = _principal(context, logged)
        before = answer(context, principal, question)
        return Replayed(before, answer(context, principal, question, _instead(context, changed, principal, question)))
    except Untold as error:
        return Replayed(skipped=str(error))
    except NoSuchBucket:
        return Replayed(skipped="the bucket is gone")
    except AwsError as error:
        return Replayed(skipped=error.message)


class Untold(Exception):
    """The log does not tell enough of a request; the message says of what."""


def _question(logged: Logged) -> Question:
    if logged.operation is None:
        raise Untold("no operation was recognised")
    operation = REGISTRY.get(logged.operation, logged.service)
    if logged.service != "s3" or operation is None:
        raise Untold("of other services than S3 the log tells too little")
    if logged.operation in _PER_KEY:
        raise Untold("the log does not tell which keys were to be deleted")
    resource = "*" if logged.bucket is None else logged.bucket
    if logged.bucket is not None and logged.key is not None:
        resource = f"{logged.bucket}/{logged.key}"
    action = on_version(operation.action, logged.version_id)
    return Question(action, resource, logged.version_id, _keys(logged))


def _keys(logged: Logged) -> dict[str, Values]:
    try:
        moment = datetime.fromisoformat(logged.time)
    except ValueError:
        raise Untold("the time of the request cannot be read") from None
    seconds = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    keys: dict[str, Values] = {"aws:currenttime": (logged.time,), "aws:epochtime": (str(seconds),)}
    if logged.client is not None:
        keys["aws:sourceip"] = (logged.client,)
    if logged.secure is not None:
        keys["aws:securetransport"] = ("true" if logged.secure else "false",)
    return keys


def _principal(context: Context, logged: Logged) -> Principal:
    """Who asked: by its key while that is there, else by its ARN, as sessions are."""
    if logged.access_key is None:
        return ANONYMOUS
    for name in (logged.access_key, logged.principal):
        if name is not None:
            try:
                return people.named(context, name)
            except AwsError:
                continue
    raise Untold("the caller is gone")


def _instead(context: Context, changed: Changed, principal: Principal, question: Question) -> Instead:
    if changed.bucket is not None:
        asked = question.resource.partition("/")[0]
        return Instead(bucket_policy=changed.policy if asked == changed.bucket else None)
    return Instead(grants=_grants(context, changed, principal))


def _grants(context: Context, changed: Changed, principal: Principal) -> Grants | None:
    """The principal's policies with the change; None where it changes nothing."""
    if principal.anonymous or principal.is_root:
        return None
    present = context.identities.grants_now(principal)
    if changed.managed is not None:
        return _replaced(present, changed.managed, changed.policy)
    if not context.identities.read(lambda tx: _holds(tx, changed.holder, principal)):
        return None
    if not changed.instead:
        return Grants((*present.identity, changed.policy), present.boundary, present.session)
    named = next((one.name for one in present.identity if _goes_by(one.name, changed.instead)), None)
    if named is None:
        raise Untold(f"there is no policy {changed.instead[0]} to replace")
    return _replaced(present, named, changed.policy)


def _goes_by(name: str, asked: tuple[str, ...]) -> bool:
    """Whether a policy is meant: an inline one by its name, a managed one by its ARN or the name at the end of that."""
    return name in asked or (name.startswith("arn:") and name.rpartition("/")[2] in asked)


def _holds(tx: Transaction, holder: str | None, principal: Principal) -> bool:
    """Whether the principal is the holder of a policy, or a user in the group that is."""
    mine = principal.user_id.partition(":")[0]
    return holder == mine or any(group.id == holder for group in members.groups_of(tx, mine))


def _replaced(present: Grants, name: str, policy: Policy) -> Grants:
    boundary = present.boundary
    if boundary is not None and boundary.name == name:
        boundary = parse(policy.source, Kind.BOUNDARY, name=policy.name)
    identity = tuple(policy if one.name == name else one for one in present.identity)
    return Grants(identity, boundary, present.session)
