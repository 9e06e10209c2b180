"""What can go wrong in the catalog, as one tree: catch `CatalogError` for all of it."""

from __future__ import annotations

from collections.abc import Sequence


class CatalogError(Exception):
    """Base of every error of the catalog."""


class ReadOnly(CatalogError):
    """Nothing can be written: the write quorum is gone. Names the drives that are away.

    `code` and `message` are what a client gets to see: S3's words, and no drive's name.
    """

    code = "ServiceUnavailable"
    message: str | None = "The store is read-only: too few of its drives can be written. Please try again later."

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        self.reason = reason
        self.missing = tuple(missing)
        super().__init__(f"the store is read-only: {reason}" + (f"; away: {', '.join(missing)}" if missing else ""))

    def again(self) -> ReadOnly:
        """A fresh error that says the same: one for each caller, so that tracebacks do not pile up."""
        return type(self)(self.reason, self.missing)


class Undecided(ReadOnly):
    """The quorum broke in the middle of a commit: the transaction may yet become visible, whole. Undo nothing of it."""


class Contradiction(ReadOnly):
    """Mirrors hold something else, and as many say the one as the other: what stands on it waits until they have been
    compared, which begins at once."""

    message = "Two copies of the catalog contradict each other and are being compared. Please try again later."


class CatalogFull(ReadOnly):
    """The drives that hold the catalog have no space left, and no other drive has room for it. Names the full ones."""

    code = "StorageFull"

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        super().__init__(reason, missing)
        self.message = f"There is not enough free space on the drives to store this. Full: {', '.join(missing)}."


class StartRefused(CatalogError):
    """The store must not start: too few drives to tell which catalog is the latest. Names those missing."""

    def __init__(self, reason: str, missing: Sequence[str] = ()) -> None:
        self.reason = reason
        self.missing = tuple(missing)
        super().__init__(f"refused to start: {reason}" + (f"; missing: {', '.join(missing)}" if missing else ""))


class CorruptRecord(CatalogError):
    """The checksum of a record does not match, or its bytes are not of the type asked for."""


class SchemaTooNew(CatalogError):
    """A newer release wrote this catalog: it is left alone."""

    def __init__(self, found: int, known: int) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"the catalog has schema version {found}, this release knows up to {known}: run a newer release"
        )


class MirrorFailed(CatalogError):
    """One mirror cannot be used: its file is gone or replaced, its drive is away, or SQLite reports an error.

    `full`: for want of space alone. `intact`: what the file holds is not in doubt, so it may be caught up later."""

    def __init__(self, drive: str, reason: str, *, full: bool = False, intact: bool = False) -> None:
        self.drive = drive
        self.reason = reason
        self.full = full
        self.intact = intact or full
        super().__init__(f"catalog mirror on drive {drive}: {reason}")


class NoAnswer(MirrorFailed):
    """It did not answer in time. What was begun may yet be done."""

    def __init__(self, drive: str, reason: str) -> None:
        super().__init__(drive, reason, intact=True)


class Claimed(MirrorFailed):
    """Somebody is at work on it, who may hang: nobody else may be."""


class Differs(MirrorFailed):
    """What worked on another mirror does something else on this one: one of the two holds what it should not."""


class NoMirror(MirrorFailed):
    """No mirror answers: nothing can be read now."""

    code = "ServiceUnavailable"
    message = "No copy of the catalog can be read. Please try again later."

    def __init__(self, reason: str) -> None:
        super().__init__("", reason)

    def __str__(self) -> str:
        return f"no mirror of the catalog can be read: {self.reason}. If all are lost: `objstore admin catalog restore`"


class OutOfStep(MirrorFailed):
    """A mirror does not stand where the leader stands: it lacks a transaction, or has one that was never finished."""
