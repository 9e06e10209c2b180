"""`objstore admin scrub`: how far everything was read and verified; with `--now` all of it at once.

Exit status 1 where something could not be mended, or not be looked at.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from objstore.cli import showing
from objstore.cli.asking import ask, follow
from objstore.cli.units import size
from objstore.cli.verify import Bar, last
from objstore.counting import number_of

_STEPS: Mapping[str, str] = {"mirrors": "mirrors of the catalog", "shards": "shards", "mending": "mending"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-command's arguments."""
    parser.description = (
        "Everything that is stored is read and verified in the background, once in `scrub_period`; this tells how far"
        " that has come. Exit status: 0 what was found is mended, 1 something is not."
    )
    parser.add_argument("--now", action="store_true", help="do it at once, and wait until what is found is mended")
    showing.option(parser)
    parser.set_defaults(run=_scrub)


def _scrub(options: argparse.Namespace) -> int:
    if not options.now:
        return _tell(options)
    with Bar(Console(stderr=True), _STEPS, in_bytes=("shards",)) as bar:
        report = last(follow(options, "/-/admin/v1/scrub"), bar)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        console = Console(soft_wrap=True)
        console.print(
            f"{size(report['bytes'])} of blobs looked through: {number_of(report['damaged_shards'], 'damaged shard')},"
            f" {number_of(report['damaged_mirrors'], 'damaged mirror')} of the catalog"
        )
        for left in report["left"]:
            console.print(f"[red]not mended[/]: {escape(left)}", highlight=False)
        if report["ok"]:
            console.print(
                "[green]all is mended[/]"
                if report["damaged_shards"] or report["damaged_mirrors"]
                else "[green]all is well[/]"
            )
    return 0 if report["ok"] else 1


def _tell(options: argparse.Namespace) -> int:
    told = ask(options, "/-/admin/v1/info")["scrub"]
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        show(told, Console())
    return 1 if told is not None and told["left"] else 0


def show(told: Mapping[str, Any] | None, console: Console) -> None:
    """How far the latest round is."""
    if told is None:
        console.print("nothing was scrubbed yet")
        return
    began = datetime.fromtimestamp(told["began"], UTC).strftime("%Y-%m-%d %H:%M")
    how_far = "ended" if told["ended"] else f"has read {size(told['done'])} of {size(told['total'])} of blobs"
    count = told["damaged_shards"] + told["damaged_mirrors"]
    damaged = number_of(count, "damaged shard or mirror", "damaged shards and mirrors")
    console.print(f"scrub of {began} {how_far}; {damaged} found", highlight=False)
    for left in told["left"]:
        console.print(f"[red]not mended[/]: {escape(left)}", highlight=False)
