"""What is told of clients that fail to prove who they are: counters, and a line in the log once a minute at most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from objstore.server import metrics

_SECONDS: Final = 60.0  # between two lines: whoever has many addresses shall not fill the log

log = logging.getLogger(__name__)


class Refusals:
    """Hears of every failure."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = 0.0
        self._wrong = metrics.failed_signatures.labels("wrong")
        self._slowed = metrics.failed_signatures.labels("slowed")

    def __call__(self, limited: bool, network: str) -> None:
        if not limited:
            self._wrong.inc()
            return
        self._slowed.inc()
        now = self._clock()
        if now >= self._next:
            self._next = now + _SECONDS
            log.warning("too many requests from %s could not be authenticated: they are told to slow down", network)
