"""Two small files that make a folder a drive: `format.json`, its identity, and `ballot`, its vote on who may lead.

Both are JSON with a checksum member and are replaced as a whole: written beside, synced, renamed, and the folder
synced, so a reader sees the old or the new one after any crash. A ballot only moves forward: it is written under a
lock on the folder and never over a later one, so not even a writer that hung for an hour can bring an old vote back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from xxhash import xxh3_64_hexdigest

from objstore.drives.errors import BallotSuperseded, DriveForeign, FormatCorrupt, FormatTooNew
from objstore.drives.system import SYSTEM, System

FORMAT_FILE, BALLOT_FILE, SHARDS, LOCK_FILE = "format.json", "ballot", "shards", "lock"
_VERSION = 1
_LARGEST = 1 << 20
_UPGRADE = "run the release that wrote it, or a newer one"


class Format(msgspec.Struct, frozen=True):
    """Who a drive is. `deployment` and `drive` are 32 hex digits; `mount`: the folder was a mount point then.
    `removed` is when the drive was taken out of its deployment, empty as long as it is in it."""

    deployment: str
    drive: str
    created: str
    mount: bool = False
    removed: str = ""
    version: int = _VERSION


class Electorate(msgspec.Struct, frozen=True):
    """Who votes, and how many of them may fail."""

    drives: tuple[str, ...]
    parity: int


class Ballot(msgspec.Struct, frozen=True):
    """What a drive knows of the catalog: at `epoch` the drives `members` hold its mirrors, of a pool of `drives`.

    `places` says where each drive was seen last. `before` is there while the electorate changes: then this ballot
    takes effect, and a start under it is possible, only by the quorums of both."""

    epoch: int
    members: tuple[str, ...]
    drives: tuple[str, ...]
    parity: int
    places: dict[str, str] = {}
    before: Electorate | None = None
    version: int = _VERSION

    @property
    def electorates(self) -> tuple[Electorate, ...]:
        """Every electorate that has to agree."""
        own = Electorate(self.drives, self.parity)
        return (own,) if self.before is None else (own, self.before)


T = TypeVar("T", Format, Ballot)


def new_id() -> str:
    """A fresh deployment or drive id."""
    return uuid.uuid4().hex


def format_drive(path: Path, deployment: str, system: System = SYSTEM, ident: str | None = None) -> Format:
    """Make the folder a new drive of `deployment`, durably, by the name `ident` or a fresh one; the folder is created
    where it is absent.

    The caller has made sure (by `inspect`) that the folder holds nothing of value. If somebody else formatted it
    meanwhile the answer is their drive. Raises DriveForeign when that one is of another deployment, OSError."""
    path.mkdir(parents=True, exist_ok=True)
    with locked(path, system):
        if (path / FORMAT_FILE).exists():
            present = read_format(path, system)
            if present.deployment != deployment:
                raise DriveForeign(str(path), f"belongs to another deployment ({present.deployment})")
            return present
        with contextlib.suppress(FileExistsError):
            system.mkdir(path / SHARDS, 0o700)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        new = Format(deployment, ident or new_id(), created, os.path.ismount(path))
        write_durably(path / FORMAT_FILE, _seal(new), system)
    sync_file(path.parent, system)
    return new


def read_format(path: Path, system: System = SYSTEM) -> Format:
    """The identity of the drive at `path`. Raises FileNotFoundError, OSError, FormatCorrupt."""
    return _unseal(path, FORMAT_FILE, Format, system)


def mark_removed(path: Path, system: System = SYSTEM) -> None:
    """Let the drive say of itself that it was taken out of its deployment. Raises OSError, FormatCorrupt."""
    with locked(path, system):
        found = read_format(path, system)
        if not found.removed:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            write_durably(path / FORMAT_FILE, _seal(msgspec.structs.replace(found, removed=now)), system)


def read_ballot(path: Path, system: System = SYSTEM) -> Ballot | None:
    """The ballot of the drive at `path`, None where none was ever written. Raises OSError, FormatCorrupt."""
    try:
        return _unseal(path, BALLOT_FILE, Ballot, system)
    except FileNotFoundError:
        return None


def write_ballot(path: Path, ballot: Ballot, system: System = SYSTEM) -> None:
    """Make `ballot` the drive's, durably. Raises BallotSuperseded when the drive knows a later or another one of
    the same epoch, FileNotFoundError when there is no drive at the path, OSError when it fails."""
    with locked(path, system):
        read_format(path, system)  # an empty folder, or the one below a mount point, has no vote and stays empty
        try:
            known = read_ballot(path, system)
        except FormatTooNew:
            raise
        except FormatCorrupt:
            known = None
        if known is not None and (known.epoch > ballot.epoch or (known.epoch == ballot.epoch and known != ballot)):
            raise BallotSuperseded(str(path), f"ballot of epoch {ballot.epoch} comes after one of epoch {known.epoch}")
        write_durably(path / BALLOT_FILE, _seal(ballot), system)


@contextlib.contextmanager
def locked(path: Path, system: System) -> Iterator[None]:
    """Alone with the small files of a drive: whoever hangs with them is waited for, however late it comes."""
    folder = system.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write_durably(path: Path, content: bytes, system: System = SYSTEM) -> None:
    """Replace a small file as a whole: after a crash it is the old or the new one, after the return the new."""
    beside = path.with_name(path.name + ".tmp")
    fd = system.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written = 0
        while written < len(content):
            written += system.pwritev(fd, [memoryview(content)[written:]], written)
        system.fsync(fd)
    finally:
        os.close(fd)
    system.rename(beside, path)
    sync_file(path.parent, system)


def sync_file(path: Path, system: System = SYSTEM) -> None:
    """Make a file, or the names in a folder, durable."""
    fd = system.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        system.fsync(fd)
    finally:
        os.close(fd)


def read_small(path: Path, system: System = SYSTEM) -> bytes:
    """What a small file holds. Raises OSError."""
    fd = system.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return system.pread(fd, _LARGEST, 0)
    finally:
        os.close(fd)


def _digest(members: dict[str, Any]) -> str:
    return xxh3_64_hexdigest(msgspec.json.encode(members, order="sorted"))


def _seal(value: Format | Ballot) -> bytes:
    members: dict[str, Any] = msgspec.to_builtins(value)
    members["checksum"] = _digest(members)
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def _unseal(path: Path, name: str, kind: type[T], system: System) -> T:
    content = read_small(path / name, system)
    try:
        members = msgspec.json.decode(content, type=dict[str, Any])
        if members.pop("checksum", None) != _digest(members):
            raise FormatCorrupt(str(path), f"{name} is damaged: its checksum does not match")
        if isinstance(version := members.get("version", _VERSION), int) and version > _VERSION:
            raise FormatTooNew(str(path), f"{name} has version {version}, this release knows {_VERSION}: {_UPGRADE}")
        return msgspec.convert(members, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FormatCorrupt(str(path), f"{name} is damaged: {error}") from error
