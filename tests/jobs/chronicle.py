"""What a state machine did, step by step; the first failure of a process is written to a file as it happens, so that it
is known even if it is never met again."""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize as hypothesis_initialize
from hypothesis.stateful import rule as hypothesis_rule

Step = Callable[..., None]


class Chronicled(RuleBasedStateMachine):
    """Its steps are `rule` and `initialize` of here."""

    file: Path | None = None  # where the first failure goes; nowhere once it has gone there

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.failed = False

    @contextlib.contextmanager
    def step(self, *told: str) -> Iterator[None]:
        """Something is done that may fail."""
        self.steps += told
        try:
            yield
        except Exception:
            self.failed = True
            file, Chronicled.file = self.file, None
            if file is not None:
                file.parent.mkdir(exist_ok=True)
                file.write_text("\n".join([*self.steps, "", traceback.format_exc()]))
            raise


def _told(work: Step) -> Step:
    @functools.wraps(work)
    def done(machine: Chronicled, **drawn: Any) -> None:
        given = ", ".join(f"{name}={value!r}" for name, value in drawn.items())
        with machine.step(f"state.{work.__name__}({given})"):
            work(machine, **drawn)

    return done


def rule(**drawn: Any) -> Callable[[Step], Step]:
    """A rule of hypothesis, whose steps are told."""
    return lambda work: hypothesis_rule(**drawn)(_told(work))


def initialize(**drawn: Any) -> Callable[[Step], Step]:
    """As `rule`, for what comes first."""
    return lambda work: hypothesis_initialize(**drawn)(_told(work))
