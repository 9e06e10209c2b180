"""What is at a path: a drive of ours, an empty folder, somebody else's files, or nothing.

`inspect` looks at all paths at once, each on a thread of its own so that a hung disk delays nobody, and then judges
them in company: whose deployment is it, and does any drive appear twice. Every answer that is not "online" says in a
sentence what to do.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue

from objstore.drives.errors import FormatCorrupt, FormatTooNew
from objstore.drives.format import BALLOT_FILE, FORMAT_FILE, LOCK_FILE, SHARDS, Ballot, Format, read_ballot, read_format
from objstore.drives.state import DriveState
from objstore.drives.system import SYSTEM, System

# what a folder may hold and still count as empty: a file system's own, and what a start leaves before it formats
_NOTHING = frozenset({"lost+found", LOCK_FILE, f"{FORMAT_FILE}.tmp", f"{BALLOT_FILE}.tmp", SHARDS})


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found at `path`; `problem` is for people and None when all is well. `mounted`: it is a mount point."""

    path: Path
    state: DriveState
    format: Format | None = None
    ballot: Ballot | None = None
    problem: str | None = None
    mounted: bool = False


def inspect(
    paths: Sequence[Path],
    *,
    deployment: str | None = None,
    mounts: Collection[Path] = (),
    deadline: float = 10.0,
    system: System | None = None,
) -> list[Inspection]:
    """Look at every path and judge them together; blocks for at most `deadline` seconds. See `judge`."""
    answers: SimpleQueue[tuple[int, Inspection]] = SimpleQueue()
    for number, path in enumerate(paths):
        threading.Thread(
            target=lambda number=number, path=path: answers.put((number, look(path, system or SYSTEM))),
            name="inspect",
            daemon=True,
        ).start()
    hung = f"did not answer within {deadline:g} s: check the disk"
    found = [Inspection(path, DriveState.FAULTY, problem=hung) for path in paths]
    try:
        for _ in paths:
            number, answer = answers.get(timeout=deadline)
            found[number] = answer
    except Empty:
        pass
    return judge(found, deployment=deployment, mounts=mounts)


def look(path: Path, system: System = SYSTEM) -> Inspection:
    """What is at one path, on its own. Blocks; raises nothing."""
    try:
        return _look(path, system)
    except FileNotFoundError:
        return Inspection(path, DriveState.MISSING, problem="the folder does not exist: mount the disk or put it back")
    except NotADirectoryError:
        return Inspection(path, DriveState.FOREIGN, problem="is a file, not a folder")
    except FormatTooNew as error:
        return Inspection(path, DriveState.NEWER, problem=error.reason)
    except FormatCorrupt as error:
        return Inspection(path, DriveState.FAULTY, problem=error.reason)
    except OSError as error:
        return Inspection(path, DriveState.FAULTY, problem=f"cannot be read: {error.strerror or error}")


def taken_out(found: Format) -> str:
    """What is to be said of a drive that was removed."""
    return f"was removed from its deployment on {found.removed}: take it off the list, or empty it to add it anew"


def _look(path: Path, system: System) -> Inspection:
    mounted = os.path.ismount(path)
    try:
        found = read_format(path, system)
    except FileNotFoundError:
        names = set(os.listdir(path))  # noqa: PTH208
        if FORMAT_FILE not in names:
            return _unformatted(path, names, mounted)
        found = read_format(path, system)  # it is being made a drive at this moment
    if found.removed:
        return Inspection(path, DriveState.REMOVED, found, problem=taken_out(found), mounted=mounted)
    if found.mount and not mounted:
        problem = "was a mount point when it was formatted and is none any more: mount its disk"
        return Inspection(path, DriveState.MISSING, found, problem=problem)
    try:
        return Inspection(path, DriveState.ONLINE, found, read_ballot(path, system), mounted=mounted)
    except FormatTooNew:
        raise
    except FormatCorrupt as error:
        return Inspection(path, DriveState.ONLINE, found, problem=error.reason, mounted=mounted)


def _unformatted(path: Path, names: set[str], mounted: bool) -> Inspection:
    strange = sorted(names - _NOTHING)
    if not strange and SHARDS in names and _holds_files(path / SHARDS):
        strange = [SHARDS]
    if not strange:
        return Inspection(path, DriveState.NEW, mounted=mounted)
    problem = f"has no {FORMAT_FILE} and is not empty ({', '.join(strange[:3])}): name an empty folder"
    return Inspection(path, DriveState.FOREIGN, problem=problem, mounted=mounted)


def _holds_files(path: Path) -> bool:
    return any(files for _, _, files in os.walk(path))


def judge(
    found: Sequence[Inspection], *, deployment: str | None = None, mounts: Collection[Path] = ()
) -> list[Inspection]:
    """The same inspections, seen together.

    `deployment` is the one that counts; without it the one of most drives (of the first of them in a tie). `mounts`
    are paths known to be mount points: one that is not mounted is missing, however empty its folder looks. So is an
    empty folder that is no mount point where every formatted drive is one.
    """
    formatted = [one for one in found if one.state is DriveState.ONLINE and one.format]
    ours = deployment or _most_common([one.format.deployment for one in formatted if one.format])
    all_mounted = bool(formatted) and all(one.mounted for one in formatted)
    return [_in_company(one, ours, formatted, one.path in mounts or all_mounted) for one in found]


def _in_company(one: Inspection, ours: str | None, formatted: Sequence[Inspection], mount_expected: bool) -> Inspection:
    if one.state is DriveState.NEW and mount_expected and not one.mounted:
        problem = "is an empty folder where a mount point is expected: mount its disk"
        return replace(one, state=DriveState.MISSING, problem=problem)
    if one.state is not DriveState.ONLINE or one.format is None:
        return one
    if one.format.deployment != ours:
        of_ours = [other.path for other in formatted if other.format and other.format.deployment == ours]
        than = f"than {of_ours[0]} ({ours}): name the drives of one" if of_ours else f"than this ({ours})"
        problem = f"belongs to another deployment ({one.format.deployment}) {than}"
        return replace(one, state=DriveState.FOREIGN, problem=problem)
    twins = [
        str(other.path)
        for other in formatted
        if other is not one and other.format and other.format.drive == one.format.drive
    ]
    if twins:
        problem = f"is the same drive as {', '.join(twins)}: keep one of them and empty or remove the copy"
        return replace(one, state=DriveState.DUPLICATE, problem=problem)
    return one


def _most_common(deployments: Sequence[str]) -> str | None:
    return Counter(deployments).most_common(1)[0][0] if deployments else None
