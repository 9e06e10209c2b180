"""A drive's identity and its ballot survive crashes, and damage is noticed."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.drives.errors import BallotSuperseded, DriveForeign, FormatCorrupt
from objstore.drives.format import Ballot, format_drive, read_ballot, read_format, write_ballot

HERE = "d" * 32


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    format_drive(tmp_path, HERE)
    return tmp_path


def ballot(epoch: int, *members: str) -> Ballot:
    return Ballot(epoch, members or ("a", "b"), ("a", "b", "c"), 1)


def test_a_drive_keeps_its_identity(tmp_path: Path) -> None:
    made = format_drive(tmp_path / "new", HERE)
    assert read_format(tmp_path / "new") == made
    assert format_drive(tmp_path / "new", HERE) == made, "formatting twice does not change who it is"
    with pytest.raises(DriveForeign):
        format_drive(tmp_path / "new", "e" * 32)


def test_a_new_drive_knows_no_ballot(tmp_path: Path) -> None:
    format_drive(tmp_path, HERE)
    assert read_ballot(tmp_path) is None
    write_ballot(tmp_path, ballot(1))
    assert read_ballot(tmp_path) == ballot(1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_is_read(tmp_path: Path, place: float, bit: int) -> None:
    made = format_drive(tmp_path, HERE)
    file = tmp_path / "format.json"
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[int(place * len(whole))] ^= 1 << bit
    file.write_bytes(damaged)
    with contextlib.suppress(FormatCorrupt):
        assert read_format(tmp_path) == made  # white space may differ
    file.write_bytes(whole)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"checksum": 1}', b"\xff\xfe", b'{"drive":"x","checksum":"0"}']
)
def test_rubbish_is_no_format(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "format.json").write_bytes(content)
    with pytest.raises(FormatCorrupt):
        read_format(tmp_path)


def test_a_write_that_crashed_halfway_leaves_the_old_ballot(drive: Path) -> None:
    write_ballot(drive, ballot(4))
    (drive / "ballot.tmp").write_bytes(b'{"epoch": 5')
    assert read_ballot(drive) == ballot(4)
    write_ballot(drive, ballot(6))
    assert read_ballot(drive) == ballot(6)


def test_a_ballot_only_moves_forward(drive: Path) -> None:
    write_ballot(drive, ballot(7))
    write_ballot(drive, ballot(7))
    for older in (ballot(6), ballot(7, "c")):
        with pytest.raises(BallotSuperseded):
            write_ballot(drive, older)
    assert read_ballot(drive) == ballot(7)


def test_a_damaged_ballot_is_reported_and_can_be_replaced(drive: Path) -> None:
    (drive / "ballot").write_bytes(b"rubbish")
    with pytest.raises(FormatCorrupt):
        read_ballot(drive)
    write_ballot(drive, ballot(2))
    assert read_ballot(drive) == ballot(2)


def test_of_many_writers_the_highest_epoch_stays(drive: Path) -> None:
    def write(epoch: int) -> None:
        with contextlib.suppress(BallotSuperseded):
            write_ballot(drive, ballot(epoch))

    threads = [threading.Thread(target=write, args=(epoch,)) for epoch in (5, 2, 9, 1, 8, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_ballot(drive) == ballot(9)


def test_a_folder_that_is_no_drive_has_no_vote_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_ballot(tmp_path, ballot(1))
    assert list(tmp_path.iterdir()) == []
