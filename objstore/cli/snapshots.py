"""`objstore admin snapshot`: named, immutable views of buckets, and buckets made again of them."""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from objstore.cli.asking import ask
from objstore.cli.units import size
from objstore.counting import number_of

PATH = "/-/admin/v1/snapshots"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    creating = commands.add_parser("create", help="keep what is in a bucket now; takes no time and no room by itself")
    creating.set_defaults(run=_create)
    deleting = commands.add_parser("delete", help="let go of what a snapshot alone keeps")
    deleting.set_defaults(run=_delete)
    restoring = commands.add_parser("restore", help="give a bucket, or another one, what a snapshot shows")
    restoring.add_argument("--to", metavar="BUCKET", help="another bucket, made if need be, where nothing is deleted")
    restoring.set_defaults(run=_restore)
    listing = commands.add_parser("list", help="the snapshots of a bucket, and what they keep")
    listing.set_defaults(run=_list)
    for command in (creating, deleting, restoring, listing):
        command.add_argument("bucket", metavar="BUCKET")
        if command is not listing:
            command.add_argument("name", metavar="NAME")
        command.add_argument("--json", action="store_true", help="for machines")


def _asked(options: argparse.Namespace, method: str, **more: str) -> dict[str, Any]:
    given = {"bucket": options.bucket, **({"name": options.name} if "name" in options else {}), **more}
    return ask(options, f"{PATH}?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", method)


def _create(options: argparse.Namespace) -> int:
    made = _asked(options, "PUT")
    if options.json:
        print(json.dumps(made, indent=2))
    else:
        print(f"{number_of(made['objects'], 'object')}, read as bucket {made['read_as']}")
    return 0


def _delete(options: argparse.Namespace) -> int:
    _asked(options, "DELETE")
    print("{}" if options.json else f"snapshot {options.name} of {options.bucket} is deleted")
    return 0


def _list(options: argparse.Namespace) -> int:
    found = _asked(options, "GET")
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    table = Table("name", "taken", "objects", "read as")
    for one in found["snapshots"]:
        taken = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(one["created_us"] / 1_000_000))
        table.add_row(one["name"], taken, f"{one['objects']:,}", one["read_as"])
    console = Console()
    console.print(table)
    kept = found["kept"]
    console.print(
        f"{number_of(kept['objects'], 'object')} kept that the bucket has not any more, {size(kept['bytes'])}"
    )
    return 0


def _restore(options: argparse.Namespace) -> int:
    more = {"to": options.to} if options.to else {}
    done = {"restored": 0, "deleted": 0, "unchanged": 0}
    total = next((one["objects"] for one in _asked(options, "GET")["snapshots"] if one["name"] == options.name), None)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task, after = progress.add_task("restoring", total=total), ""
        while True:
            page = _asked(options, "POST", after=after, **more)
            for name in done:
                done[name] += page[name]
            progress.update(task, completed=done["restored"] + done["unchanged"])
            if page["next"] is None:
                break
            after = page["next"]
    if options.json:
        print(json.dumps(done))
    else:
        print(f"{done['restored']:,} restored, {done['deleted']:,} deleted, {done['unchanged']:,} were as they are")
    return 0
