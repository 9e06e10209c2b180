"""A folder of another deployment comes to the place of a drive, and nobody has noticed yet: it stays as it is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from objstore.catalog import ballots, copying
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.hands import Progress
from objstore.drives.errors import DriveError

from .deployment import Deployment

FILES = ("format.json", "ballot", "promise", "catalog.db")


def whole(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A drive of another deployment, with the only mirror of its catalog."""
    other = Deployment(tmp_path / "other", 1)
    with other.running():
        other.put("theirs")
    return other.paths[0]


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_member_is_given_up_and_what_is_in_its_place_left_alone(tmp_path: Path, stranger: Path, slot: int) -> None:
    before = whole(stranger)
    deployment = Deployment(tmp_path / "ours", 4)
    with deployment.running():
        deployment.put("before")
        deployment.lose(slot)
        stranger.rename(deployment.paths[slot])
        deployment.put("during")
        assert slot not in deployment.members()
        assert whole(deployment.paths[slot]) == before
        deployment.notice()
        assert whole(deployment.paths[slot]) == before
        assert not list(deployment.paths[slot].glob("*.new"))
        deployment.assert_equal()
        assert deployment.names() == {"before", "during"}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_no_mirror_is_put_there(tmp_path: Path, stranger: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    before = whole(stranger)
    deployment = Deployment(tmp_path / "ours", 4)

    def exchanged(*_: object) -> None:
        deployment.lose(3)
        stranger.rename(deployment.paths[3])

    with deployment.running() as catalog:
        deployment.notice()
        if when == "before":
            exchanged()
        else:
            monkeypatch.setattr(copying, "sync_file", exchanged)
        with pytest.raises(MirrorFailed):
            copying.copy(catalog._upkeep_members.mirrors[0], deployment.pool.drives[3], Progress())
        assert whole(deployment.paths[3]) == before
        assert not list(deployment.paths[3].glob("*.new"))


@pytest.mark.parametrize("work", ["promise", "ballot", "remove"])
def test_nothing_is_noted_or_removed_there(tmp_path: Path, stranger: Path, work: str) -> None:
    before = whole(stranger)
    deployment = Deployment(tmp_path / "ours", 4)
    with deployment.running() as catalog:
        deployment.lose(1)
        stranger.rename(deployment.paths[1])
        drive, ballot = deployment.pool.drives[1], msgspec.structs.replace(catalog.ballot(), epoch=1_000)
        with pytest.raises(DriveError):
            if work == "promise":
                drive.run(ballots._promise, drive.path, 1_000)
            elif work == "ballot":
                drive.write_ballot(ballot)
            else:
                drive.run(copying.remove, drive.path, drive.system)
        assert whole(deployment.paths[1]) == before
