"""Whatever moves, heals, frees or is published, in any order: nothing is lost, and nothing is kept for ever."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, precondition

from objstore.blobs.errors import BlobError
from objstore.catalog.errors import CatalogError
from objstore.drives.errors import DriveError
from objstore.store import balancing, membership, parity, redundancy, restriping, snapshots
from objstore.store.appending import Append
from objstore.store.errors import StoreError
from objstore.store.membership import Stage, courses
from objstore.store.store import Store
from objstore.store.types import ENABLED, CompletedPart, NewObject, NewUpload, ObjectName, Version
from tests.jobs.chronicle import Chronicled, initialize, rule
from tests.jobs.processes import GRACE, Keeper, Process
from tests.jobs.stepping import DONE, LOST, REFUSED, UNDECIDED, Actor
from tests.jobs.town import Town
from tests.store.fakes import OWNER, source

PLAIN, VERSIONED = "plain", "versioned"
KEYS = ["a", "b", "c"]
SIZES = [9000, 9000, 16_000, 40_000]  # packed, packed, and with a blob of its own
NEW = NewObject(owner=OWNER)
REFUSALS = (StoreError, CatalogError, BlobError, DriveError)
JOBS = ["watch", "heal", "sweep", "scrub", "move", "restripe", "compact", "purge"]

names = st.sampled_from([PLAIN, PLAIN, VERSIONED])
keys = st.sampled_from(KEYS)
numbers = st.integers(0, 7)
fates = st.sampled_from([DONE] * 8 + [REFUSED, UNDECIDED, LOST])


class Moves(Chronicled):
    """The town beside what its clients were told."""

    @initialize(shape=st.sampled_from([(5, 2), (4, 2), (6, 2), (4, 1), (3, 1)]), seed=st.integers(0, 1000))
    def begin(self, shape: tuple[int, int], seed: int) -> None:
        folder = Path(tempfile.gettempdir(), f"moves.{os.getpid()}")  # the same each time: its name is in the catalog
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self.town = Town(folder, *shape, seed)
        self.count = 0
        places = [(name, key) for name in (PLAIN, VERSIONED) for key in KEYS]
        self.holds: dict[tuple[str, str], bytes | None] = dict.fromkeys(places)
        self.known = dict.fromkeys(places, 0)  # when what is current was made
        self.versions: dict[tuple[str, str], bytes] = {}
        self.views: dict[str, dict[str, bytes | None]] = {}
        self.looked: list[tuple[Process, Version, bytes, float]] = []
        self.reads: list[tuple[Process, AsyncIterator[Any], list[bytes], bytes]] = []
        self.running: dict[str, Actor] = {}
        for name in (PLAIN, VERSIONED):
            self.town.run(self.store(0).create_bucket(name, OWNER))
        self.town.run(self.store(0).set_versioning(VERSIONED, ENABLED))

    def teardown(self) -> None:
        if not hasattr(self, "town"):
            return
        try:
            if not self.failed:
                with self.step("state.teardown()"):
                    self.come_to_rest()
        finally:
            self.town.close()

    def come_to_rest(self) -> None:
        for begun in self.reads:
            self.end(begun)
        self.town.finish()
        self.look_at_all()

    def worker(self, number: int) -> Process:
        return self.town.workers[number % len(self.town.workers)]

    def store(self, number: int) -> Store:
        return self.worker(number).store

    def body(self, size: int) -> bytes:
        self.count += 1
        return (b"%08d" % self.count * (size // 8 + 1))[:size]

    def path(self, number: int) -> Path:
        return self.town.paths[number % len(self.town.paths)]

    # --- clients

    def ask(
        self, number: int, name: str, key: str, data: bytes | None, work: Coroutine[Any, Any, Any], hold: bool
    ) -> None:
        """Something that gives a key other content when it is published."""

        def done(task: Any) -> None:
            error = task.exception()
            if error is not None and not isinstance(error, REFUSALS):
                raise error
            now = self.current(name, key)
            if error is None or (now.ord if now is not None else 0) != self.known[name, key]:
                self.holds[name, key] = data
                if name == VERSIONED and data is not None:
                    assert now is not None
                    self.versions[key, now.version_id] = data
            self.known[name, key] = now.ord if now is not None else 0

        actor = self.town.stage.begin(self.worker(number), f"ask {name} {key}", work, done)
        if not hold:
            self.town.stage.through(actor)

    def current(self, name: str, key: str) -> Version | None:
        try:
            return self.store(0).current(name, key)
        except StoreError:
            return None

    @rule(number=numbers, name=names, key=keys, size=st.sampled_from(SIZES), hold=st.booleans())
    def put(self, number: int, name: str, key: str, size: int, hold: bool) -> None:
        data = self.body(size)
        self.ask(number, name, key, data, self.store(number).put(name, key, source(data), NEW), hold)

    @rule(number=numbers, name=names, key=keys)
    def delete(self, number: int, name: str, key: str) -> None:
        self.ask(number, name, key, None, self.store(number).delete(name, key), False)

    @rule(number=numbers, name=names, key=keys, to=keys)
    def copy(self, number: int, name: str, key: str, to: str) -> None:
        data = self.holds[name, key]
        if data is not None:
            work = self.store(number).copy(ObjectName(name, key), PLAIN, to, lambda _: NEW)
            self.ask(number, PLAIN, to, data, work, False)

    @rule(number=numbers, name=names, key=keys, size=st.sampled_from(SIZES), hold=st.booleans())
    def append(self, number: int, name: str, key: str, size: int, hold: bool) -> None:
        seen, before = self.current(name, key), self.holds[name, key]
        data = self.body(size)
        asked = Append(len(before or b""), seen, source(data), lambda _: None, lambda *_: None)
        self.ask(number, name, key, (before or b"") + data, self.store(number).append(name, key, asked, NEW), hold)

    @rule(number=numbers, name=names, key=keys, count=st.integers(1, 3), hold=st.booleans())
    def join(self, number: int, name: str, key: str, count: int, hold: bool) -> None:
        pieces = [self.body(9000) for _ in range(count)]
        multipart = self.store(number).multipart

        async def work() -> None:
            upload = await multipart.create(name, key, NewUpload(owner=OWNER, initiator=OWNER))
            named = []
            for part, piece in enumerate(pieces, 1):
                put = await multipart.put_part(name, key, upload.id, part, source(piece))
                named.append(CompletedPart(part, put.etag))
            await multipart.complete(name, key, upload.id, named)

        self.ask(number, name, key, b"".join(pieces), work(), hold)

    @rule(take=st.booleans())
    def snapshot(self, take: bool) -> None:
        if self.town.read_only():
            return
        if take and len(self.views) < 3:
            self.count += 1
            name = f"s{self.count}"
            self.town.run(self.store(0).views.create(PLAIN, name))
            self.views[name] = {key: self.holds[PLAIN, key] for key in KEYS}
        elif self.views:
            name = next(iter(self.views))
            self.town.run(self.store(0).views.delete(PLAIN, name))
            del self.views[name]

    @rule(number=numbers, name=names, key=keys)
    def look(self, number: int, name: str, key: str) -> None:
        version, data = self.current(name, key), self.holds[name, key]
        assert (version is None) == (data is None)
        if version is not None and data is not None:
            self.looked.append((self.worker(number), version, data, self.town.stage.loop.time()))

    @precondition(lambda self: self.looked)
    @rule(number=numbers)
    def read_on(self, number: int) -> None:
        process, version, data, since = self.looked.pop(number % len(self.looked))
        if process in self.town.workers and self.town.stage.loop.time() < since + GRACE:
            reading = process.store.read(version)
            self.reads.append((process, reading, [bytes(self.town.run(anext(reading)))], data))

    @precondition(lambda self: self.reads)
    @rule(number=numbers)
    def read_to_the_end(self, number: int) -> None:
        self.end(self.reads.pop(number % len(self.reads)))

    def end(self, begun: tuple[Process, AsyncIterator[Any], list[bytes], bytes]) -> None:
        process, reading, got, data = begun
        if process not in self.town.workers:
            return

        async def rest() -> list[bytes]:
            return [bytes(piece) async for piece in reading]

        assert b"".join(got + self.town.run(rest())) == data

    @rule(number=numbers, name=names, key=keys)
    def read(self, number: int, name: str, key: str) -> None:
        assert self.content(self.store(number), name, key) == self.holds[name, key]

    def content(self, store: Store, name: str, key: str, version: str | None = None) -> bytes | None:
        async def all_of(found: Version) -> bytes:
            return b"".join([bytes(piece) async for piece in store.read(found)])

        try:
            found = store.current(name, key, version)
        except StoreError:
            return None
        data: bytes = self.town.run(all_of(found))
        return data

    def look_at_all(self) -> None:
        for number in range(len(self.town.workers)):
            store = self.store(number)
            for (name, key), data in self.holds.items():
                assert self.content(store, name, key) == data, f"{name}/{key}"
            for (key, version), data in self.versions.items():
                assert self.content(store, VERSIONED, key, version) == data, f"{key} {version}"
            for view, shown in self.views.items():
                for key, data in shown.items():
                    assert self.content(store, snapshots.name_of(PLAIN, view), key) == data, f"{view}/{key}"

    # --- what goes on

    @rule(name=st.sampled_from(JOBS), hold=st.booleans())
    def job(self, name: str, hold: bool) -> None:
        """Begin a job, unless it runs, and let it go on to its end, or to its first gate."""
        actor = self.running.get(name)
        if actor is None:

            def done(task: Any) -> None:
                self.running.pop(name, None)
                if (error := task.exception()) is not None and not isinstance(error, REFUSALS):
                    raise error

            self.running[name] = actor = Actor(None, name)
            actor = self.town.stage.begin(self.town.keeper, name, self.town.keeper.jobs()[name](), done)
            if name in self.running:
                self.running[name] = actor
        if not hold:
            self.town.stage.through(actor)

    @rule(number=numbers)
    def watch(self, number: int) -> None:
        process = self.worker(number)
        self.town.run(process.watch(), process)

    @precondition(lambda self: self.town.stage.waiting())
    @rule(number=numbers, count=st.integers(1, 4), fate=fates)
    def go_on(self, number: int, count: int, fate: str) -> None:
        waiting = self.town.stage.waiting()
        actor = waiting[number % len(waiting)]
        for step in range(count):
            if actor.pending:
                self.town.stage.pass_gate(actor, fate if step == 0 else DONE)

    @rule(seconds=st.sampled_from([0.2, 3.0, GRACE + 1]))
    def wait(self, seconds: float) -> None:
        self.town.stage.pass_time(seconds)

    @rule(number=numbers)
    def seal(self, number: int) -> None:
        self.town.run(self.worker(number).seal())

    @rule(number=numbers)
    def die(self, number: int) -> None:
        """A process dies with what it had in hand."""
        process = self.town.processes()[number % 3]
        if isinstance(process, Keeper):
            self.running.clear()
        self.town.kill(process)

    # --- drives

    @rule(number=numbers)
    def drive_away(self, number: int) -> None:
        path = self.path(number)
        if path not in self.town.away and self.town.may_hurt(path):
            self.town.take_away(path)

    @precondition(lambda self: self.town.away)
    @rule(number=numbers, how=st.sampled_from(["same", "same", "empty", "old"]))
    def drive_back(self, number: int, how: str) -> None:
        path = sorted(self.town.away)[number % len(self.town.away)]
        if how == "old" and path in self.town.kept:
            self.town.put_back_old(path)
        elif how == "empty":
            self.town.put_back_empty(path)
        else:
            self.town.put_back(path)

    @rule(number=numbers)
    def keep_copy(self, number: int) -> None:
        path = self.path(number)
        if path not in self.town.away and self.town.ident(path) is not None:
            self.town.keep_copy(path)

    @rule(number=numbers, file=st.integers(0, 100))
    def spoil(self, number: int, file: int) -> None:
        path = self.path(number)
        if path not in self.town.away and self.town.may_hurt(path):
            self.town.spoil(path, file)

    # --- an administrator

    @rule(number=numbers, leave=st.booleans())
    def drain(self, number: int, leave: bool) -> None:
        town = self.town
        ident = town.ident(self.path(number))
        staying = len(town.ballot.drives) - len(courses(town.shared))
        most = max(town.keeper.pool.parity, parity.wanted(town.shared) or 0)
        enough = max(2, 2 * most, redundancy.greatest(town.shared) + 1)
        if ident in town.ballot.drives and staying - 1 >= enough and not town.read_only():
            drive = str(ident)
            if membership.find(town.shared, drive) is None:
                now = town.now_us()
                path = str(self.path(number))
                town.shared.read(lambda tx: membership.drain(tx, drive, path, now, leave=leave))

    @rule()
    def let_stay(self) -> None:
        for drive, one in courses(self.town.shared).items():
            if one.stage is Stage.DRAINING:
                membership.keep(self.town.shared, drive, one.path)

    @rule(wanted=st.sampled_from([1, 2]))
    def want_parity(self, wanted: int) -> None:
        staying = len(self.town.ballot.drives) - len(courses(self.town.shared))
        if staying >= 2 * wanted and len(self.town.hurt) <= wanted:
            parity.want(self.town.shared, wanted)

    @rule()
    def start_restriping(self) -> None:
        restriping.start(self.town.shared, self.town.now_us())

    @rule()
    def start_balancing(self) -> None:
        balancing.start(self.town.shared, self.town.now_us())

    @invariant()
    def true(self) -> None:
        if hasattr(self, "town"):
            with self.step():
                self.town.check()


# The same few each time; many others, and longer ones: MOVES=5000 MOVES_STEPS=60. With PYTHONHASHSEED=0 too, the same
# steps do the same in another process.
_MORE = os.environ.get("MOVES")
Chronicled.file = Path(".hypothesis", "moves.txt") if _MORE else None
TestMoves = Moves.TestCase
TestMoves.settings = settings(
    max_examples=int(_MORE or "12"),
    stateful_step_count=int(os.environ.get("MOVES_STEPS", "40")),
    deadline=None,
    derandomize=_MORE is None,
    phases=[Phase.generate] if _MORE is None else tuple(Phase),
    suppress_health_check=list(HealthCheck),
)
