"""What can go wrong with one drive, as one tree: catch `DriveError` for all of it.

Errors of the drive (`DriveOffline`, `DriveFaulty`, `DriveFull`, `DriveReadOnly`) say that another drive must serve;
errors of one shard (`ShardError`) say that this file must be healed while the drive goes on.
"""

from __future__ import annotations


class DriveError(Exception):
    """Base of every error of a drive. `drive` is its path, `reason` a sentence for people."""

    def __init__(self, drive: str, reason: str) -> None:
        self.drive = drive
        self.reason = reason
        super().__init__(f"drive {drive}: {reason}")

    def again(self) -> DriveError:
        """A fresh error that says the same: one for each caller, so that tracebacks do not pile up."""
        return type(self)(self.drive, self.reason)


class DriveOffline(DriveError):
    """The drive is not there: its folder is gone, empty, replaced, not mounted, or was never usable."""


class DriveFaulty(DriveError):
    """The drive answered with an I/O error, or not within the deadline."""


class DriveFull(DriveError):
    """No space, or over quota (ENOSPC, EDQUOT). Reads go on."""


class DriveReadOnly(DriveError):
    """Nothing can be written (EROFS, EACCES, EPERM). Reads go on."""


class DriveForeign(DriveError):
    """The folder belongs to another deployment, or holds files that are not ours: it is never written."""


class DriveLocked(DriveError):
    """Another server has this drive open. `holder` is the process id of its supervisor, where that is known."""

    def __init__(self, drive: str, reason: str, holder: int | None = None) -> None:
        super().__init__(drive, reason)
        self.holder = holder


class FormatCorrupt(DriveError):
    """`format.json` or `ballot` cannot be read: damaged, or written by a newer release."""


class FormatTooNew(FormatCorrupt):
    """A newer release wrote it, in a format that this one does not know: nothing of the drive is touched."""


class BallotSuperseded(DriveError):
    """The drive already took a later ballot, or another one of the same epoch: the older is not written."""


class ShardError(DriveError):
    """One shard file is at fault, the drive is not."""


class ShardNotFound(ShardError):
    """The drive is there, the shard file is not."""


class ShardExists(ShardError):
    """A shard file of this name is there already."""


class ShardShort(ShardError):
    """The shard file ends before the range asked for."""


class ShardUnreadable(ShardError):
    """The medium does not give back this place of the file (EIO while reading)."""
