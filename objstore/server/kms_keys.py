"""Keys for administrators: `/-/admin/v1/kms/keys` and `/-/admin/v1/kms/rewrap`.

GET of keys tells all keys of the built-in keyring; PUT with `name` makes one; POST with `name` and `action` rotates,
enables or disables it. POST of rewrap with `name`, perhaps `engine`, and `after` (what the page before gave as `next`)
seals a page of objects under the newest version of a key.
"""

from __future__ import annotations

import base64
import time
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.kms import keyring
from objstore.kms.keyring import S3_KEY, Key
from objstore.server.admin_api import Parameters
from objstore.server.node import Node
from objstore.store.rewrapping import TABLES, Cursor

PAGE: Final = 1000
_ACTIONS: Final = ("rotate", "enable", "disable")


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key, without its secrets; times in microseconds since 1970."""

    name: str
    enabled: bool
    versions: int
    created_us: int
    rotated_us: int


class KeyPages:
    """What the admin API answers of keys."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, method: str, given: Parameters) -> Any:
        if method == "GET":
            keys = self._node.catalog.read(keyring.every)
            return {"engine": self._node.envelopes.engine, "keys": [_view(key) for key in keys]}
        name = _name(given)
        if method == "PUT":
            return _view(await self._create(name))
        action = given.get("action")
        if method != "POST" or action not in _ACTIONS:
            raise AwsError("InvalidArgument", f"action: one of {', '.join(_ACTIONS)}")
        catalog, now_us = self._node.catalog, time.time_ns() // 1000
        if action == "rotate":
            key = await catalog.write(keyring.rotate(name, self._node.master_key, now_us))
        else:
            key = await catalog.write(lambda tx: keyring.enable(tx, name, action == "enable"))
        self._node.envelopes.forget()
        return _view(key)

    async def _create(self, name: str) -> Key:
        try:
            made = keyring.create(name, self._node.master_key, time.time_ns() // 1000)
        except ValueError as error:
            raise AwsError("InvalidArgument", str(error)) from None
        return await self._node.catalog.write(made)


class RewrapPages:
    """One page of a walk over all encrypted objects."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, method: str, given: Parameters) -> Any:
        if method != "POST":
            raise AwsError("MethodNotAllowed")
        name, envelopes = _name(given), self._node.envelopes
        engine = given.get("engine") or (keyring.ENGINE if name == S3_KEY else envelopes.engine)
        after = _unpacked(given["after"]) if given.get("after") else Cursor()

        async def rewrapped(wrapping_key: bytes) -> bytes:
            return await envelopes.rewrapped(engine, name, wrapping_key)

        progress = await self._node.store.rewrap(engine, name, rewrapped, after, PAGE)
        following = _packed(progress.next) if progress.next is not None else None
        return {"looked": progress.looked, "rewrapped": progress.rewrapped, "next": following}


def _name(given: Parameters) -> str:
    name = given.get("name", "")
    if not name:
        raise AwsError("InvalidArgument", "name: say which key")
    return name


def _view(key: Key) -> KeyView:
    return KeyView(
        name=key.name,
        enabled=key.enabled,
        versions=len(key.versions),
        created_us=key.created_us,
        rotated_us=key.versions[-1].created_us,
    )


def _packed(cursor: Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode()


def _unpacked(text: str) -> Cursor:
    try:
        cursor = msgspec.msgpack.decode(base64.urlsafe_b64decode(text), type=Cursor)
        if not 0 <= cursor.table < TABLES:
            raise ValueError
        return cursor
    except ValueError:
        raise AwsError("InvalidArgument", "after: what the page before gave as next") from None
