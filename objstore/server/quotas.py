"""Quotas for administrators: `/-/admin/v1/quota`, whose parameters name the target.

`account` (its id or canonical user id), `user` (ARN or unique id), `bucket`, or `bucket` and `prefix`. GET tells one
quota, or without a target all of them, page by page; PUT sets `objects` and `bytes`, where one that is not given is
without limit; DELETE takes the quota away.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import accounts, entities, names
from objstore.iam.identities.records import Role, User
from objstore.server.admin_api import Parameters
from objstore.server.node import Node
from objstore.store import buckets
from objstore.store.quotas import Limits, Quota, Target

PAGE: Final = 1000


class QuotaView(msgspec.Struct, frozen=True, kw_only=True):
    """One quota: limits, None for none, and what is held; `counted` is False while what was there is being counted.

    `name` is for people: the id of an account, the ARN of a user, the name of a bucket.
    """

    scope: str
    name: str
    id: str | None = None
    bucket: str | None = None
    prefix: str | None = None
    max_objects: int | None
    max_bytes: int | None
    objects: int
    bytes: int
    counted: bool


class QuotaPages:
    """What the admin API answers of quotas."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, method: str, given: Parameters) -> Any:
        if method == "GET" and not {"account", "user", "bucket", "prefix"} & given.keys():
            return await self._list(given.get("after"))
        target = self._target(given)
        if method == "PUT":
            return self._view(await self._node.store.set_quota(target, _limits(given)))
        quota = self._node.store.quota(target)
        if quota is None:
            raise AwsError("NoSuchEntity", "There is no such quota.")
        if method == "DELETE":
            await self._node.store.remove_quota(target)
        return self._view(quota)

    async def _list(self, after: str | None) -> dict[str, Any]:
        found = await self._node.store.list_quotas(_unpacked(after) if after else None, PAGE + 1)
        page = found[:PAGE]
        following = _packed(page[-1].target) if len(found) > PAGE else None
        return {"quotas": [self._view(quota) for quota in page], "next": following}

    def _target(self, given: Parameters) -> Target:
        named = [name for name in ("account", "user", "bucket") if given.get(name)]
        if len(named) != 1 or ("prefix" in given and named != ["bucket"]):
            raise AwsError("InvalidArgument", "A quota is for one of account, user, bucket, or a bucket and a prefix.")
        if named == ["account"]:
            return Target("account", 0, self._node.catalog.read(lambda tx: self._account(tx, given["account"])))
        if named == ["user"]:
            return Target("user", 0, self._node.catalog.read(lambda tx: self._user(tx, given["user"])))
        bucket = self._node.store.bucket(given["bucket"]).id
        return (
            Target("prefix", bucket, given["prefix"].encode()) if "prefix" in given else Target("bucket", bucket, b"")
        )

    def _account(self, tx: Transaction, text: str) -> bytes:
        """The canonical user id of an account."""
        root = self._node.users.account_root(text)
        found = accounts.find(tx, text) or accounts.by_canonical(tx, text)
        if root is None and found is None and self._node.users.by_id(text) is None:
            raise AwsError("NoSuchEntity", f"There is no account {text}.")
        return (root.id if root is not None else found.canonical if found is not None else text).encode()

    def _user(self, tx: Transaction, text: str) -> bytes:
        """The unique id of a user, a role, or the root user of an account."""
        parts = names.split(text)
        if parts is not None:
            account, kind, _, name = parts
            if kind == "root":
                text = account
            elif kind == "user":
                text = entities.require(tx, User, account, name).id
            elif kind == "role":
                text = entities.require(tx, Role, account, name).id
        users = self._node.users
        known = entities.by_id(tx, User, text) or entities.by_id(tx, Role, text) or accounts.find(tx, text)
        if known is None and users.account_root(text) is None and users.by_id(text) is None:
            raise AwsError("NoSuchEntity", f"There is no user {text}.")
        return text.encode()

    def _view(self, quota: Quota) -> QuotaView:
        scope, bucket, raw = quota.target
        text = raw.decode()
        name, of_bucket = text, None
        if bucket:
            found = self._node.catalog.read(lambda tx: buckets.by_id(tx, bucket))
            name = of_bucket = found.name if found is not None else ""
        elif scope == "account":
            name = self._node.identities.account_of(text) or text
        elif scope == "user":
            name = self._node.catalog.read(lambda tx: _arn(tx, text)) or text
        return QuotaView(
            scope=scope,
            name=name,
            id=None if bucket else text,
            bucket=of_bucket,
            prefix=text if scope == "prefix" else None,
            max_objects=quota.limits.objects,
            max_bytes=quota.limits.bytes,
            objects=quota.objects,
            bytes=quota.bytes,
            counted=quota.counted is None,
        )


def _arn(tx: Transaction, unique: str) -> str | None:
    found = entities.by_id(tx, User, unique) or entities.by_id(tx, Role, unique)
    return names.arn(found) if found is not None else None


def _limits(given: Parameters) -> Limits:
    limits = Limits(_number(given, "objects"), _number(given, "bytes"))
    if limits == (None, None):
        raise AwsError("InvalidArgument", "Give the most objects, the most bytes, or both.")
    return limits


def _number(given: Parameters, name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise AwsError("InvalidArgument", f"{name} is a number from 0 to 10^18.", ArgumentName=name, ArgumentValue=text)
    return int(text)


def _packed(target: Target) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(target)).decode()


def _unpacked(text: str) -> Target:
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(text), type=Target)
    except (ValueError, msgspec.MsgspecError):
        raise AwsError("InvalidArgument", "This continues no list.", ArgumentName="after", ArgumentValue=text) from None
