"""What is done to drives and processes. Every drive lies on a file system of its own where mounting is allowed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.harness import Running
from tests.torture.plan import Action

DRIVE_MIB = 1_024
PAUSE_SECONDS = 3.0
CRASHES = frozenset({"kill worker", "kill jobs", "kill supervisor", "kill all"})
MENDED = frozenset({"put back", "make room", "nothing", "restart", "swapped"})  # what is no fault


class Disks:
    """The folders in which drives lie, and one to spare, each a small tmpfs of its own if that may be."""

    def __init__(self, folder: Path, drives: int) -> None:
        self.mounts = [folder / f"disk{number}" for number in range(1, drives + 2)]
        self.mounted: list[Path] = []
        for mount in self.mounts:
            mount.mkdir(parents=True)
            command = ["mount", "-t", "tmpfs", "-o", f"size={DRIVE_MIB}m", "objstore-torture", str(mount)]
            if not subprocess.run(command, capture_output=True).returncode:
                self.mounted.append(mount)

    @property
    def drives(self) -> list[Path]:
        return [mount / "drive" for mount in self.mounts[:-1]]

    @property
    def spare(self) -> Path:
        """Where a drive may be added."""
        return self.mounts[-1] / "drive"

    @property
    def may_fill(self) -> bool:
        """Whether a drive can be filled without filling another's disk."""
        return len(self.mounted) == len(self.mounts)

    def close(self) -> None:
        for mount in self.mounted:
            subprocess.run(["umount", "--lazy", str(mount)], check=True)


class Harm:
    """Does what the plan says. `done` counts it by name, `skipped` what could not be done here and why."""

    def __init__(self, server: Running, disks: Disks, spare: Path, seed: int) -> None:
        self._server = server
        self._disks = disks
        self._spare = spare
        self._chance = random.Random(f"{seed}/harm")
        self.done: Counter[str] = Counter()
        self.skipped: dict[str, str] = {}
        self.latent: set[int] = set()
        """Drives with damage that nobody need have noticed."""
        self._paused: list[int] = []

    def keep_copies(self, drives: set[int]) -> None:
        """Copy drives as they are, for later: the server stands still."""
        for drive in drives:
            shutil.rmtree(self._copy(drive), ignore_errors=True)
            shutil.copytree(self._path(drive), self._copy(drive))

    def do(self, action: Action) -> None:
        """One action. What is impossible at this moment (a drive that is away has no files) is left out."""
        method = getattr(self, "_" + action.what.replace(" ", "_"))
        if action.drive is None:
            method()
        else:
            method(action.drive)
        self.done[action.what] += 1

    def undo(self) -> None:
        """Put back what is away, make room, let everybody go on."""
        self.resume()
        for drive in range(len(self._server.drives)):
            self._make_room(drive)
            self._put_back(drive)

    def replace(self, drive: int) -> None:
        """An empty folder in the drive's place, for good."""
        shutil.rmtree(self._path(drive), ignore_errors=True)
        self._path(drive).mkdir()
        self.latent.discard(drive)

    # places

    def _path(self, drive: int) -> Path:
        return self._server.drives[drive]

    def _aside(self, drive: int) -> Path:
        return self._path(drive).with_name("aside")

    def _copy(self, drive: int) -> Path:
        return self._spare / f"copy{drive}"

    # drives

    def _take_away(self, drive: int) -> None:
        if not self._aside(drive).exists():
            self._path(drive).rename(self._aside(drive))

    def _put_back(self, drive: int) -> None:
        if self._aside(drive).exists():
            shutil.rmtree(self._path(drive), ignore_errors=True)
            self._aside(drive).rename(self._path(drive))

    def _put_back_empty(self, drive: int) -> None:
        shutil.rmtree(self._aside(drive), ignore_errors=True)
        self._path(drive).mkdir(exist_ok=True)

    def _put_back_old(self, drive: int) -> None:
        shutil.rmtree(self._aside(drive), ignore_errors=True)
        ready = self._path(drive).with_name("restored")  # a disk that is mounted comes whole
        shutil.copytree(self._copy(drive), ready)
        ready.rename(self._path(drive))
        self.latent.add(drive)

    def _old(self, drive: int) -> None:
        shutil.rmtree(self._path(drive))
        self._put_back_old(drive)

    def _emptied(self, drive: int) -> None:
        shutil.rmtree(self._path(drive))
        self._path(drive).mkdir()

    def _swapped(self, drive: int) -> None:
        """Two drives change places: no harm at all."""
        other = (drive + 1) % len(self._server.drives)
        order = self._server.drives
        order[drive], order[other] = order[other], order[drive]
        places = {drive: other, other: drive}
        self.latent = {places.get(one, one) for one in self.latent}

    def _nothing(self, drive: int) -> None:
        pass

    def _fill(self, drive: int) -> None:
        if not self._disks.may_fill:
            self.skipped["fill"] = "mounting is not allowed here"
            return
        fd = os.open(self._path(drive).with_name("filler"), os.O_RDWR | os.O_CREAT)
        try:
            for step in (1 << 24, 1 << 16, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(fd, os.fstat(fd).st_size, step)
        finally:
            os.close(fd)

    def _make_room(self, drive: int) -> None:
        self._path(drive).with_name("filler").unlink(missing_ok=True)

    def _rot(self, drive: int) -> None:
        """Bits turned, files cut short and lost among the shards."""
        files = sorted(path for path in (self._path(drive) / "shards").rglob("*") if path.is_file())
        for file in self._chance.sample(files, (len(files) + 2) // 3):
            with contextlib.suppress(OSError):  # given back while we look
                match self._chance.randrange(6):
                    case 0:
                        file.unlink()
                    case 1:
                        os.truncate(file, self._chance.randrange(file.stat().st_size + 1))
                    case _:
                        self._flip(file, self._chance.randint(1, 20))
        self.latent.add(drive)

    def _flip(self, file: Path, bits: int) -> None:
        size = file.stat().st_size
        with file.open("r+b") as handle:
            for _ in range(bits if size else 0):
                place = self._chance.randrange(size)
                handle.seek(place)
                old = handle.read(1)
                handle.seek(place)
                handle.write(bytes([old[0] ^ 1 << self._chance.randrange(8)]))

    def _mirror_lost(self, drive: int) -> None:
        for name in ("catalog.db", "catalog.db-wal", "catalog.db-shm"):
            (self._path(drive) / name).unlink(missing_ok=True)

    def _mirror_flipped(self, drive: int) -> None:
        """Bits of the catalog and of its log turned, while nobody serves."""
        for name in ("catalog.db", "catalog.db-wal"):
            if (self._path(drive) / name).exists():
                self._flip(self._path(drive) / name, self._chance.randint(1, 30))
        self.latent.add(drive)

    def _mirror_cut(self, drive: int) -> None:
        self._cut(self._path(drive) / "catalog.db")
        self.latent.add(drive)

    def _log_cut(self, drive: int) -> None:
        self._cut(self._path(drive) / "catalog.db-wal")
        self.latent.add(drive)

    def _cut(self, file: Path) -> None:
        if file.exists():
            os.truncate(file, self._chance.randrange(file.stat().st_size + 1))

    # processes

    def _children(self, role: str) -> list[int]:
        if self._server.process is None:
            return []
        return [pid for name, pid in self._server.children().items() if name.startswith(role)]

    def _kill_worker(self) -> None:
        self._signal(self._children("worker")[:1], signal.SIGKILL)

    def _kill_jobs(self) -> None:
        self._signal(self._children("jobs"), signal.SIGKILL)

    def _kill_supervisor(self) -> None:
        assert self._server.process is not None
        self._server.process.kill()
        self._server.process.wait()
        self._server.process = None
        self._server.start()

    def _kill_all(self) -> None:
        self._server.kill()
        self._server.start()

    def _restart(self) -> None:
        self._server.stop()
        self._server.start()

    def _pause_worker(self) -> None:
        self._pause(self._children("worker")[-1:])

    def _pause_jobs(self) -> None:
        self._pause(self._children("jobs"))

    def _pause_all(self) -> None:
        self._pause(self._children(""))

    def _pause(self, pids: list[int]) -> None:
        self._paused += pids
        self._signal(pids, signal.SIGSTOP)
        time.sleep(PAUSE_SECONDS)
        self.resume()

    def resume(self) -> None:
        """Let go on what stands still."""
        self._signal(self._paused, signal.SIGCONT)
        self._paused.clear()

    @staticmethod
    def _signal(pids: list[int], number: int) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
