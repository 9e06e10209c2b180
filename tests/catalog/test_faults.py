"""A mirror that fails at any step of a commit: what is acknowledged is kept, what is refused is absent, and where the
quorum breaks in the middle the caller is told that it is undecided."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from objstore.catalog import ballots, pages
from objstore.catalog import mirror as mirror_module
from objstore.catalog.catalog import attach
from objstore.catalog.errors import CatalogFull, MirrorFailed, ReadOnly, Undecided
from objstore.catalog.members import Members
from objstore.catalog.mirror import Mirror
from objstore.catalog.transaction import Transaction

from .deployment import Deployment

Step = Callable[..., Any]


def fail_once(
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    path: Path,
    *,
    after: bool = False,
    error: type[Exception] | None = None,
    times: int = 1,
) -> list[str]:
    """Let `step` of the mirror at `path` raise once, or so many times, before or after it has done its work."""
    real: Step = getattr(Mirror, step)
    done: list[str] = []

    def faulty(mirror: Mirror, *arguments: Any) -> Any:
        if mirror.path != path or len(done) >= times:
            return real(mirror, *arguments)
        done.append(step)
        if after:
            real(mirror, *arguments)
        else:
            mirror.rollback()
        if error is not None:
            raise mirror.failure(error("injected"))
        raise MirrorFailed(mirror.id, "injected")

    monkeypatch.setattr(Mirror, step, faulty)
    return done


def no_votes(monkeypatch: pytest.MonkeyPatch, deployment: Deployment, *, first: int = 0) -> None:
    """Let ballots reach only `first` drives."""

    def cast(pool: Any, after: Any) -> bool:
        for drive in pool.online()[:first]:
            drive.run(ballots._promise, drive.path, after.epoch)
            drive.write_ballot(after)
        return False

    monkeypatch.setattr(ballots, "cast", cast)


STEPS = [
    ("begin", 0, False),
    ("stamp", 0, False),
    ("commit", 0, False),
    ("commit", 0, True),
    ("apply", 1, False),
    ("apply", 2, True),
    ("commit", 1, False),
    ("commit", 1, True),
    ("commit", 2, True),
]


@pytest.mark.parametrize(("step", "slot", "after"), STEPS)
def test_one_mirror_fails_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, slot: int, after: bool
) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            done = fail_once(patch, step, deployment.file(slot), after=after)
            deployment.put("during")
            assert done
            assert deployment.names() == {"before", "during"}
            assert slot not in deployment.members()
        deployment.put("after")
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "during", "after"}
    with deployment.running():
        deployment.assert_equal()
        assert deployment.names() == {"before", "during", "after"}


@pytest.mark.parametrize(("step", "slot", "after"), STEPS)
@pytest.mark.parametrize("votes", [0, 2])
@pytest.mark.parametrize("restart", [False, True])
def test_one_mirror_fails_and_the_vote_fails_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, slot: int, after: bool, votes: int, restart: bool
) -> None:
    deployment = Deployment(tmp_path, 4)
    monkeypatch.setattr("objstore.catalog.members._PAUSE", 0.0)
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            done = fail_once(patch, step, deployment.file(slot), after=after)
            no_votes(patch, deployment, first=votes)
            with pytest.raises(ReadOnly) as refused:
                deployment.put("during")
            assert done
            assert isinstance(refused.value, Undecided) == (step == "commit")
            with pytest.raises(ReadOnly):
                deployment.put("more")
            assert deployment.catalog.status().read_only
            assert deployment.names() - {"during"} == {"before"}
        if not restart:
            deployment.put("after")
            deployment.notice()
            deployment.assert_equal()
    with deployment.running():
        deployment.put("last")
        deployment.assert_equal()
        names = deployment.names() - ({"after"} if not restart else set())
        # what failed in the middle of its commit may be there or not; what was refused before must not be
        assert names - ({"during"} if step == "commit" else set()) == {"before", "last"}


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_file_that_is_replaced_while_it_commits_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot: int
) -> None:
    deployment = Deployment(tmp_path, 4)
    real: Step = Mirror.publish
    done: list[Path] = []

    def publish(mirror: Mirror, *arguments: Any) -> Any:
        if mirror.path == deployment.file(slot) and not done:
            done.append(mirror.path.rename(tmp_path / "aside"))
        return real(mirror, *arguments)

    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "publish", publish)
            deployment.put("during")
        assert done and slot not in deployment.members()
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "during"}


@pytest.mark.parametrize("slot", [1, 2])
def test_a_member_that_stands_elsewhere_is_noticed_by_the_next_commit(tmp_path: Path, slot: int) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("before")
        connection = pages.connect(deployment.file(slot))
        with connection:
            connection.execute("DELETE FROM settings WHERE name = 'before'")
            connection.execute("UPDATE mirror SET seq = seq - 1, chain = zeroblob(8)")
        connection.close()
        deployment.put("after")
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "after"}


@pytest.mark.parametrize(
    ("step", "slot"), [("apply", 1), ("begin", 0), ("position", 0), ("stamp", 0), ("stamp", 2), ("commit", 0)]
)
def test_a_mirror_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, slot: int
) -> None:
    """The others go on without it; when its disk answers again, what it holds open is let go and it is caught up."""
    deployment = Deployment(tmp_path, 4)
    real: Step = getattr(Mirror, step)
    release, hung = threading.Event(), threading.Event()

    def hang(mirror: Mirror, *arguments: Any) -> Any:
        if mirror.path == deployment.file(slot) and not hung.is_set():
            hung.set()
            release.wait(60)
        return real(mirror, *arguments)

    with deployment.running() as catalog:
        deployment.put("before")
        with monkeypatch.context() as patch:
            for mirror in catalog._members.mirrors:
                mirror.deadline = 0.3
            patch.setattr(Mirror, step, hang)
            deployment.put("during")
            assert hung.is_set() and slot not in deployment.members()
            deployment.put("after")
            release.set()
        until_let_go(deployment.file(slot))
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "during", "after"}


def test_a_mirror_that_hangs_while_it_is_opened_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that follows what another one changed: it holds the lock that all wait for."""
    deployment = Deployment(tmp_path, 4)
    real = mirror_module.connect
    release, hung = threading.Event(), threading.Event()

    def hang(path: Path, **given: Any) -> apsw.Connection:
        if path == deployment.file(1):
            hung.set()
            release.wait(60)
        return real(path, **given)

    with deployment.running():
        deployment.put("before")
        deployment.pool.drives[1].deadline = 0.3
        other = attach(deployment.pool, deployment.runtime, strict=False)
        with monkeypatch.context() as patch:
            patch.setattr(mirror_module, "connect", hang)
            asyncio.run(other.write(lambda tx: tx.run("INSERT INTO settings (name) VALUES ('during')")))
            assert hung.is_set() and 1 not in deployment.members()
            release.set()
        other.close()
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "during"}


def until_let_go(file: Path) -> None:
    """Wait until no connection has a transaction open that writes."""
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(30_000)
    connection.execute("BEGIN IMMEDIATE")
    connection.close()


def test_a_leader_that_gets_on_is_waited_for(tmp_path: Path) -> None:
    """However long a batch takes: it is a disk that hangs that is left behind, not one that has much to do."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("before")
        for mirror in catalog._members.mirrors:
            mirror.deadline = 0.3

        def long(tx: Transaction) -> None:
            for number in range(8):
                tx.run("INSERT INTO settings (name) VALUES (?)", f"{number}")
                time.sleep(0.1)

        deployment.write(long)
        assert deployment.members() == [0, 1, 2]
        assert len(deployment.names()) == 9


def test_a_statement_that_gets_on_is_waited_for_on_every_mirror(tmp_path: Path) -> None:
    """Such as an index that an upgrade makes of a large table."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("before")
        for mirror in catalog._members.mirrors:
            mirror.deadline = 0.3
        rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 6000000) SELECT x FROM n"
        deployment.write(lambda tx: tx.run(f"INSERT INTO settings (name) SELECT 'rows' || count(*) FROM ({rows})"))
        assert deployment.members() == [0, 1, 2]
        assert deployment.names() == {"before", "rows6000000"}


def test_a_full_drive_loses_its_mirror_only_where_others_have_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            patch.setattr(Members, "_has_room", lambda members, mirror: False)
            for slot, step in ((0, "begin"), (1, "apply")):
                fail_once(patch, step, deployment.file(slot), error=apsw.FullError, times=2)
                with pytest.raises(CatalogFull) as refused:
                    deployment.put("refused")
                assert str(deployment.paths[slot]) in str(refused.value.message)
                assert deployment.members() == [0, 1, 2]
            patch.setattr(Members, "_has_room", lambda members, mirror: mirror.path == deployment.file(2))
            fail_once(patch, "begin", deployment.file(0), error=apsw.FullError, times=2)
            deployment.put("during")
            assert deployment.members() == [1, 2]
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"before", "during"}


@pytest.mark.parametrize(("step", "slot"), [("begin", 0), ("commit", 0), ("apply", 1), ("commit", 2)])
def test_a_disk_that_is_full_once_is_given_its_ballast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, slot: int
) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        drive = deployment.pool.drives[slot]
        assert drive.run(drive.take_in_ballast)
        deployment.put("before")
        with monkeypatch.context() as patch:
            done = fail_once(patch, step, deployment.file(slot), error=apsw.FullError)
            deployment.put("during")
            assert done
        assert deployment.members() == [0, 1, 2], "nobody is voted out"
        deployment.assert_equal()
        drive.run(drive.measure)
        assert drive.full, "without its ballast it takes nothing new"
        with pytest.raises(CatalogFull, match=str(drive.path)):
            catalog.require_room()
        deployment.put("goes on")
        assert drive.run(drive.take_in_ballast)
        catalog.require_room()
        assert deployment.names() == {"before", "during", "goes on"}


def test_a_start_that_is_cut_short_in_its_vote_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs are not given twice: what a dead start left on some drives never beats what others agreed on later."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    for slot in (0, 1, 3, 0):
        with monkeypatch.context() as patch:
            patch.setattr(ballots, "cast", _dying_cast(slot))
            for _ in range(4):  # each leaves a later ballot than the one before
                with pytest.raises(KeyboardInterrupt):
                    deployment.start()
        deployment.lose(slot)
        with deployment.running():
            deployment.put(f"without {slot} {len(deployment.names())}")
            names = deployment.names()
        deployment.bring_back(slot)
        other = (slot + 1) % 4
        third = (slot + 2) % 4
        deployment.lose(other, third)
        with deployment.running():  # the drive that saw the dead start, and one that did not
            assert deployment.names() == names
        deployment.bring_back(other, third)
    with deployment.running():
        deployment.put("last")
        deployment.assert_equal()


def _dying_cast(slot: int) -> Step:
    def cast(pool: Any, after: Any) -> bool:
        for drive in pool.online():
            drive.run(ballots._promise, drive.path, after.epoch)
        pool.drives[slot].write_ballot(after)
        raise KeyboardInterrupt

    return cast


def test_a_first_start_that_is_cut_short_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in range(4):
        deployment = Deployment(tmp_path / str(slot), 4)
        with monkeypatch.context() as patch:
            patch.setattr(ballots, "cast", _dying_cast(slot))
            with pytest.raises(KeyboardInterrupt):
                deployment.start()
        with deployment.running():
            deployment.put("a")
            deployment.assert_equal()


class _Failing:
    """A connection to a file that cannot be read or written any more."""

    def __init__(self) -> None:
        self.asked = 0

    def close(self) -> None:
        self.asked += 1
        raise apsw.IOError("xWrite: injected")


def test_who_reads_hears_nothing_of_connections_to_a_leader_that_is_gone(tmp_path: Path) -> None:
    """They are closed when another leads, by whoever reads next."""
    deployment = Deployment(tmp_path, 2)
    with deployment.running() as catalog:
        before = catalog.read(lambda tx: tx.all("SELECT count(*) FROM buckets"))
        failing = [_Failing(), _Failing()]
        catalog._readers._source.idle.extendleft(failing)  # type: ignore[arg-type]
        catalog._readers._source.generation -= 1
        assert catalog.read(lambda tx: tx.all("SELECT count(*) FROM buckets")) == before
    assert [one.asked for one in failing] == [1, 1]
