"""`objstore admin drive`: adding drives to a running server, emptying, replacing and removing them."""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from objstore.cli.asking import ask
from objstore.cli.errors import AdminError
from objstore.cli.units import size

PATH = "/-/admin/v1/drives"
_POLL = 0.5
_JOIN_SECONDS = 60.0
Answer = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="all drives, and what is under way")
    listing.set_defaults(run=_list)
    adding = commands.add_parser("add", help="let empty folders in as new drives; bytes are spread over them then")
    adding.add_argument("paths", nargs="+", type=_place, metavar="PATH", help="an empty folder, on a disk of its own")
    adding.set_defaults(run=_add)
    draining = commands.add_parser("drain", help="move all that a drive holds to the others")
    draining.set_defaults(run=_drain)
    keeping = commands.add_parser("keep", help="stop draining a drive, and fill it again")
    keeping.set_defaults(run=_keep)
    replacing = commands.add_parser("replace", help="let an empty folder take the place of a drive, which is removed")
    removing = commands.add_parser("remove", help="take a drive out that was drained")
    removing.add_argument(
        "--accept-loss",
        action="store_true",
        help="without draining it: what it held is made again from the others, which have to suffice for that",
    )
    removing.set_defaults(run=_remove)
    for command in (draining, keeping, replacing, removing):
        command.add_argument("drive", metavar="DRIVE", help="its path, or its id")
    replacing.add_argument("path", type=_place, metavar="PATH", help="the empty folder")
    replacing.set_defaults(run=_replace)
    for command in (adding, draining, replacing, removing):
        command.add_argument("--wait", action="store_true", help="until all bytes are where they should be")
    for command in (listing, adding, draining, keeping, replacing, removing):
        command.add_argument("--json", action="store_true", help="for machines")


def _place(text: str) -> str:
    return str(Path(text).absolute())


def _list(options: argparse.Namespace) -> int:
    return _print(options, ask(options, PATH))


def _add(options: argparse.Namespace) -> int:
    for path in options.paths:
        _ask(options, "POST", path=path)
        _wait_for(options, path)
    if options.wait:
        _until(options, "rebalance", lambda now: (now["rebalancing"] is None, now["rebalancing"] or 0))
    return _print(options, ask(options, PATH))


def _drain(options: argparse.Namespace) -> int:
    drive = _named(_ask(options, "PUT", drive=options.drive, action="drain"), options.drive)["id"]
    if options.wait:
        _until(options, f"drain {options.drive}", lambda now: _drained(now, drive))
    return _print(options, ask(options, PATH))


def _keep(options: argparse.Namespace) -> int:
    return _print(options, _ask(options, "PUT", drive=options.drive, action="keep"))


def _replace(options: argparse.Namespace) -> int:
    drive = _named(_ask(options, "POST", path=options.path, replaces=options.drive), options.drive)["id"]
    _wait_for(options, options.path)
    if options.wait:
        _until(options, f"replace {options.drive}", lambda now: _gone(now, drive))
    return _print(options, ask(options, PATH))


def _remove(options: argparse.Namespace) -> int:
    drive = _named(ask(options, PATH), options.drive)["id"]
    loss = str(options.accept_loss).lower()
    _ask(options, "DELETE", drive=options.drive, accept_loss=loss)
    _until(options, f"remove {options.drive}", lambda now: _gone(now, drive), _JOIN_SECONDS)
    if options.wait:
        _until(options, "heal", lambda now: (not now["healing"]["shards"], now["healing"]["bytes"]), path="info")
    return _print(options, ask(options, PATH))


def _wait_for(options: argparse.Namespace, path: str) -> None:
    """Wait until a drive that was added has its vote: some seconds."""
    _until(options, f"add {path}", lambda now: _joined(now, path), _JOIN_SECONDS)


def _named(now: Answer, drive: str) -> Answer:
    """The drive with this id or path. Raises AdminError."""
    for one in now["drives"]:
        if drive in (one["id"], one["path"]) or _place(drive) == one["path"]:
            found: Answer = one
            return found
    raise AdminError(f"{drive} is no drive of this deployment")


def _joined(now: Answer, path: str) -> tuple[bool, int]:
    one = _named(now, path)
    if one["stage"] == "joining" and one["problem"]:
        raise AdminError(f"{path} cannot be added now: {one['problem']}; it is tried again until you remove it")
    return one["stage"] is None, 0


def _drained(now: Answer, drive: str) -> tuple[bool, int]:
    one = _named(now, drive)
    _require_leaving(one)
    return not one["left"] and not one["mirror"], one["left"]


def _require_leaving(one: Answer) -> None:
    """Raise AdminError where what is waited for will never come."""
    if one["stage"] is None:
        raise AdminError(f"{one['path']} stays: meanwhile somebody asked to keep it")


def _gone(now: Answer, drive: str) -> tuple[bool, int]:
    """Whether a drive is gone, and the bytes that it holds still."""
    found = [one for one in now["drives"] if one["id"] == drive]
    for one in found:
        _require_leaving(one)
    return not found, found[0]["left"] if found else 0


def _until(
    options: argparse.Namespace,
    what: str,
    look: Callable[[Answer], tuple[bool, int]],
    seconds: float | None = None,
    *,
    path: str = "drives",
) -> None:
    """Show a bar until `look` finds it done; it tells the bytes left. Raises AdminError after `seconds`."""
    deadline = None if seconds is None else time.monotonic() + seconds
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task, total = bar.add_task(what, total=None), 0
        while True:
            done, left = look(ask(options, f"/-/admin/v1/{path}"))
            if done:
                return
            if deadline is not None and time.monotonic() > deadline:
                raise AdminError(f"{what}: not done yet; it goes on, see `objstore admin drive list`")
            total = max(total, left)
            bar.update(task, total=total or None, completed=total - left)
            time.sleep(_POLL)


def _ask(options: argparse.Namespace, method: str, **given: str) -> Answer:
    if "drive" in given and "/" in given["drive"]:
        given["drive"] = _place(given["drive"])
    if "replaces" in given and "/" in given["replaces"]:
        given["replaces"] = _place(given["replaces"])
    return ask(options, f"{PATH}?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", method)


def _print(options: argparse.Namespace, now: Answer) -> int:
    if options.json:
        print(json.dumps(now, indent=2))
        return 0
    console = Console()
    console.print(table(now["drives"]))
    problems(now["drives"], console)
    if now["rebalancing"] is not None:
        console.print(f"[yellow]rebalancing[/]: about {size(now['rebalancing'])} to move")
    return 0


def problems(drives: list[Answer], console: Console) -> None:
    """What is wrong with drives, a line each."""
    for one in drives:
        if one["problem"]:
            console.print(f"[red]{escape(one['path'])}[/]: {escape(one['problem'])}", soft_wrap=True)


def table(drives: list[Answer]) -> Table:
    """Drives for people."""
    shown = Table("drive", "id", "state", "used", "free", "catalog")
    shown.columns[0].overflow = "fold"
    for one in drives:
        colour = "green" if one["state"] == "online" else "red"
        state = f"[{colour}]{one['state']}[/]"
        if one["stage"] == "draining":
            done = not one["left"] and not one["mirror"]
            state += ", drained" if done else f", [yellow]draining[/], {size(one['left'])} left"
        elif one["stage"]:
            state += f", [yellow]{one['stage']}[/]"
        mirror = "mirror" if one["mirror"] else ""
        usage = [size(one[name]) if one["state"] == "online" else "-" for name in ("used", "free")]
        shown.add_row(escape(one["path"]), (one["id"] or "")[:8], state, *usage, mirror)
    return shown
