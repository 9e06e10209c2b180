"""`objstore admin inventory`: lists of what is in a bucket."""

from __future__ import annotations

import argparse
import time
import urllib.parse

from objstore.cli.asking import ask
from objstore.cli.errors import AdminError
from objstore.counting import number_of

PATH = "/-/admin/v1/inventory"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="make the list of an inventory configuration at once, and wait for it")
    run.add_argument("bucket", metavar="BUCKET")
    run.add_argument("id", metavar="ID", help="of the inventory configuration")
    run.add_argument("--timeout", type=float, default=3600.0, metavar="SECONDS", help="how long to wait (default 3600)")
    run.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    """Ask for a list, and wait until it is there. Raises AdminError, also when it could not be made."""
    path = f"{PATH}?{urllib.parse.urlencode({'bucket': options.bucket, 'id': options.id})}"
    asked_us = ask(options, path, "POST")["asked_us"]
    deadline = time.monotonic() + options.timeout
    while (last := ask(options, path)["last"]) is None or last["began_us"] < asked_us:
        if time.monotonic() > deadline:
            raise AdminError(f"no list after {options.timeout:g} s; it is still being made")
        time.sleep(0.2)
    if "problem" in last:
        raise AdminError(last["problem"])
    print(f"{number_of(last.get('rows', 0), 'row')}: {last['manifest']}")
    return 0
