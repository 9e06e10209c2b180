"""What the clients did and saw, family by family, and what must not be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tests.torture import sealed
from tests.torture.linearizable import TooHard, check
from tests.torture.model import MARKER, OK, UNKNOWN, Listed, Op, State, step
from tests.torture.values import Values

SEARCHED_SHOWN = 40


@dataclass
class Keys:
    """A family of keys in a bucket and its history since `initial`. `versions` and `contents` are what clients know to
    ask for."""

    bucket: str
    prefix: str
    count: int
    versioned: bool
    initial: State
    fleeting: bool = False
    switched: bool = False
    """Whether clients switch versioning on and off."""
    history: list[Op] = field(default_factory=list)
    versions: list[tuple[int, str]] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    latest: dict[int, str] = field(default_factory=dict)
    """What a key was last known to hold."""
    last: dict[int, Listed] | None = None
    """What the last look at it found, for later ones; None where its bucket was gone."""

    @property
    def scheme(self) -> str:
        """How some of what is written is encrypted. A copy of that writes bytes anew and is not of one moment, so that
        these keys are not copied."""
        return sealed.scheme(self.prefix)

    @property
    def opaque(self) -> bool:
        """Whether ETags are not those of the bytes: that of a write without an answer is known once it is read."""
        return self.scheme in (sealed.KMS, sealed.CUSTOMER)

    def name(self, key: int) -> str:
        return f"{self.prefix}{key}"

    @property
    def names(self) -> list[str]:
        return [self.name(key) for key in range(self.count)]


class Record:
    """Where all clients of a run note what they did; may be used from any thread."""

    def __init__(self) -> None:
        self.values = Values()
        self.operations: Counter[str] = Counter()
        self.unclear: Counter[str] = Counter()
        self.violations: list[str] = []
        self.shaken_until = 0.0
        """Until then (monotonic) an answer may break off: a process was killed or stood still."""
        self._lock = threading.Lock()

    def note(self, keys: Keys, op: Op) -> None:
        """An operation with its answer; one without a clear outcome stays open until the end."""
        with self._lock:
            self.operations[op.kind] += 1
            if op.answer == UNKNOWN and op.pure:
                return
            keys.history.append(op.unsure() if op.answer == UNKNOWN else op)
            if op.answer == OK and op.version and op.kind in ("put", "copy"):
                keys.versions.append((op.key, op.version))
                del keys.versions[:-12]
            if op.answer == OK and op.kind in ("put", "copy"):
                keys.contents.append(op.content)
                del keys.contents[:-6]
                keys.latest[op.key] = op.content

    def did(self, kind: str) -> None:
        """An operation was done that belongs to no family."""
        with self._lock:
            self.operations[kind] += 1

    def failed(self, kind: str, why: str) -> None:
        """An operation was answered with an error of the server, or not at all."""
        with self._lock:
            self.operations[kind] += 1
            self.unclear[f"{kind}: {why}"] += 1

    def settle(self, keys: Keys) -> None:
        """What was read meanwhile tells the ETags of writes without an answer; what was listed under an ETag that
        nobody ever read tells nothing."""
        if keys.opaque:
            keys.history = [
                replace(op, content=self.values.etag(op.content), seen=self._known(op.seen)) for op in keys.history
            ]

    def _known(self, seen: dict[int, Any]) -> dict[int, Any]:
        def etags(one: Any) -> list[str]:
            return one.contents if isinstance(one, Listed) else [one] if isinstance(one, str) else []

        return {
            key: one
            for key, one in seen.items()
            if all(etag == MARKER or self.values.size(etag) is not None for etag in etags(one))
        }

    def violation(self, what: str) -> None:
        """Something that must never be."""
        with self._lock:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {what}")


def judge(keys: Keys) -> str | None:
    """What no order of the operations explains; None when all is well. Raises TooHard.

    Operations of unknown outcome of which nothing was ever seen are left out at first: most had none.
    """
    seen = {op.content for op in keys.history if op.answer == OK} | {
        content for op in keys.history for content in _contents(op)
    }
    likely = [op for op in keys.history if op.answer != UNKNOWN or (op.kind == "put" and op.content in seen)]
    try:
        if check(likely, keys.initial, step).good:
            return None
    except TooHard:
        pass
    verdict = check(keys.history, keys.initial, step)
    if verdict.culprit is None:
        return None
    culprit = keys.history[verdict.culprit]
    around = sorted(keys.history, key=lambda op: op.begin)
    shown = [op for op in around if op.begin <= (culprit.end or culprit.begin)][-SEARCHED_SHOWN:]
    lines = [f"{'>>' if op is culprit else '  '} {told(op)}" for op in shown]
    states = "\n".join(f"  possible before it: {state}" for state in sorted(verdict.states, key=repr)[:4])
    return f"{keys.bucket}/{keys.prefix}* is not linearizable:\n" + "\n".join(lines) + "\n" + states


def _contents(op: Op) -> list[str]:
    found: list[str] = []
    for seen in op.seen.values():
        if isinstance(seen, str):
            found.append(seen)
        elif isinstance(seen, Listed):
            found += seen.contents
    return found


def told(op: Op) -> str:
    """An operation on one line, times in milliseconds."""
    end = "?" if op.end is None else f"{op.end / 1e6:.1f}"
    said = [f"{op.begin / 1e6:.1f}..{end} {op.kind} {op.key}", op.answer]
    names = ("source", "content", "version", "if_match", "if_absent", "seen", "note")
    said += [f"{name}={value}" for name in names if (value := getattr(op, name))]
    return " ".join(said)
