"""The built-in key management: named keys with versions, in the catalog, sealed under the master key.

A rotation adds a version; what older ones sealed stays readable. A key is read from the catalog each time it is used,
so what one process creates, rotates or disables counts in all others at once. SSE-S3 has a key of its own here, which
no client can name.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.kms.engine import DEFAULT, valid_name
from objstore.kms.errors import KeyDisabled, KeyExists, KeyNotFound, KeyUnusable
from objstore.kms.master import MasterKey
from objstore.sealing.errors import SealBroken, WrongKey
from objstore.sealing.wrapping import unwrap, wrap

S3_KEY: Final = "SSE-S3"
"""The key of SSE-S3."""
ENGINE: Final = "keyring"

_KEY_BYTES = 32
_VERSION = struct.Struct(">I")


class KeyVersion(msgspec.Struct, frozen=True, array_like=True):
    """One version: its 32 bytes are `sealed` under the master key."""

    number: int
    created_us: int
    sealed: bytes


class Key(msgspec.Struct, frozen=True, array_like=True):
    """A named key, its versions in order of number."""

    name: str
    created_us: int
    enabled: bool
    versions: tuple[KeyVersion, ...]


class Keyring:
    """The engine, over whatever finds its keys and opens the secrets of their versions."""

    def __init__(
        self, name: str, default_key: str, find: Callable[[str], Key | None], secret: Callable[[Key, KeyVersion], bytes]
    ) -> None:
        self.name = name
        self.default_key = default_key
        self._find = find
        self._secret = secret

    async def generate(self, key: str) -> tuple[bytes, bytes]:
        found = self._usable(key)
        newest = found.versions[-1]
        plain = os.urandom(_KEY_BYTES)
        return plain, self._seal(found, newest, plain)

    async def decrypt(self, key: str, sealed: bytes) -> bytes:
        return self._plain(self._usable(key), sealed)

    async def rewrap(self, key: str, sealed: bytes) -> bytes:
        found = self._usable(key)
        newest = found.versions[-1]
        plain = self._plain(found, sealed)
        return sealed if _number(sealed) == newest.number else self._seal(found, newest, plain)

    def _usable(self, name: str) -> Key:
        key = self._find(name)
        if key is None:
            raise KeyNotFound(f"Key '{name}' does not exist")
        if not key.enabled:
            raise KeyDisabled(f"Key '{name}' is disabled")
        return key

    def _seal(self, key: Key, version: KeyVersion, plain: bytes) -> bytes:
        return _VERSION.pack(version.number) + wrap(plain, self._secret(key, version), key.name.encode())

    def _plain(self, key: Key, sealed: bytes) -> bytes:
        number = _number(sealed)
        version = next((one for one in key.versions if one.number == number), None)
        if version is None:
            raise KeyUnusable(f"Key '{key.name}' has no version {number}")
        try:
            return unwrap(sealed[_VERSION.size :], self._secret(key, version), key.name.encode())
        except WrongKey:
            raise SealBroken(f"a wrapping key was not sealed under version {number} of key {key.name!r}") from None


def of_catalog(read: Callable[[Callable[[Transaction], Key | None]], Key | None], master: MasterKey) -> Keyring:
    """The engine over the catalog; `read` runs a transaction function on a snapshot of it."""
    opened = lru_cache(maxsize=1024)(master.open)
    return Keyring(
        ENGINE,
        DEFAULT,
        lambda name: read(lambda tx: find(tx, name)),
        lambda key, version: opened(version.sealed, _context(key.name, version.number)),
    )


def _number(sealed: bytes) -> int:
    if len(sealed) < _VERSION.size:
        raise SealBroken("a wrapping key is too short to be one")
    number: int = _VERSION.unpack_from(sealed)[0]
    return number


def _context(name: str, number: int) -> bytes:
    return f"kms key {name} {number}".encode()


# transaction functions


def find(tx: Transaction, name: str) -> Key | None:
    """The key of that name."""
    row = tx.one("SELECT record FROM kms_keys WHERE name = ?", name.encode())
    return unpack(row[0], Key) if row is not None else None


def require(tx: Transaction, name: str) -> Key:
    """The key of that name; raises KeyNotFound."""
    key = find(tx, name)
    if key is None:
        raise KeyNotFound(f"Key '{name}' does not exist")
    return key


def every(tx: Transaction) -> list[Key]:
    """All keys by name."""
    return [unpack(record, Key) for (record,) in tx.all("SELECT record FROM kms_keys ORDER BY name")]


def create(name: str, master: MasterKey, now_us: int) -> Callable[[Transaction], Key]:
    """A transaction function that makes a key. Raises KeyExists, and ValueError for a name that cannot be one."""
    if not valid_name(name) or name == S3_KEY:
        raise ValueError(f"a key cannot be named {name!r}: use letters, digits and _ . / : -")
    return _creating(name, master, now_us)


def _creating(name: str, master: MasterKey, now_us: int) -> Callable[[Transaction], Key]:
    key = Key(name, now_us, True, (_version(name, 1, master, now_us),))

    def run(tx: Transaction) -> Key:
        if find(tx, name) is not None:
            raise KeyExists(f"Key '{name}' exists already")
        tx.run("INSERT INTO kms_keys (name, record) VALUES (?, ?)", name.encode(), pack(key))
        return key

    return run


def rotate(name: str, master: MasterKey, now_us: int) -> Callable[[Transaction], Key]:
    """A transaction function that adds a version to a key. Raises KeyNotFound."""
    secret = os.urandom(_KEY_BYTES)

    def run(tx: Transaction) -> Key:
        key = require(tx, name)
        number = key.versions[-1].number + 1
        version = KeyVersion(number, now_us, master.seal(secret, _context(name, number)))
        return _replace(tx, msgspec.structs.replace(key, versions=(*key.versions, version)))

    return run


def enable(tx: Transaction, name: str, enabled: bool) -> Key:
    """Enable or disable a key. Raises KeyNotFound, and KeyUnusable for the key of SSE-S3."""
    key = require(tx, name)
    if name == S3_KEY:
        raise KeyUnusable("The key of SSE-S3 cannot be disabled")
    return _replace(tx, msgspec.structs.replace(key, enabled=enabled))


def reseal(tx: Transaction, old: MasterKey, new: MasterKey) -> int:
    """Seal every version under another master key; how many."""
    count = 0
    for key in every(tx):
        versions = []
        for version in key.versions:
            context = _context(key.name, version.number)
            secret = old.open(version.sealed, context)
            versions.append(msgspec.structs.replace(version, sealed=new.seal(secret, context)))
        _replace(tx, msgspec.structs.replace(key, versions=tuple(versions)))
        count += len(versions)
    return count


def prepared(tx: Transaction) -> bool:
    """Whether the two keys that are always there are."""
    return all(find(tx, name) is not None for name in (S3_KEY, DEFAULT))


def prepare(master: MasterKey, now_us: int) -> Callable[[Transaction], None]:
    """A transaction function that makes the two keys that are always there: SSE-S3's, and the default of SSE-KMS."""
    wanted = {name: _creating(name, master, now_us) for name in (S3_KEY, DEFAULT)}

    def run(tx: Transaction) -> None:
        for name, make in wanted.items():
            if find(tx, name) is None:
                make(tx)

    return run


def _version(name: str, number: int, master: MasterKey, now_us: int) -> KeyVersion:
    return KeyVersion(number, now_us, master.seal(os.urandom(_KEY_BYTES), _context(name, number)))


def _replace(tx: Transaction, key: Key) -> Key:
    tx.run("UPDATE kms_keys SET record = ? WHERE name = ?", pack(key), key.name.encode())
    return key
