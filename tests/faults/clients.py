"""Clients that put, delete, copy, append, rename and join while things go wrong, and remember what they were told.

Each has keys of its own, so what a key may hold is known: what was acknowledged last, or what was asked for since and
never answered. In the bucket with versioning every version that was acknowledged stays readable by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from objstore.blobs.errors import BlobError
from objstore.catalog.errors import CatalogError, ReadOnly, Undecided
from objstore.drives.errors import DriveError
from objstore.store.errors import NoSuchKey, StoreError
from objstore.store.renaming import Renaming
from objstore.store.store import Store
from objstore.store.types import ENABLED, INLINE, CompletedPart, NewObject, NewUpload, ObjectName
from tests.faults.world import House
from tests.store.fakes import OWNER, source

PLAIN, VERSIONED = "plain", "versioned"
NEW = NewObject(owner=OWNER)
REFUSALS = (StoreError, CatalogError, BlobError, DriveError)
Content = bytes | None
"""What a key holds: its bytes, or None where there is nothing."""


async def make_buckets(store: Store) -> None:
    for bucket in (PLAIN, VERSIONED):
        await store.create_bucket(bucket, OWNER)
    await store.set_versioning(VERSIONED, ENABLED)


class Client:
    """`may_hold` has for each key what it may hold now; `versions` what must be found by id."""

    def __init__(self, number: int, seed: str) -> None:
        self.bucket = VERSIONED if number % 2 else PLAIN
        self.keys = [f"client{number}/{name}" for name in "abcd"]
        self.may_hold: dict[str, set[Content]] = {key: {None} for key in self.keys}
        self.versions: dict[tuple[str, str], bytes] = {}
        self.outcomes: Counter[str] = Counter()
        self._chance = Random(seed)

    def next_life(self, seed: str) -> None:
        self._chance = Random(seed)

    async def work(self, house: House, steps: int) -> None:
        """So many random operations, one after another."""
        store = house.store
        todo = [self._put] * 6 + [self._delete] * 2 + [self._copy] * 2 + [self._join] + [self._rename, self._get] * 2
        for _ in range(steps):
            await self._chance.choice(todo)(store, self._chance.choice(self.keys))

    # --- operations

    async def _put(self, store: Store, key: str) -> None:
        data, known = self._data(), self._chance.random() < 0.7

        async def put() -> None:
            body = source(data, chunk=1 << 16, length="true" if known else None)
            made = await store.put(self.bucket, key, body, NEW)
            self._keep(key, made.version.version_id, data)

        await self._try({key: data}, put)

    async def _delete(self, store: Store, key: str) -> None:
        async def delete() -> None:
            await store.delete(self.bucket, key)

        await self._try({key: None}, delete)

    async def _copy(self, store: Store, key: str) -> None:
        origin = self._chance.choice(self.keys)
        data = self._certain(origin)
        if data is None:
            return

        async def copy() -> None:
            copied = await store.copy(ObjectName(self.bucket, origin), self.bucket, key, lambda _: NEW)
            self._keep(key, copied.made.version.version_id, data)

        await self._try({key: data}, copy)

    async def _rename(self, store: Store, key: str) -> None:
        target = self._chance.choice(self.keys)
        data = self._certain(key)
        if data is None or target == key:
            return

        async def rename() -> None:
            await store.rename(self.bucket, Renaming(key, target))

        await self._try({key: None, target: data}, rename)

    async def _join(self, store: Store, key: str) -> None:
        pieces = [self._data(INLINE + 1) for _ in range(self._chance.randint(0, 2))] + [self._data()]

        async def join() -> None:
            upload = await store.multipart.create(self.bucket, key, NewUpload(owner=OWNER, initiator=OWNER))
            named = []
            for number, piece in enumerate(pieces, 1):
                part = await store.multipart.put_part(self.bucket, key, upload.id, number, source(piece, chunk=1 << 16))
                named.append(CompletedPart(number, part.etag))
            made = await store.multipart.complete(self.bucket, key, upload.id, named)
            self._keep(key, made.version.version_id, b"".join(pieces))

        await self._try({key: b"".join(pieces)}, join)

    async def _get(self, store: Store, key: str) -> None:
        try:
            found = await read(store, self.bucket, key)
        except REFUSALS as error:
            self.outcomes[f"get {type(error).__name__}"] += 1
            return
        assert found in self.may_hold[key], f"{key}: {shown(found)}, not one of {self._expected(key)}"

    async def _try(self, asked: dict[str, Content], work: Callable[[], Awaitable[None]]) -> None:
        """Do what gives the keys new contents. Until the answer is there, both old and new may be found."""
        before = {key: set(self.may_hold[key]) for key in asked}
        for key, content in asked.items():
            self.may_hold[key].add(content)
        try:
            await work()
        except REFUSALS as error:
            self.outcomes[type(error).__name__] += 1
            if isinstance(error, ReadOnly | StoreError | BlobError) and not isinstance(error, Undecided):
                self.may_hold.update(before)  # a refusal that promises that nothing was done
        else:
            self.outcomes["done"] += 1
            self.may_hold.update({key: {content} for key, content in asked.items()})

    def _keep(self, key: str, version: str, data: bytes) -> None:
        if self.bucket == VERSIONED:
            self.versions[key, version] = data

    def _data(self, least: int = 0) -> bytes:
        """At least so many bytes that live in the catalog, are packed, or have a blob of their own."""
        size = max(least, self._chance.choice((0, 100, 8192, 8193, 20_000, 50_000, 100_000, 140_000)))
        if self._chance.random() < 0.03:
            size = 2_500_000
        return self._chance.randbytes(64) * (size // 64) + self._chance.randbytes(size % 64)

    def _certain(self, key: str) -> Content:
        """What a key holds, if that is known; else None."""
        contents = self.may_hold[key]
        return next(iter(contents)) if len(contents) == 1 else None

    # --- what must be true

    async def check(self, store: Store) -> None:
        """Every key holds one of what it may hold, and from now on that; listings say the same; versions are there."""
        listed = {entry.key async for entry in pages(store, self.bucket, self.keys[0][:-1])}
        for key in self.keys:
            found = await read(store, self.bucket, key)
            assert found in self.may_hold[key], f"{key}: {shown(found)}, not one of {self._expected(key)}"
            assert (key in listed) == (found is not None), f"{key} in the listing: {key in listed}"
            self.may_hold[key] = {found}
        for (key, version), data in self.versions.items():
            assert await read(store, self.bucket, key, version) == data, f"{key} {version}"

    def _expected(self, key: str) -> list[str]:
        return [shown(content) for content in self.may_hold[key]]


def shown(content: Content) -> str:
    return "nothing" if content is None else f"{len(content)} bytes {content[:4].hex()}"


async def read(store: Store, bucket: str, key: str, version: str | None = None) -> Content:
    try:
        found = store.current(bucket, key, version)
    except NoSuchKey:
        return None
    return b"".join([bytes(piece) async for piece in store.read(found)])


async def pages(store: Store, bucket: str, prefix: str) -> Any:
    after: str | None = ""
    while after is not None:
        page = await store.list_objects(bucket, prefix=prefix, after=after, limit=3)
        for entry in page.items:
            yield entry
        after = page.next
