"""Any sequence of operations means what S3 says, keeps exact books, and leaks nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from objstore.store import completing
from objstore.store.appending import Append
from objstore.store.errors import (
    BucketNotEmpty,
    InvalidPart,
    InvalidRequest,
    InvalidWriteOffset,
    MethodNotAllowed,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    PreconditionFailed,
)
from objstore.store.renaming import Renaming
from objstore.store.types import CompletedPart, NewObject, NewUpload, ObjectName, Preconditions, Version
from tests.store import soundness
from tests.store.fakes import OWNER, make_store, md5, source
from tests.store.model import Held, ModelBucket, ModelUpload, rolled, shown

KEYS = ["a", "a/", "a/b", "a/b/c", "a//d", "b", "b/x", "é/y", "é/z", "\U0001f600"]
DELIMITERS = ["", "/", "/b", "é", "a/"]
SIZES = [0, 1, 5000, 9000, 9001]
BUCKETS = ["left", "right"]
CREATORS = ["ann", "bob", ""]

keys = st.sampled_from(["a/b"] * 8 + KEYS)  # most of what happens happens to one key
names = st.sampled_from(["left"] * 3 + BUCKETS)
sizes = st.sampled_from(SIZES)
classes = st.sampled_from(["STANDARD", "STANDARD", "REDUCED_REDUNDANCY"])
numbers = st.integers(1, 3)


class Meaning(RuleBasedStateMachine):
    """The store beside its model."""

    @initialize(versioning=st.sampled_from(["", "Enabled", "Suspended"]))
    def begin(self, versioning: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.store, self.catalog, self.blobs = make_store()
        self.model = {name: ModelBucket() for name in BUCKETS}
        self.seed = 0
        for name in BUCKETS:
            self.run(self.store.create_bucket(name, OWNER))
        if versioning:
            self.set_versioning("left", versioning)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.close()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def body(self, size: int) -> bytes:
        self.seed += 1
        return (b"%08d" % self.seed * (size // 8 + 1))[:size]

    def creator(self) -> str:
        """Somebody else each time."""
        self.seed += 1
        return CREATORS[self.seed % len(CREATORS)]

    def read(self, version: Version) -> bytes:
        async def all_of() -> bytes:
            return b"".join([bytes(chunk) async for chunk in self.store.read(version)])

        data: bytes = self.run(all_of())
        return data

    # writing

    @rule(name=names, status=st.sampled_from(["Enabled", "Suspended"]))
    def set_versioning(self, name: str, status: str) -> None:
        assert self.run(self.store.set_versioning(name, status)).versioning == status
        self.model[name].versioning = status

    @rule(
        name=names,
        key=keys,
        history=st.lists(st.tuples(st.sampled_from(["Enabled", "Suspended"]), st.booleans()), min_size=2, max_size=4),
    )
    def live(self, name: str, key: str, history: list[tuple[str, bool]]) -> None:
        """A past that single steps would rarely make."""
        for status, put in history:
            self.set_versioning(name, status)
            if put:
                self.put(name, key, 9000, "STANDARD", True)
            else:
                self.delete(name, key)

    @rule(name=names, key=keys, size=sizes, storage_class=classes, known=st.booleans())
    def put(self, name: str, key: str, size: int, storage_class: str, known: bool) -> None:
        data = self.body(size)
        body = source(data, length="true" if known else None)
        new = NewObject(owner=OWNER, creator=self.creator(), storage_class=storage_class)
        made = self.run(self.store.put(name, key, body, new))
        model = self.model[name]
        assert made.version_id == (made.version.version_id if model.versioning else None)
        assert (made.version.version_id == "null") == (model.versioning != "Enabled")
        model.put(key, Held(made.version.version_id, data, md5(data)))

    @rule(name=names, key=keys, header=st.sampled_from(["*", "right", "wrong"]), none=st.booleans())
    def put_if(self, name: str, key: str, header: str, none: bool) -> None:
        current = self.model[name].current(key)
        etag = current.etag if header == "right" and current else header
        given = Preconditions(if_none_match=f'"{etag}"') if none else Preconditions(if_match=etag)
        there = current is not None
        fits = there and etag in ("*", current.etag if current else None)
        data = self.body(9000)
        put = self.store.put(name, key, source(data), NewObject(owner=OWNER), given)
        if not none and not there:
            with pytest.raises(NoSuchKey):
                self.run(put)
        elif fits == none:
            with pytest.raises(PreconditionFailed):
                self.run(put)
        else:
            made = self.run(put)
            self.model[name].put(key, Held(made.version.version_id, data, md5(data)))

    @rule(name=names, key=keys, size=sizes, storage_class=classes, wrong=st.sampled_from([0, 0, 0, 1, -1]))
    def append(self, name: str, key: str, size: int, storage_class: str, wrong: int) -> None:
        held = self.model[name].current(key)
        before = held.data if held is not None else b""
        data, new = self.body(size), NewObject(owner=OWNER, creator=self.creator(), storage_class=storage_class)
        seen = self.store.current(name, key) if held is not None else None
        asked = Append(len(before) + wrong, seen, source(data), lambda _: None, lambda *_: None)
        write = self.store.append(name, key, asked, new)
        if wrong:
            with pytest.raises(InvalidWriteOffset):
                self.run(write)
        elif not size:
            with pytest.raises(InvalidRequest):
                self.run(write)
        else:
            made = self.run(write).version
            assert made.etag != (held.etag if held is not None else "")
            self.model[name].put(key, Held(made.version_id, before + data, made.etag))

    @rule(name=names, key=keys)
    def delete(self, name: str, key: str) -> None:
        model = self.model[name]
        gone = self.run(self.store.delete(name, key))
        if model.versioning:
            assert gone.delete_marker
            assert (gone.version_id == "null") == (model.versioning == "Suspended")
            model.put(key, Held(gone.version_id, b"", "", marker=True))
        else:
            assert not gone.delete_marker and gone.version_id is None
            model.remove(key, "null")

    @rule(name=names, key=keys, data=st.data())
    def delete_version(self, name: str, key: str, data: st.DataObject) -> None:
        model = self.model[name]
        ids = [one.version_id for one in model.keys.get(key, [])] + ["null", "0" * 32]
        version_id = data.draw(st.sampled_from(ids))
        held = model.find(key, version_id)
        gone = self.run(self.store.delete(name, key, version_id))
        assert gone.version_id == version_id
        assert gone.delete_marker == (held is not None and held.marker)
        model.remove(key, version_id)

    @rule(name=names, key=keys, to=names, to_key=keys, storage_class=classes, data=st.data(), current=st.booleans())
    def copy(
        self, name: str, key: str, to: str, to_key: str, storage_class: str, data: st.DataObject, current: bool
    ) -> None:
        model = self.model[name]
        held = [one for one in model.keys.get(key, []) if not one.marker]
        if current or not held:
            version_id, found = None, model.current(key)
        else:
            found = data.draw(st.sampled_from(held))
            version_id = found.version_id

        def change(_: Version) -> NewObject:
            return NewObject(owner=OWNER, creator=creator, storage_class=storage_class, metadata={"copied": "yes"})

        creator = self.creator()
        copy = self.store.copy(ObjectName(name, key, version_id), to, to_key, change)
        if found is None:
            with pytest.raises(NoSuchKey):
                self.run(copy)
            return
        made = self.run(copy).made
        assert made.version.metadata == {"copied": "yes"} and made.version.etag == found.etag
        self.model[to].put(to_key, Held(made.version.version_id, found.data, found.etag))

    @rule(name=names, key=keys, new=keys)
    def rename(self, name: str, key: str, new: str) -> None:
        model = self.model[name]
        found = model.current(key)
        if found is None:
            with pytest.raises(NoSuchKey):
                self.run(self.store.rename(name, Renaming(key, new)))
            return
        asked = Renaming(key, new, creator=self.creator(), token=f"token {self.seed}")
        self.run(self.store.rename(name, asked))
        self.run(self.store.rename(name, asked))
        if key == new:
            return
        model.put(new, Held(self.store_newest(name, new), found.data, found.etag))
        if model.versioning:
            marker = self.store_newest(name, key)
            model.put(key, Held(marker, b"", "", marker=True))
        else:
            model.remove(key, "null")

    def store_newest(self, name: str, key: str) -> str:
        page = self.run(self.store.list_versions(name, prefix=key))
        version_id: str = next(item.version.version_id for item in page.items if item.key == key)
        return version_id

    # uploads

    @rule(name=names, key=keys, storage_class=classes)
    def create_upload(self, name: str, key: str, storage_class: str) -> None:
        new = NewUpload(owner=OWNER, initiator=OWNER, creator=self.creator(), storage_class=storage_class)
        upload = self.run(self.store.multipart.create(name, key, new))
        self.model[name].uploads[upload.id] = ModelUpload(key)

    def an_upload(self, data: st.DataObject) -> tuple[str, str, ModelUpload] | None:
        known = [(name, one, up) for name, model in self.model.items() for one, up in model.uploads.items()]
        return data.draw(st.sampled_from(known)) if known else None

    @rule(number=numbers, size=sizes, data=st.data())
    def put_part(self, number: int, size: int, data: st.DataObject) -> None:
        if (found := self.an_upload(data)) is None:
            return
        name, upload_id, upload = found
        content = self.body(size)
        part = self.run(self.store.multipart.put_part(name, upload.key, upload_id, number, source(content)))
        assert part.etag == md5(content)
        upload.parts[number] = (content, part.etag)

    @rule(number=numbers, name=names, key=keys, data=st.data(), whole=st.booleans())
    def copy_part(self, number: int, name: str, key: str, data: st.DataObject, whole: bool) -> None:
        found, held = self.an_upload(data), self.model[name].current(key)
        if found is None or held is None:
            return
        to, upload_id, upload = found
        start = 0 if whole else data.draw(st.integers(0, len(held.data)))
        length = len(held.data) if whole else data.draw(st.integers(0, len(held.data) - start))
        copied = self.run(
            self.store.multipart.copy_part(
                to, upload.key, upload_id, number, ObjectName(name, key), span=None if whole else (start, length)
            )
        )
        upload.parts[number] = (held.data[start : start + length], copied.made.etag)

    @rule(data=st.data(), chosen=st.sets(numbers, min_size=1))
    def complete(self, data: st.DataObject, chosen: set[int]) -> None:
        if (found := self.an_upload(data)) is None:
            return
        name, upload_id, upload = found
        named = [CompletedPart(number, upload.parts.get(number, (b"", "00"))[1]) for number in sorted(chosen)]
        if not chosen <= set(upload.parts):
            with pytest.raises(InvalidPart):
                self.run(self.store.multipart.complete(name, upload.key, upload_id, named))
            return
        parts = [upload.parts[number][0] for number in sorted(chosen)]
        if any(len(part) < completing.MIN_PART for part in parts[:-1]):
            with pytest.raises(completing.EntityTooSmall):
                self.run(self.store.multipart.complete(name, upload.key, upload_id, named))
            return
        made = self.run(self.store.multipart.complete(name, upload.key, upload_id, named))
        again = self.run(self.store.multipart.complete(name, upload.key, upload_id, named))
        assert (again.version_id, again.version.etag) == (made.version_id, made.version.etag)
        self.model[name].put(upload.key, Held(made.version.version_id, b"".join(parts), made.version.etag))
        del self.model[name].uploads[upload_id]

    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        if (found := self.an_upload(data)) is None:
            return
        name, upload_id, upload = found
        self.run(self.store.multipart.abort(name, upload.key, upload_id))
        del self.model[name].uploads[upload_id]
        with pytest.raises(NoSuchUpload):
            self.run(self.store.multipart.abort(name, upload.key, upload_id))

    @rule(name=names)
    def delete_bucket(self, name: str) -> None:
        if self.model[name].keys:
            with pytest.raises(BucketNotEmpty):
                self.run(self.store.delete_bucket(name))
            return
        self.run(self.store.delete_bucket(name))
        self.run(self.store.create_bucket(name, OWNER))
        self.model[name] = ModelBucket()

    # looking

    @rule(name=names, key=keys)
    def get(self, name: str, key: str) -> None:
        model = self.model[name]
        held = model.keys.get(key, [])
        if model.current(key) is None:
            with pytest.raises(NoSuchKey) as caught:
                self.store.current(name, key)
            assert (caught.value.marker is not None) == bool(held)
        else:
            assert self.read(self.store.current(name, key)) == held[0].data
        for one in held:
            if one.marker:
                with pytest.raises(MethodNotAllowed):
                    self.store.current(name, key, one.version_id)
            else:
                version = self.store.current(name, key, one.version_id)
                assert (self.read(version), version.etag) == (one.data, one.etag)
        with pytest.raises(NoSuchVersion):
            self.store.current(name, key, "f" * 32)

    @rule(
        name=names,
        prefix=st.sampled_from(["", *KEYS, "é"]),
        delimiter=st.sampled_from(DELIMITERS),
        after=st.sampled_from(["", *KEYS, "a/b/", "zz"]),
        limit=st.integers(0, 6),
    )
    def list_objects(self, name: str, prefix: str, delimiter: str, after: str, limit: int) -> None:
        expected = shown(list(self.model[name].visible()), prefix, delimiter, after)
        seen: list[tuple[str, bool]] = []
        while True:
            page = self.run(self.store.list_objects(name, prefix=prefix, delimiter=delimiter, after=after, limit=limit))
            count = len(page.items) + len(page.prefixes)
            assert count <= limit
            assert page.prefixes == [one for one, is_prefix in expected[len(seen) : len(seen) + count] if is_prefix]
            seen += expected[len(seen) : len(seen) + count]
            assert [item.key for item in page.items] == [one for one, common in seen[len(seen) - count :] if not common]
            for item in page.items:
                assert item.version.etag == self.model[name].keys[item.key][0].etag
            if page.next is None:
                break
            assert count == limit and page.next == seen[-1][0]
            after = page.next
        assert limit == 0 or seen == expected

    @rule(
        name=names,
        prefix=st.sampled_from(["", "a", "a/", "é"]),
        delimiter=st.sampled_from(DELIMITERS),
        limit=st.integers(1, 5),
    )
    def list_versions(self, name: str, prefix: str, delimiter: str, limit: int) -> None:
        expected: list[tuple[str, str, bool, bool]] = []
        for key, held in sorted(self.model[name].keys.items(), key=lambda item: item[0].encode()):
            if not key.startswith(prefix):
                continue
            common = rolled(key, prefix, delimiter)
            if common is None:
                expected += [(key, one.version_id, one.marker, at == 0) for at, one in enumerate(held)]
            elif (common, "", False, False) not in expected:
                expected.append((common, "", False, False))
        marker: tuple[str, str | None] = ("", None)
        seen = 0
        while True:
            page = self.run(
                self.store.list_versions(
                    name,
                    prefix=prefix,
                    delimiter=delimiter,
                    key_marker=marker[0],
                    version_id_marker=marker[1],
                    limit=limit,
                )
            )
            count = len(page.items) + len(page.prefixes)
            assert 0 <= count <= limit
            part = expected[seen : seen + count]
            seen += count
            assert page.prefixes == [one[0] for one in part if not one[1]]
            assert [
                (item.key, item.version.version_id, item.version.delete_marker, item.is_latest) for item in page.items
            ] == [one for one in part if one[1]]
            if page.next is None:
                break
            assert count == limit and page.next == part[-1][0] and (page.next_id or "") == part[-1][1]
            marker = (page.next, page.next_id)
        assert seen == len(expected)

    @rule(name=names, limit=st.integers(1, 3), delimiter=st.sampled_from(["", "/"]))
    def list_uploads(self, name: str, limit: int, delimiter: str) -> None:
        uploads = self.model[name].uploads
        expected: list[tuple[str, str]] = []
        for key, upload_id in sorted(((up.key, one) for one, up in uploads.items()), key=lambda one: one[0].encode()):
            common = rolled(key, "", delimiter)
            entry = (key, upload_id) if common is None else (common, "")
            if entry not in expected:
                expected.append(entry)
        expected.sort(key=lambda one: (one[0].encode(), one[1]))
        seen: list[tuple[str, str]] = []
        marker: tuple[str, str | None] = ("", None)
        while True:
            page = self.run(
                self.store.multipart.list_uploads(
                    name, delimiter=delimiter, key_marker=marker[0], upload_id_marker=marker[1], limit=limit
                )
            )
            got = [(item.key, item.id) for item in page.items] + [(one, "") for one in page.prefixes]
            seen += sorted(got, key=lambda one: (one[0].encode(), one[1]))
            if page.next is None:
                break
            assert len(got) == limit
            marker = (page.next, page.next_id)
        assert seen == expected

    @invariant()
    def books_are_exact(self) -> None:
        if hasattr(self, "catalog"):
            soundness.check(self.catalog, self.blobs)


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Any:
    """Parts above the inline size count as large."""
    before, completing.MIN_PART = completing.MIN_PART, 8193
    yield
    completing.MIN_PART = before


class TestMeaning(Meaning.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck))
