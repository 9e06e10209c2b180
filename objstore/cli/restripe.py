"""`objstore admin restripe`: what was stored with another parity, or on fewer drives, is written as new objects are."""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from objstore.cli.asking import ask

PATH = "/-/admin/v1/restripe"
_POLL = 0.5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("--wait", action="store_true", help="until all is written")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """Begin, or begin again from the start; it goes on by itself."""
    now = ask(options, PATH, "POST")["restriping"]
    if not options.wait:
        print("restriping goes on in the background: `objstore admin info` shows how far it is")
        return 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("restripe", total=None)
        while now is not None:
            total = max(now["total"], now["seen"])
            what = f"restripe ({now['problem']})" if now["problem"] else "restripe"
            bar.update(task, description=what, total=total, completed=now["seen"])
            time.sleep(_POLL)
            now = ask(options, PATH)["restriping"]
    return 0
