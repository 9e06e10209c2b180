"""A disk that hangs, for a real server: calls of `open` on it do not return until they are let through.

The kernel asks before a file below a mount point is opened (fanotify's permission events, see fanotify(7)), and whoever
opens it waits for the answer. That needs root, as mounting does; tests skip where it is not allowed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import mounted

_CLASS_CONTENT, _CLOEXEC = 0x4, 0x1
_MARK_ADD, _MARK_MOUNT, _OPEN = 0x1, 0x10, 0x0001_0000
_EVENT, _ANSWER = struct.Struct("=IBBHQii"), struct.Struct("=iI")
_ALLOW, _AT_FDCWD = 1, -100

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_mark.argtypes = (ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p)


class Gate:
    """What is opened below `folder`, a mount point. `shut(hangs)`: a file that it names is opened only when the gate is
    opened again; `waiting` has the names of those that wait."""

    def __init__(self, folder: Path) -> None:
        self.waiting: list[str] = []
        self._hangs: Callable[[str], bool] = lambda _: False
        self._held: list[int] = []
        self._lock = threading.Lock()
        self._group = _libc.fanotify_init(_CLASS_CONTENT | _CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
        if self._group < 0 or _libc.fanotify_mark(
            self._group, _MARK_ADD | _MARK_MOUNT, _OPEN, _AT_FDCWD, os.fsencode(folder)
        ):
            pytest.skip(f"watching a mount point is not allowed here: {os.strerror(ctypes.get_errno())}")
        self._end, self._ended = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def shut(self, hangs: Callable[[str], bool]) -> None:
        with self._lock:
            self._hangs = hangs

    def open(self) -> None:
        with self._lock:
            self._hangs = lambda _: False
            for file in self._held:
                self._allow(file)
            self._held.clear()
            self.waiting.clear()

    def close(self) -> None:
        self.open()
        os.close(self._ended)
        self._thread.join()
        os.close(self._end)
        os.close(self._group)

    def _serve(self) -> None:
        while self._end not in select.select([self._group, self._end], [], [])[0]:
            data = os.read(self._group, 4096)
            while data:
                length, _, _, _, _, file, _ = _EVENT.unpack_from(data)
                data = data[length:]
                with self._lock:
                    name = Path(os.readlink(f"/proc/self/fd/{file}")).name
                    if self._hangs(name):
                        self._held.append(file)
                        self.waiting.append(name)
                    else:
                        self._allow(file)

    def _allow(self, file: int) -> None:
        os.write(self._group, _ANSWER.pack(file, _ALLOW))
        os.close(file)


@contextlib.contextmanager
def gate(folder: Path) -> Iterator[Gate]:
    """A gate before what is in `folder`, which becomes a mount point."""
    folder.mkdir(parents=True, exist_ok=True)
    with mounted(folder, "--bind", str(folder)):
        made = Gate(folder)
        try:
            yield made
        finally:
            made.close()
