"""Two servers cannot have one drive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from objstore.drives.errors import DriveLocked, DriveOffline
from objstore.drives.lock import lock_drive, share


def test_a_second_server_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    fd = lock_drive(tmp_path)
    with pytest.raises(DriveLocked, match=str(os.getpid())):
        lock_drive(tmp_path)
    os.close(fd)
    os.close(lock_drive(tmp_path))


def test_the_lock_lives_as_long_as_any_process_of_the_server(tmp_path: Path) -> None:
    fd = lock_drive(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[fd])
    try:
        os.close(fd)
        with pytest.raises(DriveLocked):
            lock_drive(tmp_path)
    finally:
        child.communicate(b"\n")
    os.close(lock_drive(tmp_path))


def test_processes_of_one_server_share_it_and_another_server_waits_for_the_last(tmp_path: Path) -> None:
    fd = lock_drive(tmp_path)
    with pytest.raises(DriveLocked):
        lock_drive(tmp_path, shared=True)
    share(fd)
    others = [lock_drive(tmp_path, shared=True) for _ in range(2)]
    for one in (fd, *others):
        with pytest.raises(DriveLocked, match=str(os.getppid())):
            lock_drive(tmp_path)
        os.close(one)
    os.close(lock_drive(tmp_path))


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(DriveOffline):
        lock_drive(tmp_path / "gone")
