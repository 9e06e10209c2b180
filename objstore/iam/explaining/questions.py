"""One question, may this principal do that, and its answer with the reason.

Answered by the gate's own decisions: policies, ACLs, ownership and the public access block of S3, and the trust
policies of roles. What is known of the request beside its action and resource is what the questioner tells.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from objstore.aws.body import Body
from objstore.aws.errors import AwsError
from objstore.aws.http import Request
from objstore.aws.operation import REGISTRY, Call
from objstore.aws.principal import Principal
from objstore.aws.sigv4.payload import BARE
from objstore.iam import callers
from objstore.iam.actions import BY_OBJECT_ACL, Need, on_version
from objstore.iam.administration import global_keys
from objstore.iam.bucket_access import Subject
from objstore.iam.context import Context
from objstore.iam.explaining.access import NotThere, WatchedAccess
from objstore.iam.explaining.keys import KnownKeys
from objstore.iam.identities import entities, grants, names
from objstore.iam.identities.records import Role
from objstore.iam.policy import Asked, Caller, Grants, Kind, Policy, Simulated, Values, parse, simulate

S3_ARN: Final = "arn:aws:s3:::"
_NOT_OF_REQUEST: Final = ("aws:currenttime", "aws:epochtime")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. `keys` are condition keys by lower-case name; `resource` is an ARN, or `bucket/key`."""

    action: str
    resource: str
    version_id: str | None = None
    keys: Mapping[str, Values] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return self.resource if self.resource == "*" or self.resource.startswith("arn:") else S3_ARN + self.resource


@dataclass(frozen=True, slots=True)
class Instead:
    """Policies in place of those in force: of the bucket, and of the principal. None leaves them."""

    bucket_policy: Policy | None = None
    grants: Grants | None = None


class Matched(msgspec.Struct, frozen=True):
    """A statement that led to the answer, and the policy that it stands in."""

    policy: str
    kind: str
    statement: str
    text: msgspec.Raw


class Answer(msgspec.Struct, frozen=True):
    """Whether, and why. `missing` are condition keys that policies looked at and that nobody told."""

    principal: str
    action: str
    resource: str
    allowed: bool
    why: str
    matched: tuple[Matched, ...] = ()
    missing: tuple[str, ...] = ()


def answer(context: Context, principal: Principal, question: Question, instead: Instead | None = None) -> Answer:
    """Answer one question. Raises NoSuchBucket."""
    instead = instead or Instead()
    if principal.is_root:
        return _answered(principal, question, True, "allowed: the root user of the deployment passes everywhere")
    if question.arn.startswith(S3_ARN) and question.action.lower() not in _OF_ACCOUNT:
        return _in_bucket(context, principal, question, instead)
    return _in_account(context, principal, question, instead)


# Of S3, what no bucket has a say in.
_OF_ACCOUNT: Final = frozenset({"s3:listallmybuckets", "s3:createbucket"})


def _in_bucket(context: Context, principal: Principal, question: Question, instead: Instead) -> Answer:
    name, _, key = question.arn.removeprefix(S3_ARN).partition("/")
    bucket = context.store.bucket(name)
    call = _call(context, principal, name, key)
    subject = Subject(key or None, question.version_id)
    action = on_version(question.action, question.version_id)
    try:
        access = WatchedAccess(
            call, context, bucket, policy=instead.bucket_policy, grants=instead.grants, given=question.keys
        )
    except AwsError as error:
        return _answered(principal, question, False, f"denied: {error.message}")
    there = True
    try:
        access.require(Need(action), subject)
        allowed = True
    except NotThere:
        allowed, there = not access.told or access.told[-1].decision.allowed, False
    except AwsError:
        allowed = False
    told = access.told[0] if access.told else None
    why = _why(told, action, allowed=allowed) + ("" if there else "; there is no such object")
    return _answered(principal, question, allowed, why, told)


def _why(told: Simulated | None, action: str, *, allowed: bool) -> str:
    if told is None:
        return "allowed: the bucket is the caller's own, and has no policy" if allowed else _FOREIGN
    if allowed and not told.decision.allowed:
        return f"allowed by the ACL of the {'object' if action in BY_OBJECT_ACL else 'bucket'}"
    return _FOREIGN if told.decision.allowed and not allowed else str(told.decision)


_FOREIGN: Final = "denied: the object is of another account, which does not share it by its ACL"


def _in_account(context: Context, principal: Principal, question: Question, instead: Instead) -> Answer:
    """What only the caller's own account has a say in, and the assuming of roles."""
    if principal.anonymous:
        return _answered(principal, question, False, "denied: anonymous callers may do this nowhere")
    s3 = question.action.lower().startswith("s3:")
    caller = callers.caller_of(principal) if s3 else grants.caller_of(principal)
    account, trust = _owner(context, caller, question)
    now = context.identities.clock()
    derived = grants.keys_of(principal) | {
        name: value for name, value in global_keys(None, False, None, now).items() if name in _NOT_OF_REQUEST
    }
    told = simulate(
        Asked(question.action, question.arn, KnownKeys(question.keys, derived)),
        caller,
        instead.grants or context.identities.grants(principal),
        resource_policy=trust,
        owner_account=account,
    )
    return _answered(principal, question, told.decision.allowed, str(told.decision), told)


def _owner(context: Context, caller: Caller, question: Question) -> tuple[str, Policy | None]:
    """The account that the resource is of, and the trust policy of a role that is to be assumed."""
    mine = caller.account or ""
    parts = names.split(question.arn)
    if parts is None:
        return mine, None
    account, kind, _, name = parts
    if kind != "role" or not question.action.lower().startswith("sts:assumerole"):
        return account, None
    role = context.identities.read(lambda tx: entities.find(tx, Role, account, name))
    if role is None:
        raise AwsError("NoSuchEntity", f"There is no role {question.arn}.")
    return account, parse(role.trust, Kind.TRUST, name=f"role {name}")


def _call(context: Context, principal: Principal, bucket: str, key: str) -> Call:
    """A request that nobody sent: it has a bucket, perhaps a key, and a caller."""
    operation = REGISTRY.get("GetObject")
    assert operation is not None, "S3's operations are registered when the server starts"
    request = Request("GET", b"/", b"", {}, [], "", None, bucket, key or None)
    members = {"Bucket": bucket} | ({"Key": key} if key else {})
    return Call(operation, request, "", principal, members, Body(_nothing, {}, BARE), context.region)


async def _nothing() -> MutableMapping[str, Any]:
    raise AssertionError("nobody reads the body of a question")


def _answered(
    principal: Principal, question: Question, allowed: bool, why: str, told: Simulated | None = None
) -> Answer:
    return Answer(
        principal.arn if not principal.anonymous else "anonymous",
        question.action,
        question.arn,
        allowed,
        why,
        tuple(_matched(told)) if told is not None else (),
        told.missing if told is not None else (),
    )


def _matched(told: Simulated) -> list[Matched]:
    placed = told.matched or ((told.decision.by,) if told.decision.by is not None else ())
    return [
        Matched(
            policy.name,
            policy.kind.value,
            statement.label,
            msgspec.Raw(msgspec.json.encode(msgspec.json.decode(policy.text)["Statement"][statement.number - 1])),
        )
        for statement, policy in placed
    ]
