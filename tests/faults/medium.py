"""A folder as a disk sees it: what was made durable, what only waits in caches, and what a power loss leaves of it.

Every change below the folder is told to a `Medium`, whoever makes it. Since the last sync of a file each sector of
512 bytes that was written, and each change of its length, may have reached the disk or not, in any combination; since
the last sync of a folder, each name that was made, removed or moved (a rename as a whole: file systems promise that).
`crash` draws one such state from a seed and writes it into another folder, which is then opened as after a power loss.
A sync that fails draws at once, as Linux does: what was to be written is forgotten, though a read still shows it.

That is less than ext4 or XFS give (they keep the order of most metadata) and about what POSIX gives. So what survives
here survives there.
"""

from __future__ import annotations

import copy
import errno
import os
import threading
from pathlib import Path
from random import Random

SECTOR = 512
IGNORED = ("-shm", "lock")
"""Ends of names that mean nothing after a crash: shared memory of SQLite, locks of processes."""


class Cached:
    """A file: `durable` is on the disk; `pending` are (offset, bytes) written since, or (length, None).

    `before` is what stood at each place before its last write, as far as whoever wrote there told."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.pending: list[tuple[int, bytes | None]] = []
        self.size = len(durable)
        self.before = bytearray()

    def write(self, offset: int, data: bytes) -> None:
        self.pending.append((offset, data))
        self.size = max(self.size, offset + len(data))

    def resize(self, length: int) -> None:
        self.pending.append((length, None))
        self.size = length

    def settle(self, chance: Random | None = None) -> None:
        """Make all that waits durable; or, with `chance`, as much of it as an accident leaves."""
        keep = 1.0 if chance is None else chance.choice((0.0, 1.0, chance.random()))
        for offset, data in self.pending:
            if data is None:
                if chance is None or chance.random() < keep:
                    resize(self.durable, offset)
            elif chance is None:
                put(self.durable, offset, data)
            else:
                self._tear(offset, data, keep, chance)
        self.pending.clear()

    def _tear(self, offset: int, data: bytes, keep: float, chance: Random) -> None:
        """Of one write keep some sectors, or only its length."""
        end = offset + len(data)
        if end > len(self.durable) and chance.random() < keep:
            resize(self.durable, end)
        at = offset
        while at < end:
            until = min(end, at - at % SECTOR + SECTOR)
            if chance.random() < keep:
                put(self.durable, at, data[at - offset : until - offset])
            at = until


class Folder:
    """`names` as processes see them, `durable` as the disk has them; `pending` are changes that happen as a whole."""

    def __init__(self) -> None:
        self.names: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}
        self.pending: list[dict[str, Node | None]] = []

    def change(self, change: dict[str, Node | None]) -> None:
        self.pending.append(change)
        _apply(self.names, change)

    def settle(self, chance: Random | None = None) -> None:
        """As `Cached.settle`, for names."""
        keep = 1.0 if chance is None else chance.choice((0.0, 1.0, chance.random()))
        for change in self.pending:
            if chance is None or chance.random() < keep:
                _apply(self.durable, change)
        self.pending.clear()


Node = Cached | Folder


def put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def resize(content: bytearray, length: int) -> None:
    if length < len(content):
        del content[length:]
    else:
        content.extend(bytes(length - len(content)))


def _apply(names: dict[str, Node], change: dict[str, Node | None]) -> None:
    for name, node in change.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


class Medium:
    """The disk under `root`; what is there at first is durable. Hold `lock` from a change until it was told.

    `off_at`: the change, counted from 1, at which the power goes; that one and all later ones fail."""

    def __init__(self, root: Path, off_at: int | None = None) -> None:
        self.root = root
        self.lock = threading.RLock()
        self.changes = 0
        self.off = False
        self.off_at = off_at
        self._nodes: dict[tuple[int, int], Node] = {}
        self._top = self._found(root)

    def _found(self, path: Path) -> Node:
        node: Node
        if path.is_dir():
            node = Folder()
            for one in sorted(path.iterdir()):
                if not one.name.endswith(IGNORED):
                    node.names[one.name] = self._found(one)
            node.durable = dict(node.names)
        else:
            node = Cached(path.read_bytes())
        self._nodes[_identity(os.stat(path))] = node
        return node

    def holds(self, path: str | Path) -> bool:
        """Whether this is the disk of a path."""
        return str(path).startswith(f"{self.root}/") and not str(path).endswith(IGNORED)

    def powered(self, *, change: bool) -> None:
        """Raise EIO where there is no power any more."""
        if change:
            self.changes += 1
            if self.off_at is not None and self.changes >= self.off_at:
                self.off = True
        if self.off:
            raise OSError(errno.EIO, "no power")

    def behind(self, fd: int) -> Node | None:
        """What a descriptor is open on; None for a file of another disk."""
        return self._nodes.get(_identity(os.fstat(fd)))

    def at(self, path: str | Path) -> Node:
        """What is at a path."""
        node = self._top
        for name in Path(path).relative_to(self.root).parts:
            assert isinstance(node, Folder)
            node = node.names[name]
        return node

    def has(self, path: str | Path) -> bool:
        """Whether there is anything at a path, as far as was told."""
        return Path(path).name in self.folder(path).names

    def folder(self, path: str | Path) -> Folder:
        """The folder that a path is in."""
        node = self.at(Path(path).parent)
        assert isinstance(node, Folder)
        return node

    # --- what was done

    def made(self, path: str | Path, node: Node) -> Node:
        self._nodes[_identity(os.stat(path))] = node
        self.folder(path).change({Path(path).name: node})
        return node

    def removed(self, path: str | Path) -> None:
        self.folder(path).change({Path(path).name: None})

    def renamed(self, old: str | Path, new: str | Path) -> None:
        assert Path(old).parent == Path(new).parent, "a rename across folders is not one change"
        folder = self.folder(old)
        folder.change({Path(old).name: None, Path(new).name: folder.names[Path(old).name]})

    # --- what is left

    def crash(self, target: Path, seed: str | None) -> None:
        """Turn the power off, draw what is on the disk, and write it to `target`, which must not exist.

        Without a seed all that was written is there."""
        with self.lock:
            self.off = True
        _leave(copy.deepcopy(self._top), target, None if seed is None else Random(seed))

    def sync(self) -> None:
        """Make all that was written durable."""
        with self.lock:
            _sync(self._top)

    def missed(self) -> list[str]:
        """Files in the folder that are not as the medium was told: a change that went past it."""
        with self.lock:
            return sorted(_differences(self._top, self.root))


def _sync(node: Node) -> None:
    node.settle()
    if isinstance(node, Folder):
        for inside in node.names.values():
            _sync(inside)


def _leave(node: Node, target: Path, chance: Random | None) -> None:
    node.settle(chance)
    if isinstance(node, Cached):
        target.write_bytes(node.durable)
        return
    target.mkdir()
    for name, inside in sorted(node.durable.items()):
        _leave(inside, target / name, chance)


def _differences(node: Node, path: Path) -> list[str]:
    if isinstance(node, Cached):
        seen = Cached(node.durable)
        seen.pending = list(node.pending)
        seen.settle()
        return [] if path.is_file() and path.read_bytes() == seen.durable else [f"{path}: bytes"]
    there = {one.name for one in path.iterdir() if not one.name.endswith(IGNORED)}
    found = [f"{path / name}: name" for name in there ^ set(node.names)]
    for name in there & set(node.names):
        found += _differences(node.names[name], path / name)
    return found


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
