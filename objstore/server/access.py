"""One structured line for each request: JSON, one object a line, with the request id that the client saw.

Lines are gathered and written together a few times a second, so a log costs a request a few microseconds. Secrets do
not come near it: of the query only the operation's name, of the caller only the access key id.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from typing import Any

import msgspec

_FLUSH_SECONDS = 0.25


class AccessLog:
    """Writes to a file, to standard output (`-`) or nowhere (empty)."""

    def __init__(self, target: str) -> None:
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self._fd: int | None = None
        self._scheduled = False
        if target == "-":
            self._fd = sys.stdout.fileno()
        elif target:
            self._fd = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def wanted(self) -> bool:
        """Whether lines are written anywhere."""
        return self._fd is not None

    def add(self, entry: dict[str, Any]) -> None:
        """Take one request; `entry` has only JSON types."""
        self._lines.append(self._encode(entry))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits. A log that cannot be written is reported once a flush and never fails a request."""
        self._scheduled = False
        lines, self._lines = self._lines, []
        if lines and self._fd is not None:
            try:
                os.write(self._fd, b"\n".join(lines) + b"\n")
            except OSError as error:
                logging.getLogger(__name__).warning("access log not written: %s", error)


class JsonFormatter(logging.Formatter):
    """Errors and notices as the same kind of line; an exception goes into one member."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, "request_id", None):
            entry["request_id"] = request_id
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def configure_logging(level: int = logging.INFO) -> None:
    """Send every log record of this process to standard error as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
