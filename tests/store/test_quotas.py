"""Quotas: what they hold is what there is, whatever is done and while it is counted; and they are never exceeded."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from objstore.catalog.schema import MIGRATIONS
from objstore.store import buckets, completing, quotas
from objstore.store.errors import NoSuchKey, QuotaExceeded, StoreError
from objstore.store.quotas import Limits, Quota, Target
from objstore.store.renaming import Renaming
from objstore.store.types import CompletedPart, NewObject, NewUpload, ObjectName, Owner
from tests.store import soundness
from tests.store.fakes import OWNER, make_store, source
from tests.store.test_meaning import KEYS, Meaning, names

PREFIXES = ["", "a", "a/", "a/b", "a/b/", "a//", "b", "\u00e9/", "zz"]
SCOPES = st.sampled_from(quotas.SCOPES)
ANY = Limits(None, None)


def target_of(store: Any, scope: str, name: str, prefix: str, creator: str) -> Target:
    bucket = store.bucket(name)
    named = {
        "account": Target("account", 0, bucket.owner.id.encode()),
        "user": Target("user", 0, creator.encode()),
        "bucket": Target("bucket", bucket.id, b""),
        "prefix": Target("prefix", bucket.id, prefix.encode()),
    }
    return named[scope]


class Counted(Meaning):
    """All that may happen to a store, with quotas that come, are counted a few versions at a time, and go.

    The invariant of its base compares them with what there is.
    """

    @rule(scope=SCOPES, name=names, prefix=st.sampled_from(PREFIXES), creator=st.sampled_from(["ann", "bob"]))
    def set_quota(self, scope: str, name: str, prefix: str, creator: str) -> None:
        target = target_of(self.store, scope, name, prefix, creator)

        def enter(tx: Any) -> None:  # as `put`, but with its count left to be done
            if quotas.find(tx, target) is None:
                tx.run(
                    "INSERT INTO quotas (scope, bucket, name, at_bucket, at_key, at_ord) VALUES (?, ?, ?, 0, ?, 0)",
                    *target,
                    b"",
                )

        self.run(self.catalog.write(enter))

    @rule(limit=st.integers(1, 4), data=st.data())
    def count(self, limit: int, data: st.DataObject) -> None:
        waiting = self.catalog.read(quotas.uncounted)
        if waiting:
            target = data.draw(st.sampled_from(waiting))
            self.run(self.catalog.write(lambda tx: quotas.count(tx, target, limit)))

    @rule(data=st.data())
    def remove_quota(self, data: st.DataObject) -> None:
        known = self.run(self.store.list_quotas())
        if known:
            assert self.run(self.store.remove_quota(data.draw(st.sampled_from(known)).target))

    @rule()
    def count_all(self) -> None:
        while self.run(self.store.count_quotas()):
            pass
        assert not self.catalog.read(quotas.uncounted)


class TestCounted(Counted.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Any:
    """Parts above the inline size count as large."""
    before, completing.MIN_PART = completing.MIN_PART, 8193
    yield
    completing.MIN_PART = before


class Hard(RuleBasedStateMachine):
    """Tight quotas: a write succeeds exactly if no quota that it lets grow is exceeded by it."""

    @initialize(versioning=st.sampled_from(["", "Enabled", "Suspended"]))
    def begin(self, versioning: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.store, self.catalog, self.blobs = make_store()
        for name, owner in (("left", OWNER), ("right", Owner("other"))):
            self.run(self.store.create_bucket(name, owner, versioning=versioning))

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @rule(
        scope=SCOPES,
        name=names,
        prefix=st.sampled_from(PREFIXES),
        creator=st.sampled_from(["ann", "bob"]),
        objects=st.none() | st.integers(0, 4),
        size=st.none() | st.sampled_from([0, 5000, 10_000, 14_001, 30_000]),
    )
    def set_quota(
        self, scope: str, name: str, prefix: str, creator: str, objects: int | None, size: int | None
    ) -> None:
        quota = self.run(
            self.store.set_quota(target_of(self.store, scope, name, prefix, creator), Limits(objects, size))
        )
        assert quota.counted is None, "so few are counted at once"

    def attempt(self, write: Any) -> None:
        """Write, and hold the outcome against what there is then: with quotas, or, if they refuse it, without."""
        known: list[Quota] = self.run(self.store.list_quotas())
        before = {quota.target: soundness.held(self.catalog, quota.target) for quota in known}
        try:
            self.run(write())
            refused = False
        except QuotaExceeded as error:
            refused = True
            assert error.detail["QuotaScope"] in quotas.SCOPES
            for quota in known:
                self.run(self.store.remove_quota(quota.target))
            self.run(write())
        except NoSuchKey:
            return
        exceeded = []
        for quota in known:
            for limit, was, now in zip(
                quota.limits, before[quota.target], soundness.held(self.catalog, quota.target), strict=True
            ):
                exceeded.append(limit is not None and now > limit and now > was)
        assert any(exceeded) == refused
        if refused:
            for quota in known:
                self.run(self.store.set_quota(quota.target, quota.limits))

    @rule(
        name=names,
        key=st.sampled_from(KEYS),
        size=st.sampled_from([0, 1, 5000, 9001]),
        creator=st.sampled_from(["ann", "bob"]),
        known=st.booleans(),
    )
    def put(self, name: str, key: str, size: int, creator: str, known: bool) -> None:
        new = NewObject(owner=OWNER, creator=creator)
        self.attempt(lambda: self.store.put(name, key, source(b"x" * size, length="true" if known else None), new))

    @rule(name=names, key=st.sampled_from(KEYS), to=names, to_key=st.sampled_from(KEYS))
    def copy(self, name: str, key: str, to: str, to_key: str) -> None:
        new = NewObject(owner=OWNER, creator="bob")
        self.attempt(lambda: self.store.copy(ObjectName(name, key), to, to_key, lambda _: new))

    @rule(name=names, key=st.sampled_from(KEYS), to=st.sampled_from(KEYS))
    def rename(self, name: str, key: str, to: str) -> None:
        self.attempt(lambda: self.store.rename(name, Renaming(key, to, creator="ann")))

    @rule(name=names, key=st.sampled_from(KEYS), sizes=st.sampled_from([(9000, 1), (1,), (9000, 9000)]))
    def upload(self, name: str, key: str, sizes: tuple[int, ...]) -> None:
        """Parts count to nothing, but one that no quota would ever have room for is refused at once."""
        upload = self.run(
            self.store.multipart.create(name, key, NewUpload(owner=OWNER, initiator=OWNER, creator="ann"))
        )
        parts = []
        for number, size in enumerate(sizes, 1):
            try:
                part = self.run(self.store.multipart.put_part(name, key, upload.id, number, source(b"x" * size)))
            except QuotaExceeded:
                known = self.run(self.store.list_quotas())
                assert any(quota.limits.bytes is not None and quota.limits.bytes < size for quota in known)
                return
            parts.append(CompletedPart(number, part.etag))
        self.attempt(lambda: self.store.multipart.complete(name, key, upload.id, parts))

    @rule(name=names, key=st.sampled_from(KEYS))
    def delete(self, name: str, key: str) -> None:
        self.run(self.store.delete(name, key))

    @rule(name=names, data=st.data())
    def delete_version(self, name: str, data: st.DataObject) -> None:
        known = self.run(self.store.list_versions(name)).items
        if known:
            entry = data.draw(st.sampled_from(known))
            self.run(self.store.delete(name, entry.key, entry.version.version_id))

    @invariant()
    def books_are_exact(self) -> None:
        if hasattr(self, "catalog"):
            soundness.check(self.catalog, self.blobs)


class TestHard(Hard.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def put(store: Any, bucket: str, key: str, size: int, creator: str = "ann") -> None:
    run(store.put(bucket, key, source(b"x" * size), NewObject(owner=OWNER, creator=creator)))


def test_a_refused_write_leaves_nothing_and_says_why() -> None:
    store, catalog, blobs = make_store()
    run(store.create_bucket("left", OWNER))
    target = Target("prefix", store.bucket("left").id, b"logs/")
    run(store.set_quota(target, Limits(None, 10_000)))
    put(store, "left", "logs/a", 9_500)
    with pytest.raises(QuotaExceeded, match="prefix left/logs/ is 10,000 bytes: 9,500 are held, 9,100 more"):
        put(store, "left", "logs/b", 9_100)
    assert len(blobs.appends) == 1, "refused before its bytes were taken"
    unknown = source(b"x" * 9_100, length=None)
    with pytest.raises(QuotaExceeded):
        run(store.put("left", "logs/b", unknown, NewObject(owner=OWNER)))
    assert len(catalog.all("SELECT 1 FROM garbage")) == 1, "its bytes were taken, and are garbage"
    put(store, "left", "elsewhere", 9_100)
    put(store, "left", "logs/a", 9_000)
    put(store, "left", "logs/b", 1_000)
    run(store.delete("left", "logs/a"))
    quota = store.quota(target)
    assert quota is not None and (quota.objects, quota.bytes) == (1, 1_000)
    soundness.check(catalog, blobs)


def test_a_rename_needs_no_room_where_its_source_goes() -> None:
    store, _, _ = make_store()
    run(store.create_bucket("left", OWNER))
    put(store, "left", "a", 5_000)
    target = Target("bucket", store.bucket("left").id, b"")
    run(store.set_quota(target, Limits(1, 5_000)))
    run(store.rename("left", Renaming("a", "b")))
    run(store.set_versioning("left", "Enabled"))
    with pytest.raises(QuotaExceeded):
        run(store.rename("left", Renaming("b", "c")))
    assert store.current("left", "b").size == 5_000
    with pytest.raises(NoSuchKey):
        store.current("left", "c")


def test_quotas_go_with_their_bucket_and_move_with_its_owner() -> None:
    store, catalog, blobs = make_store()
    for name in ("left", "right"):
        run(store.create_bucket(name, OWNER))
        put(store, name, "k", 1_000)
    other = Owner("other")
    for owner in (OWNER, other):
        run(store.set_quota(Target("account", 0, owner.id.encode()), ANY))
    run(store.set_quota(Target("bucket", store.bucket("left").id, b""), ANY))

    def give(tx: Any) -> None:
        buckets.update(tx, "right", lambda bucket: type(bucket)(bucket.id, bucket.name, other, bucket.created_us))

    run(catalog.write(give))
    while run(store.count_quotas()):
        pass
    held = [store.quota(Target("account", 0, owner.id.encode())).bytes for owner in (OWNER, other)]
    assert held == [1_000, 1_000]
    run(store.delete("left", "k"))
    run(store.delete_bucket("left"))
    assert [quota.target.scope for quota in run(store.list_quotas())] == ["account", "account"]
    soundness.check(catalog, blobs)


@pytest.mark.parametrize("count", [1, 1_000, 2_500])
def test_many_are_counted_in_batches(count: int) -> None:
    store, catalog, _ = make_store()
    run(store.create_bucket("left", OWNER, versioning="Enabled"))
    for number in range(count // 2):
        put(store, "left", "one key", 1)
        put(store, "left", f"p/{number:04}", 2)
    bucket = store.bucket("left").id
    quota = run(store.set_quota(Target("bucket", bucket, b""), ANY))
    assert (quota.counted is None) == (count < quotas.BATCH)
    batches = 1
    while run(store.count_quotas()):
        batches += 1
        put(store, "left", "p/0001", 5)  # met already, or not
        put(store, "left", "zz", 7)
    quota = store.quota(Target("bucket", bucket, b""))
    assert (quota.objects, quota.bytes) == soundness.held(catalog, quota.target)
    assert batches <= 1 + count // quotas.BATCH + 1


def test_the_prefixes_of_a_key_are_found_among_thousands_by_a_few_reads() -> None:
    store, catalog, _ = make_store()
    run(store.create_bucket("left", OWNER))
    bucket = store.bucket("left").id
    for number in range(2_000):
        run(store.set_quota(Target("prefix", bucket, f"tenant {number:04}/".encode()), Limits(None, 10)))
    for prefix in ("", "tenant 1000/a", "tenant 1000/b/"):
        run(store.set_quota(Target("prefix", bucket, prefix.encode()), Limits(None, 1_000)))
    put(store, "left", "tenant 1000/a/b", 10)
    before = catalog.statements
    with pytest.raises(StoreError):
        put(store, "left", "tenant 1000/b/c", 1)
    assert catalog.statements - before < 20
    held = {quota.target.name.decode() for quota in run(store.list_quotas(limit=5_000)) if quota.bytes}
    assert held == {"", "tenant 1000/", "tenant 1000/a"}
    assert len(MIGRATIONS) == 1
