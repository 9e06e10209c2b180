"""`objstore admin verify`: look whether everything is there and whole. Exit status 1 where something is wrong.

Without drives a running server looks through itself. With the folders of the drives of a server that is stopped, they
are looked through here, and locked meanwhile.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from objstore.cli import showing
from objstore.cli.asking import follow
from objstore.cli.errors import AdminError
from objstore.cli.units import size
from objstore.counting import number_of

_STEPS: Mapping[str, str] = {
    "mirrors": "mirrors of the catalog",
    "catalog": "rows of the catalog",
    "shards": "shards",
    "files": "files on the drives",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-command's arguments."""
    parser.description = (
        "Verify the catalog's mirrors and rows, every shard of every blob, and that no file is unknown."
        " Exit status: 0 all is well, 1 something is wrong."
    )
    parser.add_argument(
        "drives", nargs="*", metavar="DRIVE", help="folders of a server that is stopped; none: ask the running one"
    )
    showing.option(parser)
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    console = Console(stderr=True)
    with Bar(console, _STEPS, in_bytes=("shards",)) as bar:
        report = _offline(options, bar) if options.drives else _online(options, bar)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _show(report, Console(soft_wrap=True))
    return 0 if report["ok"] else 1


def _online(options: argparse.Namespace, bar: Bar) -> dict[str, Any]:
    return last(follow(options, "/-/admin/v1/verify"), bar)


def last(lines: Iterator[Mapping[str, Any]], bar: Bar) -> dict[str, Any]:
    """Show the progress that lines tell; the report that ends them."""
    for line in lines:
        if "report" in line:
            report: dict[str, Any] = line["report"]
            return report
        bar.show(line["progress"])
    raise AdminError("the server broke off before it had a report: ask again")


def _offline(options: argparse.Namespace, bar: Bar) -> dict[str, Any]:
    from pathlib import Path

    from objstore.drives.errors import DriveError
    from objstore.drives.expansion import expand_all
    from objstore.server import verifying  # a server's imports would slow every other command

    try:
        paths = [Path(path) for path in expand_all(options.drives)]
        return verifying.offline(
            paths, lambda now: bar.show({"step": now.step, "done": now.done, "total": now.total})
        ).told()
    except (DriveError, ValueError) as error:
        raise AdminError(str(error)) from None


class Bar:
    """A progress bar on a terminal, nothing elsewhere. Its steps follow one another; some are counted in bytes."""

    def __init__(self, console: Console, steps: Mapping[str, str], in_bytes: Collection[str] = ()) -> None:
        self._steps, self._in_bytes = steps, in_bytes
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, now: Mapping[str, Any]) -> None:
        """Show `step`, and how much is `done` of its `total`."""
        step = now["step"]
        for earlier, task in self._tasks.items():
            if earlier != step:
                total = self._bar.tasks[task].total or 0
                self._bar.update(task, completed=total, count=self._count(earlier, total, total))
        if step not in self._tasks:
            self._tasks[step] = self._bar.add_task(self._steps.get(step, step), count="")
        done, total = now["done"], max(now["total"], 1)
        self._bar.update(self._tasks[step], completed=done, total=total, count=self._count(step, done, total))

    def _count(self, step: str, done: float, total: float) -> str:
        in_bytes = step in self._in_bytes
        return f"{size(done)}/{size(total)}" if in_bytes else f"{done:,.0f}/{total:,.0f}"


def _show(report: Mapping[str, Any], console: Console) -> None:
    console.print(
        f"{number_of(report['mirrors'], 'mirror')} of the catalog, {number_of(report['objects'], 'object')},"
        f" {number_of(report['versions'], 'older version')}, {number_of(report['blobs'], 'blob')},"
        f" {number_of(report['shards'], 'shard')}, {size(report['bytes'])} read"
    )
    for colour, name in (("yellow", "notices"), ("red", "problems")):
        for found in report[name]:
            told = escape(f"{found['where']}: {found['reason']}")
            console.print(f"[{colour}]{found['kind']}[/] {told}", highlight=False)
    if report["unlisted"]:
        console.print(f"and {report['unlisted']:,} more")
    console.print("[green]all is well[/]" if report["ok"] else "[red]something is wrong[/]")
