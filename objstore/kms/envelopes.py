"""Data keys of objects, sealed and opened, whichever scheme and engine they are under.

    data key  --sealed under-->  wrapping key  --sealed under-->  a key of an engine     (SSE-S3, SSE-KMS)
    data key  --sealed under-->  the customer's key, which is not kept                   (SSE-C)

A wrapping key serves one object, or, as a *bucket key*, the objects of one bucket for a few minutes: then it is asked
of the engine once. SSE-S3 always works that way, under a key of the built-in keyring. What was opened is remembered as
long, and no longer, so a key that was disabled stops to open within that time.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

import msgspec

from objstore.kms.engine import Engine, key_name
from objstore.kms.errors import KeyNotFound, KmsUnavailable
from objstore.kms.keyring import S3_KEY
from objstore.sealing.datakey import DataKey
from objstore.sealing.errors import SealBroken, WrongKey
from objstore.sealing.record import CUSTOMER, KMS, S3, Encryption, Seal
from objstore.sealing.wrapping import unwrap, wrap

T = TypeVar("T")

REMEMBERED: Final = 300.0
"""Seconds for which a bucket key is used, and an opened one remembered."""
_ENTRIES: Final = 4096


@dataclass(frozen=True, slots=True)
class Wanted:
    """How something is to be encrypted: `key_id` as the engine names it, `context` as canonical JSON."""

    scheme: str
    key_id: str = ""
    context: str = ""
    bucket_key: bool = False
    customer_key: bytes | None = field(default=None, repr=False)


class Envelopes:
    """`keyring` has the key of SSE-S3; `chosen` is the engine for new SSE-KMS objects, `others` still open theirs."""

    def __init__(
        self,
        keyring: Engine,
        chosen: Engine,
        others: Iterable[Engine] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        remembered: float = REMEMBERED,
    ) -> None:
        self._keyring = keyring
        self._chosen = chosen
        self._engines = {engine.name: engine for engine in (*others, chosen, keyring)}
        self._made: _Remembered[tuple[bytes, bytes]] = _Remembered(clock, remembered)
        self._opened: _Remembered[bytes] = _Remembered(clock, remembered)

    @property
    def engine(self) -> str:
        """The name of the engine for new objects."""
        return self._chosen.name

    def key_name(self, text: str | None) -> str:
        """The key that a client names, or the default. Raises KeyNotFound for what can be no key's name."""
        name = key_name(text, self._chosen)
        if name == S3_KEY:
            raise KeyNotFound(f"Key '{name}' does not exist")
        return name

    async def seal(self, wanted: Wanted, bucket: int, key: DataKey | None = None) -> Seal:
        """A new data key, or the given one, sealed as wanted. Raises KmsError."""
        key = key or DataKey.new()
        context = _context(wanted.scheme, wanted.context)
        if wanted.scheme == CUSTOMER:
            assert wanted.customer_key is not None, "SSE-C has the customer's key"
            return Seal(key, Encryption(CUSTOMER, wrap(key.secret, wanted.customer_key, context)))
        engine, key_id = (self._keyring, S3_KEY) if wanted.scheme == S3 else (self._chosen, wanted.key_id)
        shared = wanted.bucket_key or wanted.scheme == S3
        place = (engine.name, key_id, bucket) if shared else None
        plain, sealed = await self._made.get(place, lambda: engine.generate(key_id))
        if shared:
            self._opened.keep((engine.name, key_id, sealed), plain)
        record = Encryption(
            scheme=wanted.scheme,
            data_key=wrap(key.secret, plain, context),
            wrapping_key=sealed,
            engine=engine.name,
            key_id=key_id,
            context=wanted.context,
            bucket_key=wanted.bucket_key,
        )
        return Seal(key, record)

    async def open(self, record: Encryption, customer_key: bytes | None = None) -> DataKey:
        """The data key. Raises WrongKey (SSE-C: the key is another), SealBroken, KmsError."""
        context = _context(record.scheme, record.context)
        if record.scheme == CUSTOMER:
            if customer_key is None:
                raise WrongKey("no key was given")
            return DataKey(unwrap(record.data_key, customer_key, context))
        engine = self._engine(record.engine)
        shared = record.bucket_key or record.scheme == S3
        place = (engine.name, record.key_id, record.wrapping_key) if shared else None
        plain = await self._opened.get(place, lambda: engine.decrypt(record.key_id, record.wrapping_key))
        try:
            return DataKey(unwrap(record.data_key, plain, context))
        except WrongKey:
            raise SealBroken("a data key was not sealed under its wrapping key") from None

    def shares(self, record: Encryption, wanted: Wanted) -> bool:
        """Whether what opens `record` opens what is wanted too: then a copy may share its data key, and its bytes.

        For SSE-C the caller has opened the record with the wanted key.
        """
        if record.scheme != wanted.scheme:
            return False
        return record.scheme != KMS or (record.engine, record.key_id) == (self._chosen.name, wanted.key_id)

    async def rewrapped(self, engine: str, key_id: str, wrapping_key: bytes) -> bytes:
        """A wrapping key sealed under the newest version of its key. Raises KmsError."""
        return await self._engine(engine).rewrap(key_id, wrapping_key)

    def forget(self) -> None:
        """Make new bucket keys from now on: a key was rotated or disabled here."""
        self._made.clear()
        self._opened.clear()

    def _engine(self, name: str) -> Engine:
        engine = self._engines.get(name)
        if engine is None:
            raise KmsUnavailable(f"This server is not told of the key management engine '{name}'; see [kms].")
        return engine


def _context(scheme: str, context: str) -> bytes:
    return f"{scheme}\n{context}".encode()


class _Remembered(Generic[T]):
    """Values for a bounded time and in a bounded number; what has no place is never remembered."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._values: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    async def get(self, place: Hashable | None, make: Callable[[], Awaitable[T]]) -> T:
        if place is None:
            return await make()
        found = self._values.get(place)
        if found is not None and found[0] > self._clock():
            return found[1]
        value = await make()
        self.keep(place, value)
        return value

    def keep(self, place: Hashable, value: T) -> None:
        """Remember a value from now on, if it is not known yet."""
        if place in self._values and self._values[place][0] > self._clock():
            return
        self._values[place] = (self._clock() + self._seconds, value)
        self._values.move_to_end(place)
        while len(self._values) > _ENTRIES:
            self._values.popitem(last=False)

    def clear(self) -> None:
        self._values.clear()


def canonical(context: dict[str, str]) -> str:
    """An encryption context as it is bound and kept: JSON, sorted, without spaces."""
    return msgspec.json.encode(dict(sorted(context.items()))).decode() if context else ""
