"""What S3 promises of a few keys, as a pure function: the state before, an operation with its answer, the state after.

The keys of a *family* are looked at together, for copies, renames and listings touch several of them at one moment.
A family's state is None where its bucket is not there, else for each key its versions, newest first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tests.torture.linearizable import IMPOSSIBLE

MARKER = "marker"
OK, UNKNOWN = "ok", "unknown"
LOOKS = frozenset({"see", "see some", "see other", "see version", "see versions", "head bucket"})


class Entry(NamedTuple):
    """A version or delete marker: `content` its ETag or MARKER, `version` its id, None where nobody was told."""

    content: str
    version: str | None = None

    def fits(self, seen: Entry) -> bool:
        """Whether this may be what was seen."""
        return self.content == seen.content and (None in (self.version, seen.version) or self.version == seen.version)


Stack = tuple[Entry, ...]


class Listed(NamedTuple):
    """A key in a listing of versions, which has versions and delete markers apart, each newest first; `latest` is the
    one that is said to be."""

    versions: Stack = ()
    markers: Stack = ()
    latest: Entry | None = None

    @property
    def contents(self) -> list[str]:
        return [entry.content for entry in self.versions]


State = tuple[Stack, ...] | None


@dataclass(frozen=True)
class Op:
    """One operation of a client on a family: `key`, `source` are positions in it.

    `answer` is OK, UNKNOWN, or the code of the error. Times are nanoseconds of the monotonic clock.
    """

    kind: str
    begin: int
    end: int | None
    answer: str = OK
    key: int = 0
    source: int = 0
    content: str = ""
    version: str | None = None
    if_match: str | None = None
    if_absent: bool = False
    seen: dict[int, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def pure(self) -> bool:
        """Whether it changes nothing."""
        return self.kind in LOOKS or self.answer not in (OK, UNKNOWN)

    def unsure(self) -> Op:
        """The same, but for the outcome."""
        return replace(self, end=None, answer=UNKNOWN)


def empty(keys: int) -> State:
    """A family of a bucket in which nothing is."""
    return ((),) * keys


class Family:
    """The model of the keys of one bucket; `versioned` as the bucket is."""

    def __init__(self, versioned: bool) -> None:
        self.versioned = versioned

    def step(self, state: State, op: Op) -> Any:
        """The state after `op`, or IMPOSSIBLE."""
        if op.kind in ("create bucket", "delete bucket", "head bucket"):
            return _bucket(state, op)
        if state is None:
            return state if op.answer == "NoSuchBucket" else IMPOSSIBLE
        if op.answer == "NoSuchBucket":
            return IMPOSSIBLE
        return getattr(self, "_" + op.kind.replace(" ", "_"))(state, op)

    # what changes nothing

    def _see(self, state: tuple[Stack, ...], op: Op) -> Any:
        """Current objects of some keys at one moment: GET, HEAD, a listing."""
        return state if all(current(state[key]) == content for key, content in op.seen.items()) else IMPOSSIBLE

    def _see_some(self, state: tuple[Stack, ...], op: Op) -> Any:
        """Whether any of the keys has a current object: a common prefix in a listing."""
        return state if any(map(current, state)) == op.seen[0] else IMPOSSIBLE

    def _see_other(self, state: tuple[Stack, ...], op: Op) -> Any:
        """That some keys hold an object, and not this one: a GET whose If-Match does not hold."""
        others = (current(state[key]) not in (None, content) for key, content in op.seen.items())
        return state if all(others) else IMPOSSIBLE

    def _see_version(self, state: tuple[Stack, ...], op: Op) -> Any:
        found = next((one.content for one in state[op.key] if one.version == op.version), None)
        return state if found == op.seen[op.key] else IMPOSSIBLE

    def _see_versions(self, state: tuple[Stack, ...], op: Op) -> Any:
        for key, seen in op.seen.items():
            if not _shows(state[key], seen):
                return IMPOSSIBLE
        return state

    # what changes something

    def _put(self, state: tuple[Stack, ...], op: Op) -> Any:
        refused = self._refusal(state[op.key], op)
        if op.answer not in (OK, UNKNOWN):
            if op.note == "append" and refused and op.answer == "InvalidWriteOffset":
                return state  # the object is another one, and not as long
            return state if op.answer in (refused, "ConditionalRequestConflict") else IMPOSSIBLE
        return IMPOSSIBLE if refused else self._with(state, op.key, Entry(op.content, op.version))

    def _refusal(self, stack: Stack, op: Op) -> str | None:
        now = current(stack)
        if op.if_match is not None:
            if now is None:
                return "NoSuchKey"
            if now != op.if_match:
                return "PreconditionFailed"
        return "PreconditionFailed" if op.if_absent and now is not None else None

    def _copy(self, state: tuple[Stack, ...], op: Op) -> Any:
        content = current(state[op.source])
        if content is None or op.answer not in (OK, UNKNOWN):
            return state if content is None and op.answer == "NoSuchKey" else IMPOSSIBLE
        if op.answer == OK and content != op.content:
            return IMPOSSIBLE
        return self._with(state, op.key, Entry(content, op.version))

    def _rename(self, state: tuple[Stack, ...], op: Op) -> Any:
        content = current(state[op.source])
        if content is None:
            return state if op.answer == "NoSuchKey" else IMPOSSIBLE
        refused = self._refusal(state[op.key], op)
        if op.answer not in (OK, UNKNOWN) or refused:
            return state if op.answer == refused else IMPOSSIBLE
        return self._without(self._with(state, op.key, Entry(content)), op.source, None)

    def _delete(self, state: tuple[Stack, ...], op: Op) -> Any:
        return self._without(state, op.key, op.version) if op.answer in (OK, UNKNOWN) else IMPOSSIBLE

    def _delete_version(self, state: tuple[Stack, ...], op: Op) -> Any:
        if op.answer not in (OK, UNKNOWN):
            return IMPOSSIBLE
        return _put_at(state, op.key, tuple(one for one in state[op.key] if one.version != op.version))

    def _with(self, state: tuple[Stack, ...], key: int, entry: Entry) -> State:
        return _put_at(state, key, (entry, *state[key]) if self.versioned else (entry._replace(version="null"),))

    def _without(self, state: tuple[Stack, ...], key: int, marker: str | None) -> State:
        return _put_at(state, key, (Entry(MARKER, marker), *state[key]) if self.versioned else ())


def _shows(stack: Stack, seen: Listed) -> bool:
    """Whether this is what a listing showed."""
    versions = [one for one in stack if one.content != MARKER]
    markers = [one for one in stack if one.content == MARKER]
    if (len(versions), len(markers), bool(stack)) != (len(seen.versions), len(seen.markers), seen.latest is not None):
        return False
    pairs = [*zip(versions, seen.versions, strict=True), *zip(markers, seen.markers, strict=True)]
    return all(mine.fits(one) for mine, one in pairs) and (seen.latest is None or stack[0].fits(seen.latest))


def current(stack: Stack) -> str | None:
    """The ETag of the current object, None where there is none."""
    return stack[0].content if stack and stack[0].content != MARKER else None


def _put_at(state: tuple[Stack, ...], key: int, stack: Stack) -> State:
    return (*state[:key], stack, *state[key + 1 :])


def _bucket(state: State, op: Op) -> Any:
    if op.kind == "head bucket":
        return state if (state is None) == (op.answer == "NoSuchBucket") else IMPOSSIBLE
    if op.kind == "create bucket":  # a second creation is answered like the first
        return (empty(op.key) if state is None else state) if op.answer in (OK, UNKNOWN) else IMPOSSIBLE
    refused = "NoSuchBucket" if state is None else "BucketNotEmpty" if any(state) else None
    if op.answer in (OK, UNKNOWN):
        return IMPOSSIBLE if refused else None
    return state if op.answer == refused else IMPOSSIBLE
