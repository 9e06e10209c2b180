"""The states a drive can be in."""

from __future__ import annotations

import enum


class DriveState(enum.StrEnum):
    """Only an online drive is used; the others say why this one is not."""

    ONLINE = "online"
    NEW = "new"  # the folder is there and empty: it can be formatted
    MISSING = "missing"  # the folder is gone, or not mounted any more
    FOREIGN = "foreign"  # another deployment's, or files that are not ours
    REMOVED = "removed"  # was of this deployment and was taken out of it
    NEWER = "newer"  # a newer release wrote it, in a format that this one does not know
    DUPLICATE = "duplicate"  # another folder has the same identity
    FAULTY = "faulty"  # I/O errors, a missed deadline, or a damaged format.json
