"""A disk that hangs while a mirror is copied to it, opened or kept in order: upkeep goes on with the others, and what
comes back late takes no newer mirror's place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from objstore.catalog import copying, hands, readers, upkeep
from objstore.catalog import mirror as mirror_module
from objstore.catalog.errors import ReadOnly
from objstore.catalog.mirror import Mirror
from objstore.catalog.shared import File
from objstore.drives.state import DriveState
from tests.drives.faults import FaultySystem
from tests.front.wire import until

from .deployment import Deployment

DEADLINE = 1.0


class Hang:
    """Calls that do not return until they are let go. `entered` is set when the first one came."""

    def __init__(self) -> None:
        self.entered, self.released, self.ended = threading.Event(), threading.Event(), threading.Event()

    def around(self, real: Callable[..., Any], strikes: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if not strikes(*arguments, **named) or self.released.is_set():
                return real(*arguments, **named)
            self.entered.set()
            self.released.wait(60)
            try:
                return real(*arguments, **named)
            finally:
                self.ended.set()

        return call


def deployment_on(folder: Path, system: FaultySystem | None = None, size: int = 6) -> Deployment:
    """Mirrors are on the drives 0 to 2 of six. Nothing waits for the disk of the host, which may be busy."""
    system = system or FaultySystem()
    for name in ("fsync", "fdatasync"):
        system._real[name] = lambda fd: None
    return Deployment(folder, size, 2, system=system, deadline=DEADLINE)


def replaced_meanwhile(deployment: Deployment, hang: Hang) -> None:
    """Drive 0 is lost, its mirror is copied to drive 3, which hangs; then drive 1 is lost. Others take their places."""
    deployment.put("before")
    deployment.lose(0)
    deployment.notice()
    assert hang.entered.is_set()
    deployment.put("while it hangs")
    (deployment.root / "lost0" / "catalog.db").unlink()
    deployment.bring_back(0)
    deployment.lose(1)
    for _ in range(3):
        deployment.notice()
    assert len({*deployment.members()} - {1, 3}) == 3
    deployment.put("later")


def all_is_there(deployment: Deployment) -> None:
    deployment.put("in the end")
    deployment.assert_equal()
    assert deployment.names() == {"before", "while it hangs", "later", "in the end"}


@pytest.mark.parametrize("call", ["open", "fsync", "unlink", "rename"])
@pytest.mark.parametrize("answers", [True, False])
def test_a_disk_that_hangs_in_a_copy_is_left_and_comes_late(tmp_path: Path, call: str, answers: bool) -> None:
    """`answers`: it is that one call alone that hangs, and the drive seems to be well."""
    system, hang = FaultySystem(), Hang()
    deployment = deployment_on(tmp_path, system)
    folder, file = deployment.paths[3], deployment.file(3)
    file.write_bytes(b"what was here")  # so it is tried first

    def strikes(place: Any, *_: Any) -> bool:
        path = str(Path(f"/proc/self/fd/{place}").readlink() if isinstance(place, int) else place)
        own = path == (f"{file}" if call == "unlink" else f"{file}.new")
        return own or (not answers and hang.entered.is_set() and path.startswith(f"{folder}/"))

    names = (call, "open", "fsync", "pwritev", "unlink", "rename") if not answers else (call,)
    for name in dict.fromkeys(names):
        system.hook(name, hang.around(system._real[name], strikes if name == call else late(strikes, hang)))
    with deployment.running():
        replaced_meanwhile(deployment, hang)
        assert (deployment.pool.drives[3].state is DriveState.ONLINE) == answers
        hang.released.set()
        assert hang.ended.wait(30)
        until(lambda: not (folder / "catalog.db.new").exists(), "it cleans up")
        if call in ("open", "fsync"):  # it had not begun to replace anything
            assert file.read_bytes() == b"what was here"
        deployment.lose(next(slot for slot in deployment.members() if slot in (4, 5)))
        until(lambda: (deployment.notice(), 3 in deployment.members())[1], "it is taken in again")
        all_is_there(deployment)


def late(strikes: Callable[..., bool], hang: Hang) -> Callable[..., bool]:
    return lambda *arguments: hang.entered.is_set() and strikes(*arguments)


def first(hang: Hang, path: object, where: str) -> bool:
    """Another call after the one that hangs would come through, and before it."""
    return not hang.entered.is_set() and str(path) == where


def test_a_copy_that_comes_late_meets_no_newer_mirror(tmp_path: Path) -> None:
    """Its rename hangs for as long as one likes: until it has come, nobody makes a mirror where it will put its own."""
    system, hang = FaultySystem(), Hang()
    deployment = deployment_on(tmp_path, system, size=4)
    file = deployment.file(3)
    system.hook("rename", hang.around(system._real["rename"], lambda old, _: first(hang, old, f"{file}.new")))
    with deployment.running():
        deployment.put("before")
        deployment.lose(0)
        for _ in range(3):
            deployment.notice()
        assert hang.entered.is_set() and deployment.members() == [1, 2], "and nobody is tried twice"
        deployment.put("while it hangs")
        hang.released.set()
        assert hang.ended.wait(30)
        until(lambda: (deployment.notice(), 3 in deployment.members())[1], "it is taken in")
        inode = file.stat().st_ino
        deployment.put("later")
        deployment.notice()
        assert file.stat().st_ino == inode and 3 in deployment.members()
        all_is_there(deployment)


def test_a_removal_that_comes_late_meets_no_newer_mirror(tmp_path: Path) -> None:
    system, hang = FaultySystem(), Hang()
    deployment = deployment_on(tmp_path, system, size=4)
    file = deployment.file(2)
    with deployment.running():
        deployment.put("before")
        system.hook("unlink", hang.around(system._real["unlink"], lambda path: first(hang, path, f"{file}-wal")))
        deployment.catalog._shared.suspect(deployment.pool.drives[2].id or "")
        deployment.notice()
        assert hang.entered.is_set() and sorted(deployment.members()) == [0, 1, 3]
        deployment.pool.drives[2].change(DriveState.ONLINE)
        deployment.lose(0)
        deployment.put("while it hangs")
        deployment.notice()
        assert sorted(deployment.members()) == [1, 3]
        hang.released.set()
        assert hang.ended.wait(30)
        until(lambda: (deployment.notice(), 2 in deployment.members())[1], "it is taken in")
        deployment.put("later")
        all_is_there(deployment)
        assert sorted(deployment.members()) == [1, 2, 3]


def test_a_source_that_hangs_is_left_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the drive copied to that is to blame: the others are copied from the next member."""
    system, hang = FaultySystem(), Hang()
    deployment = deployment_on(tmp_path, system)
    source = deployment.paths[1]
    real = copying.pages.connect
    connect = hang.around(real, lambda path, **_: path == deployment.file(1) and copying_now.is_set())
    copying_now = threading.Event()
    system.hook("fsync", hang.around(system._real["fsync"], lambda fd: hang.entered.is_set() and below(fd, source)))
    with deployment.running():
        deployment.put("before")
        deployment.lose(0)
        copying_now.set()
        with monkeypatch.context() as patch:
            patch.setattr(copying.pages, "connect", connect)
            for _ in range(4):
                deployment.notice()
            assert hang.entered.is_set()
            deployment.put("while it hangs")
            assert len(deployment.members()) == 3 and 1 not in deployment.members()
            hang.released.set()
        deployment.put("later")
        all_is_there(deployment)


def below(fd: int, folder: Path) -> bool:
    return str(Path(f"/proc/self/fd/{fd}").readlink()).startswith(f"{folder}/")


def test_a_disk_that_hangs_while_its_mirror_is_opened_to_join_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = Hang()
    deployment = deployment_on(tmp_path)
    real = mirror_module.connect
    with deployment.running():
        (deployment.root / "old").write_bytes(deployment.file(0).read_bytes())
        (deployment.root / "old").rename(deployment.file(3))
        with monkeypatch.context() as patch:
            patch.setattr(mirror_module, "connect", hang.around(real, lambda path, **_: path == deployment.file(3)))
            replaced_meanwhile(deployment, hang)
            hang.released.set()
            assert hang.ended.wait(30)
        all_is_there(deployment)


@pytest.mark.parametrize("step", ["checkpoint", "log_bytes", "problem", "position"])
def test_a_member_that_hangs_in_upkeep_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Its drive does not answer otherwise either; the logs of the others go on being moved."""
    system, hang = FaultySystem(), Hang()
    deployment = deployment_on(tmp_path, system)
    folder, real = deployment.paths[0], Mirror.checkpoint
    moved: list[Path] = []

    def checkpoint(mirror: Mirror) -> int:
        moved.append(mirror.path)
        return real(mirror)

    system.hook("fsync", hang.around(system._real["fsync"], lambda fd: hang.entered.is_set() and below(fd, folder)))
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1)
    with deployment.running() as catalog:
        deployment.put("before")
        own = catalog._upkeep_members
        deployment.notice()
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "checkpoint", checkpoint)
            target = getattr(Mirror, step)
            patch.setattr(
                Mirror, step, hang.around(target, lambda one: one.path == deployment.file(0) and one in own.mirrors)
            )
            if step == "position":
                deployment.lose(1)
            deployment.put("while it hangs")
            for _ in range(3):
                deployment.notice()
            assert hang.entered.is_set() and 0 not in deployment.members()
            assert len(deployment.members()) == 3
            moved.clear()
            deployment.put("later")
            deployment.notice()
            assert {*moved} == {deployment.file(slot) for slot in deployment.members()}
            hang.released.set()
        assert hang.ended.wait(30)
        all_is_there(deployment)


def test_a_drive_whose_mirror_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: nobody waits for it for another deadline, such as who asks the drives for their ballots."""
    hang = Hang()
    deployment = deployment_on(tmp_path, size=4)
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "commit", hang.around(Mirror.commit, lambda one: one.path == deployment.file(0)))
            deployment.put("while it hangs")
            assert deployment.pool.drives[0].state is DriveState.FAULTY
            assert 0 not in deployment.members()
            hang.released.set()
        assert hang.ended.wait(30)
        deployment.put("later")
        deployment.notice()
        all_is_there(deployment)


def test_a_mirror_is_waited_for_no_longer_than_its_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds out that a drive hangs spares others the rest of their patience."""
    hang = Hang()
    deployment = Deployment(tmp_path, 4, 2, deadline=100.0)
    monkeypatch.setattr(hands, "_LOOKS", 200)
    with deployment.running():
        deployment.put("before")
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "commit", hang.around(Mirror.commit, lambda one: one.path == deployment.file(0)))
            finder = threading.Thread(
                target=lambda: hang.entered.wait(30) and deployment.pool.drives[0].fault("somebody else's call hangs")
            )
            finder.start()
            deployment.put("while it hangs")
            assert not hang.ended.is_set() and 0 not in deployment.members()
            hang.released.set()
        finder.join()
        assert hang.ended.wait(30)
        deployment.put("later")
        deployment.notice()
        all_is_there(deployment)


def test_the_only_mirror_is_opened_again_when_its_drive_is_back(tmp_path: Path) -> None:
    """Nobody else is there who could tell this process that it may."""
    deployment = Deployment(tmp_path, 1, 0)
    with deployment.running() as catalog:
        deployment.put("before")
        drive = deployment.pool.drives[0]
        drive.fault("for a moment")
        catalog._shared.save(catalog._shared.state())  # another process has changed something
        with pytest.raises(ReadOnly):
            deployment.put("while it is away")
        drive.change(DriveState.ONLINE)
        deployment.put("later")
        assert deployment.names() == {"before", "later"}


def test_whoever_closes_a_mirror_writes_nothing(tmp_path: Path) -> None:
    """Python's lock is held while it is closed: a disk that hangs would stop all threads. Only the end of a server
    moves what is in the log."""
    deployment = deployment_on(tmp_path, size=4)
    with deployment.running():
        deployment.put("before")
        drive = deployment.pool.drives[0]
        assert drive.id is not None
        file, log = deployment.file(0), deployment.file(0).with_name("catalog.db-wal")
    assert not log.exists()
    before = file.read_bytes()

    def opened() -> Mirror:
        return Mirror(drive.id or "", file, None, strict=True)

    mirror = opened()
    mirror.connection.execute("UPDATE mirror SET members = ''")
    mirror.close()
    assert log.stat().st_size > 0 and file.read_bytes() == before
    reader = readers._open(File.at(file), strict=True)
    assert reader.execute("SELECT members FROM mirror").get == ""
    reader.close()
    assert log.stat().st_size > 0 and file.read_bytes() == before
    opened().close(fold=True)
    assert not log.exists() and file.read_bytes() != before


def test_a_copy_that_gets_on_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes: each piece that is copied and synced, and each page that is checked, is a step."""
    system = FaultySystem()
    deployment = deployment_on(tmp_path, system, size=4)
    slow = [0]

    def fsync(fd: int) -> None:
        if below(fd, deployment.paths[3]):
            slow[0] += 1
            threading.Event().wait(DEADLINE * 0.25)
        real(fd)

    with deployment.running():
        deployment.write(
            lambda tx: [tx.run("INSERT INTO settings VALUES (?, ?)", f"{n}", bytes(9_000)) for n in range(99)]
        )
        real = system.hook("fsync", fsync)
        monkeypatch.setattr(copying, "_PAGES", 32)
        deployment.lose(0)
        deployment.notice()
        assert sorted(deployment.members()) == [1, 2, 3]
        assert slow[0] > 5
        deployment.assert_equal()
        assert len(deployment.names()) == 99
