"""A System whose calls can be made to fail, to hang, to do half, and are counted."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from objstore.drives.drive import Drive
from objstore.drives.format import format_drive
from objstore.drives.inspection import look
from objstore.drives.system import System

BLOB, OTHER = bytes(range(16)), bytes(range(1, 17))
HEADER = b"H" * 4096

_CALLS = [name for name in vars(System) if not name.startswith("_")]


class FaultySystem(System):
    """`fail(call, errno)` until `heal()`; `hang(call)` until the event it returns is set; `hook(call, function)`."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._hooks: dict[str, Callable[..., Any]] = {}
        self._real: dict[str, Callable[..., Any]] = {name: getattr(System(), name) for name in _CALLS}
        for name in _CALLS:
            setattr(self, name, self._wrapped(name))

    def _wrapped(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.calls[name] += 1
            hook = self._hooks.get(name)
            return hook(*arguments) if hook else self._real[name](*arguments)

        return call

    def hook(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self._hooks[name] = function
        return self._real[name]

    def heal(self, *names: str) -> None:
        for name in names or list(self._hooks):
            self._hooks.pop(name, None)

    def fail(self, name: str, code: int, times: int | None = None) -> None:
        left = [times]

        def failing(*arguments: Any) -> Any:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    return self._real[name](*arguments)
            raise OSError(code, os.strerror(code))

        self._hooks[name] = failing

    def hang(self, name: str) -> threading.Event:
        release = threading.Event()

        def hanging(*arguments: Any) -> Any:
            release.wait(60)
            return self._real[name](*arguments)

        self._hooks[name] = hanging
        return release


def new_drive(path: Path, system: System | None = None, **options: Any) -> Drive:
    """A freshly formatted drive at `path`, online."""
    format_drive(path, "d" * 32)
    return Drive(look(path), system=system, **options)


async def reached(system: FaultySystem, name: str, count: int) -> None:
    """Wait until `name` has been called so often."""
    while system.calls[name] < count:  # noqa: ASYNC110 - it is called on another thread
        await asyncio.sleep(0.001)
