"""Whoever commits may be killed between any two steps, and functions may raise whatever there is: others go on, and
what a commit left half done is whole before anybody relies on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from objstore.catalog import ballots, engine
from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.errors import Undecided
from objstore.catalog.members import Members
from objstore.catalog.mirror import Mirror
from objstore.catalog.shared import Shared
from objstore.catalog.transaction import Transaction

from .deployment import Deployment

PUT = "INSERT INTO settings (name, value) VALUES (?, x'')"


class Killed(BaseException):
    """Ends a process: nothing catches it, and the system gives back its locks."""


@contextlib.contextmanager
def beside(deployment: Deployment) -> Iterator[Catalog]:
    """The catalog of another process."""
    other = attach(deployment.pool, deployment.runtime, strict=False, settle=0.0)
    try:
        yield other
    finally:
        other.close()


def die_between_mirrors(monkeypatch: pytest.MonkeyPatch, slots: int) -> None:
    """The next commit becomes visible on so many of the others, and then its process dies."""

    def publish(members: Members, leader: Mirror, others: list[Mirror], step: Any) -> None:
        monkeypatch.undo()
        for mirror in others[:slots]:
            mirror.publish(step)
        for mirror in (leader, *others[slots:]):
            mirror.rollback()
        raise Killed

    monkeypatch.setattr(engine, "_publish", publish)


@pytest.mark.parametrize("slots", [0, 1, 2])
def test_what_a_killed_process_left_is_whole_for_whoever_asks_that_it_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("before")
        die_between_mirrors(monkeypatch, slots)
        with pytest.raises(Killed):
            deployment.put("during")
        with beside(deployment) as other:
            asyncio.run(other.settled())
            wanted = {"before", "during"} if slots else {"before"}
            assert {row[0] for row in other.read(lambda tx: tx.all("SELECT name FROM settings"))} == wanted
        assert deployment.names() == wanted
        deployment.assert_equal()
        assert not catalog._shared.unfinished


def test_mirrors_are_compared_at_one_transaction_though_somebody_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        die_between_mirrors(monkeypatch, 1)
        with pytest.raises(Killed):
            deployment.put("during")
        with catalog.views() as (found, failures):
            assert len(found) == 3 and not failures
            assert len({view.position.seq for view in found}) == 1


def test_upkeep_makes_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        die_between_mirrors(monkeypatch, 1)
        with pytest.raises(Killed):
            deployment.put("during")
        deployment.notice()
        assert deployment.names() == {"during"}


@pytest.mark.parametrize("told", [False, True])
def test_a_process_that_dies_while_it_tells_of_a_change_is_found_out(tmp_path: Path, told: bool) -> None:
    """Nobody goes on under what was before; those that only read neither, from when somebody can commit again."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog, contextlib.closing(Shared(deployment.runtime)) as dying:
        before = dying.state()
        after = msgspec.structs.replace(before, tried=before.tried + 1)

        class Dying:
            """A path at which a rename is the last thing that is done."""

            def __init__(self, path: Path) -> None:
                self.path = path

            def with_suffix(self, suffix: str) -> Dying:
                return Dying(self.path.with_suffix(suffix))

            def write_bytes(self, content: bytes) -> int:
                return self.path.write_bytes(content)

            def rename(self, to: Dying) -> None:
                if told:
                    self.path.rename(to.path)
                raise Killed

        dying._state = Dying(dying._state)  # type: ignore[assignment]
        generation = catalog._shared.generation
        with pytest.raises(Killed), dying.locked():
            dying.save(after)
        with catalog._shared.locked():
            assert catalog._shared.generation > generation
            assert catalog._shared.generation % 2 == 0
            assert catalog._shared.state() == (after if told else before)
        deployment.put("after")
        assert catalog.status().epoch == before.ballot.epoch + (2 if told else 0)
        deployment.assert_equal()


@pytest.mark.parametrize("kind", [StopIteration, asyncio.CancelledError, KeyboardInterrupt, SystemExit, MemoryError])
def test_whatever_a_function_raises_is_its_own(tmp_path: Path, kind: type[BaseException]) -> None:
    deployment = Deployment(tmp_path, 2)

    def put(number: int) -> Any:
        def run(tx: Transaction) -> int:
            tx.run(PUT, f"n{number}")
            if number % 2:
                raise kind
            return number

        return run

    async def all_at_once() -> list[object]:
        outcomes: list[object] = []

        async def one(number: int) -> None:
            try:
                outcomes.append(await deployment.catalog.write(put(number)))
            except (Exception, asyncio.CancelledError) as error:
                outcomes.append(type(error))

        await asyncio.wait_for(asyncio.gather(*(one(number) for number in range(6))), 60)
        return outcomes

    with deployment.running() as catalog:
        if issubclass(
            kind, KeyboardInterrupt | SystemExit
        ):  # would end the test's own loop: what matters is the thread
            with pytest.raises(kind):
                deployment.write(put(1))
        else:
            outcomes = asyncio.run(all_at_once())
            raised = RuntimeError if kind is StopIteration else kind
            assert sorted(map(str, outcomes)) == sorted(map(str, [0, 2, 4, raised, raised, raised]))
        assert catalog._thread.is_alive()
        deployment.put("after")
        assert "after" in deployment.names() and not deployment.names() & {"n1", "n3", "n5"}


@pytest.mark.parametrize("slot", [0, 1])
def test_an_error_in_the_middle_of_a_commit_is_never_told_as_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot: int
) -> None:
    """Such as a full disk of the runtime directory while a member is voted out: others have committed."""
    deployment = Deployment(tmp_path, 4)

    def commit(mirror: Mirror) -> None:
        if mirror.path == deployment.file(slot):
            raise OSError("injected")
        real(mirror)

    def save(shared: Shared, state: object) -> None:
        raise OSError("no space in the runtime directory")

    real = Mirror.commit
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "commit", commit)
            patch.setattr(Shared, "save", save)
            with pytest.raises(Undecided):
                deployment.put("during")
        deployment.put("after")
        assert deployment.names() == {"before", "during", "after"}
        deployment.notice()
        deployment.assert_equal()


def test_a_drive_that_heard_of_later_elections_votes_again_at_once(tmp_path: Path) -> None:
    """It was away while elections were tried again and again, or is back from a start that came to nothing."""
    deployment = Deployment(tmp_path, 3)
    with deployment.running() as catalog:
        deployment.put("a")
        ballots._promise(deployment.paths[1], 1_000)
        deployment.lose(0)
        deployment.put("b")
        assert catalog.status().read_only is None
        assert catalog.status().epoch > 1_000
        assert deployment.names() == {"a", "b"}
    with deployment.running():
        assert deployment.names() == {"a", "b"}
