"""What S3 promises of a few keys, as a pure function: the state before, an operation with its answer, the state after.

The keys of a *family* are looked at together, for copies, renames and listings touch several of them at one moment.
A family's state is None where its bucket is not there, else for each key its versions, newest first, and the bucket's
versioning.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tests.torture.linearizable import IMPOSSIBLE

MARKER = "marker"
ENABLED, SUSPENDED, NULL = "Enabled", "Suspended", "null"
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


class There(NamedTuple):
    """The keys of a bucket that is there; `versioning` is ENABLED, SUSPENDED, or empty where it never was."""

    stacks: tuple[Stack, ...]
    versioning: str = ""


State = There | None


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


def empty(keys: int, versioning: str = "") -> State:
    """A family of a bucket in which nothing is."""
    return There(((),) * keys, versioning)


def step(state: State, op: Op) -> Any:
    """The state after `op`, or IMPOSSIBLE."""
    if op.kind in ("create bucket", "delete bucket", "head bucket"):
        return _bucket(state, op)
    if state is None:
        return state if op.answer == "NoSuchBucket" else IMPOSSIBLE
    if op.answer == "NoSuchBucket":
        return IMPOSSIBLE
    return _STEPS[op.kind](state, op)


# what changes nothing


def _see(state: There, op: Op) -> Any:
    """Current objects of some keys at one moment: GET, HEAD, a listing."""
    return state if all(current(state.stacks[key]) == content for key, content in op.seen.items()) else IMPOSSIBLE


def _see_some(state: There, op: Op) -> Any:
    """Whether any of the keys has a current object: a common prefix in a listing."""
    return state if any(map(current, state.stacks)) == op.seen[0] else IMPOSSIBLE


def _see_other(state: There, op: Op) -> Any:
    """That some keys hold an object, and not this one: a GET whose If-Match does not hold."""
    others = (current(state.stacks[key]) not in (None, content) for key, content in op.seen.items())
    return state if all(others) else IMPOSSIBLE


def _see_version(state: There, op: Op) -> Any:
    found = next((one.content for one in state.stacks[op.key] if one.version == op.version), None)
    return state if found == op.seen[op.key] else IMPOSSIBLE


def _see_versions(state: There, op: Op) -> Any:
    for key, seen in op.seen.items():
        if not _shows(state.stacks[key], seen):
            return IMPOSSIBLE
    return state


# what changes something


def _put(state: There, op: Op) -> Any:
    refused = _refusal(state.stacks[op.key], op)
    if op.answer not in (OK, UNKNOWN):
        if op.note == "append" and refused and op.answer == "InvalidWriteOffset":
            return state  # the object is another one, and not as long
        return state if op.answer in (refused, "ConditionalRequestConflict") else IMPOSSIBLE
    return IMPOSSIBLE if refused else _with(state, op.key, Entry(op.content, op.version))


def _refusal(stack: Stack, op: Op) -> str | None:
    now = current(stack)
    if op.if_match is not None:
        if now is None:
            return "NoSuchKey"
        if now != op.if_match:
            return "PreconditionFailed"
    return "PreconditionFailed" if op.if_absent and now is not None else None


def _copy(state: There, op: Op) -> Any:
    content = current(state.stacks[op.source])
    if content is None or op.answer not in (OK, UNKNOWN):
        return state if content is None and op.answer == "NoSuchKey" else IMPOSSIBLE
    if op.answer == OK and content != op.content:
        return IMPOSSIBLE
    return _with(state, op.key, Entry(content, op.version))


def _rename(state: There, op: Op) -> Any:
    content = current(state.stacks[op.source])
    if content is None:
        return state if op.answer == "NoSuchKey" else IMPOSSIBLE
    refused = _refusal(state.stacks[op.key], op)
    if op.answer not in (OK, UNKNOWN) or refused:
        return state if op.answer == refused else IMPOSSIBLE
    return _without(_with(state, op.key, Entry(content)), op.source, None)


def _delete(state: There, op: Op) -> Any:
    return _without(state, op.key, op.version) if op.answer in (OK, UNKNOWN) else IMPOSSIBLE


def _delete_version(state: There, op: Op) -> Any:
    if op.answer not in (OK, UNKNOWN):
        return IMPOSSIBLE
    return _put_at(state, op.key, tuple(one for one in state.stacks[op.key] if one.version != op.version))


def _switch(state: There, op: Op) -> Any:
    return state._replace(versioning=op.content) if op.answer in (OK, UNKNOWN) else IMPOSSIBLE


def _with(state: There, key: int, entry: Entry) -> Any:
    """With a newer version; a bucket whose versioning is not enabled has its null version replaced."""
    return _on_top(state, key, entry, state.versioning == ENABLED)


def _without(state: There, key: int, marker: str | None) -> Any:
    if state.versioning:
        return _on_top(state, key, Entry(MARKER, marker), state.versioning == ENABLED)
    return _put_at(state, key, ()) if marker is None else IMPOSSIBLE


def _on_top(state: There, key: int, entry: Entry, enabled: bool) -> Any:
    if entry.version is not None and (entry.version == NULL) == enabled:
        return IMPOSSIBLE  # it was told that it is of the other state
    if enabled:
        return _put_at(state, key, (entry, *state.stacks[key]))
    return _put_at(
        state, key, (entry._replace(version=NULL), *(one for one in state.stacks[key] if one.version != NULL))
    )


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


def _put_at(state: There, key: int, stack: Stack) -> State:
    return state._replace(stacks=(*state.stacks[:key], stack, *state.stacks[key + 1 :]))


def _bucket(state: State, op: Op) -> Any:
    if op.kind == "head bucket":
        return state if (state is None) == (op.answer == "NoSuchBucket") else IMPOSSIBLE
    if op.kind == "create bucket":  # a second creation is answered like the first
        return (empty(op.key) if state is None else state) if op.answer in (OK, UNKNOWN) else IMPOSSIBLE
    refused = "NoSuchBucket" if state is None else "BucketNotEmpty" if any(state.stacks) else None
    if op.answer in (OK, UNKNOWN):
        return IMPOSSIBLE if refused else None
    return state if op.answer == refused else IMPOSSIBLE


_STEPS = {
    "see": _see, "see some": _see_some, "see other": _see_other, "see version": _see_version,
    "see versions": _see_versions, "put": _put, "copy": _copy, "rename": _rename, "delete": _delete,
    "delete version": _delete_version, "switch": _switch,
}  # fmt: skip
