"""Before anything is written, every path is known for what it is, and the answer says what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from objstore.drives import inspection
from objstore.drives.format import Ballot, Format, format_drive, write_ballot
from objstore.drives.inspection import Inspection, inspect, judge
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.drives.system import System

HERE, ELSEWHERE = "d" * 32, "e" * 32


def states(found: list[Inspection]) -> list[str]:
    assert all((one.problem is None) == (one.state in ("online", "new")) for one in found)
    return [one.state for one in found]


def drives(root: Path, count: int, deployment: str = HERE) -> list[Path]:
    paths = [root / f"d{number}" for number in range(count)]
    for path in paths:
        format_drive(path, deployment)
    return paths


def test_drives_of_one_deployment_are_online(tmp_path: Path) -> None:
    paths = drives(tmp_path, 3)
    write_ballot(paths[1], Ballot(3, ("a",), ("a", "b", "c"), 1))
    found = inspect(paths)
    assert states(found) == ["online"] * 3
    assert [one.ballot.epoch if one.ballot else None for one in found] == [None, 3, None]


def test_an_empty_folder_is_new(tmp_path: Path) -> None:
    for name, inside in {
        "plain": [],
        "disk": ["lost+found"],
        "interrupted": ["lock", "format.json.tmp", "shards/00"],
    }.items():
        (tmp_path / name).mkdir()
        for entry in inside:
            (tmp_path / name / entry).mkdir(parents=True)
        assert states(inspect([tmp_path / name])) == ["new"]


def test_a_folder_with_files_of_somebody_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "home" / "photos").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "lost" / "shards" / "00").mkdir(parents=True)
    (tmp_path / "lost" / "shards" / "00" / "x").write_text("x")
    assert states(inspect([tmp_path / "home", tmp_path / "file", tmp_path / "lost"])) == ["foreign"] * 3


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert states(inspect([*drives(tmp_path, 1), tmp_path / "gone"])) == ["online", "missing"]


def test_a_drive_of_another_deployment_is_foreign(tmp_path: Path) -> None:
    paths = drives(tmp_path, 3) + drives(tmp_path / "other", 1, ELSEWHERE)
    found = inspect(paths)
    assert states(found) == ["online"] * 3 + ["foreign"]
    assert ELSEWHERE in (found[3].problem or "")
    assert states(inspect(paths, deployment=ELSEWHERE)) == ["foreign"] * 3 + ["online"]


def test_a_copied_drive_is_a_duplicate_and_both_paths_are_named(tmp_path: Path) -> None:
    paths = drives(tmp_path, 3)
    shutil.copytree(paths[0], tmp_path / "copy")
    found = inspect([*paths, tmp_path / "copy"])
    assert states(found) == ["duplicate", "online", "online", "duplicate"]
    assert str(tmp_path / "copy") in (found[0].problem or "")


def test_one_folder_under_two_names_is_a_duplicate(tmp_path: Path) -> None:
    paths = drives(tmp_path, 2)
    (tmp_path / "alias").symlink_to(paths[0])
    assert states(inspect([*paths, tmp_path / "alias"])) == ["duplicate", "online", "duplicate"]


def test_a_damaged_format_is_faulty_and_a_newer_one_too(tmp_path: Path) -> None:
    paths = drives(tmp_path, 3)
    text = (paths[1] / "format.json").read_text()
    (paths[1] / "format.json").write_text(text.replace(HERE, ELSEWHERE))
    (paths[2] / "format.json").write_text("")
    assert states(inspect(paths)) == ["online", "faulty", "faulty"]


def test_a_damaged_ballot_leaves_the_drive_online_and_is_mentioned(tmp_path: Path) -> None:
    (path,) = drives(tmp_path, 1)
    (path / "ballot").write_text("rubbish")
    (one,) = inspect([path])
    assert one.state is DriveState.ONLINE
    assert one.ballot is None
    assert "ballot" in (one.problem or "")


def test_an_unmounted_drive_is_missing_however_empty_its_folder(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (empty,) = inspect([tmp_path / "d"])
    assert states(judge([empty], mounts=[tmp_path / "d"])) == ["missing"]
    mounted = Inspection(tmp_path / "m", DriveState.ONLINE, format_drive(tmp_path / "m", HERE), mounted=True)
    assert states(judge([mounted, empty])) == ["online", "missing"], "all others are mount points"
    plain = Inspection(tmp_path / "p", DriveState.ONLINE, format_drive(tmp_path / "p", HERE))
    assert states(judge([mounted, plain, empty])) == ["online", "online", "new"]


def test_a_hung_path_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from objstore.drives import inspection

    paths, release, real = drives(tmp_path, 3), threading.Event(), inspection.look

    def hanging(path: Path, system: System) -> Inspection:
        if path == paths[1]:
            release.wait(60)
        return real(path, system)

    monkeypatch.setattr(inspection, "look", hanging)
    try:
        assert states(inspect(paths, deadline=0.5)) == ["online", "faulty", "online"]
    finally:
        release.set()


def test_opening_a_pool_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    paths = [*drives(tmp_path, 2), tmp_path / "new", tmp_path / "gone"]
    before = sorted(tmp_path.rglob("*"))
    Pool.open(paths).close()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_is_made_a_drive_while_it_is_looked_at_is_online(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path = inspection.read_format, tmp_path / "d0"
    path.mkdir()

    def late(folder: Path, system: System) -> Format:
        monkeypatch.setattr(inspection, "read_format", real)
        format_drive(folder, HERE)
        raise FileNotFoundError(folder)

    monkeypatch.setattr(inspection, "read_format", late)
    assert states(inspect([path])) == ["online"]
