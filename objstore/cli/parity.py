"""`objstore admin parity`: how many drives may fail without loss of what is written from now on."""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse

from objstore.cli.asking import ask
from objstore.cli.errors import AdminError

PATH = "/-/admin/v1/parity"
_POLL, _SECONDS = 0.2, 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.add_argument("parity", nargs="?", type=int, metavar="N", help="for new objects from now on; none: show it")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """Show the parity, or set it and wait until it is in force. Raises AdminError."""
    if options.parity is not None:
        question = urllib.parse.urlencode({"parity": options.parity})
        ask(options, f"{PATH}?{question}", "PUT")
    now, end = ask(options, PATH), time.monotonic() + _SECONDS
    while options.parity is not None and (now["parity"] != options.parity or now["wanted"] is not None):
        if time.monotonic() > end:
            raise AdminError(
                f"parity {options.parity} is not in force yet: it is as soon as enough drives take the vote"
                " (`objstore admin info`)"
            )
        time.sleep(_POLL)
        now = ask(options, PATH)
    if options.json:
        print(json.dumps(now))
        return 0
    print(f"parity {now['parity']}: of what is written from now on, so many drives may fail")
    if options.parity is not None:
        print("every process follows within a second; older objects keep theirs until `objstore admin restripe`")
    return 0
