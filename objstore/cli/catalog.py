"""`objstore admin catalog`: snapshots of the catalog, and a catalog made again of one when all its mirrors are lost."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from objstore.cli.asking import ask
from objstore.cli.errors import AdminError
from objstore.cli.units import size
from objstore.counting import number_of
from objstore.server.settings import load

if TYPE_CHECKING:
    from objstore.jobs.restore.report import Item, Report

PATH = "/-/admin/v1/catalog/snapshots"
_SHOWN = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("snapshots", help="which snapshots of the catalog there are")
    listing.set_defaults(run=_list)
    taking = commands.add_parser("snapshot", help="take one now")
    taking.set_defaults(run=_take)
    restoring = commands.add_parser(
        "restore",
        help="make the catalog again on drives that no server uses",
        description="Make the catalog again when all its mirrors are lost: from the newest whole snapshot, and from "
        "what the drives tell of later writes. The server must be stopped. The exit status is 0 when all that was "
        "found is an object again, 1 when something was not, which is told.",
    )
    restoring.add_argument("drives", nargs="*", metavar="DRIVE", help="all drives, as for `objstore server`")
    restoring.add_argument("--config", type=Path, metavar="FILE", help="the server's settings, for the drives")
    restoring.add_argument("--parity", type=int, metavar="N", help="when no drive remembers it")
    restoring.add_argument("--dry-run", action="store_true", help="tell what would come of it, and change nothing")
    restoring.add_argument(
        "--accept-loss", action="store_true", help="without the drives that are away, and without a snapshot if need be"
    )
    restoring.add_argument("--replace", action="store_true", help="even though there is a catalog")
    restoring.add_argument(
        "--assemble-uploads",
        action="store_true",
        help="make objects of uploads whose parts were written after the snapshot; a last part of up to 8 KiB is not "
        "among them",
    )
    restoring.set_defaults(run=_restore)
    for command in (listing, taking, restoring):
        command.add_argument("--json", action="store_true", help="for machines")


def _list(options: argparse.Namespace) -> int:
    return _show(options, ask(options, PATH)["snapshots"])


def _take(options: argparse.Namespace) -> int:
    asked = ask(options, PATH, "POST")["asked_us"]
    deadline = time.monotonic() + 600
    while not (found := [one for one in ask(options, PATH)["snapshots"] if one["taken_us"] >= asked]):
        if time.monotonic() > deadline:
            raise AdminError("no snapshot was taken within ten minutes: the server's log says why")
        time.sleep(0.2)
    return _show(options, found)


def _show(options: argparse.Namespace, snapshots: Sequence[dict[str, Any]]) -> int:
    if options.json:
        print(json.dumps(snapshots, indent=2))
        return 0
    table = Table("taken", "transaction", "size")
    for one in snapshots:
        table.add_row(_when(one["taken_us"]), f"{one['seq']:,}" if one["seq"] else "-", size(one["size"]))
    Console().print(table)
    return 0


def _restore(options: argparse.Namespace) -> int:
    from objstore.catalog.errors import CatalogError  # what a server imports would slow the other commands
    from objstore.drives.errors import DriveError
    from objstore.jobs.restore.restore import RestoreRefused, Wishes, restore

    settings = load({}, options.drives, options.config)
    wishes = Wishes(options.accept_loss, options.replace, options.assemble_uploads, options.dry_run)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def step(what: str, count: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=None)
            progress.advance(tasks[what], count)

        try:
            report = restore(
                [Path(path) for path in settings.drives],
                wishes,
                parity=options.parity if options.parity is not None else settings.parity,
                deadline=settings.drive_deadline,
                step=step,
            )
        except (RestoreRefused, CatalogError, DriveError) as error:
            raise AdminError(str(error)) from None
    if options.json:
        print(json.dumps(msgspec.to_builtins(report) | {"complete": report.complete}, indent=2))
    else:
        _tell(report, options.dry_run, Console(highlight=False, soft_wrap=True))
    return 0 if report.complete else 1


def _tell(report: Report, dry_run: bool, console: Console) -> None:
    taken = report.snapshot
    for reason in taken.passed_over:
        console.print(f"[yellow]a snapshot could not be used[/]: {escape(reason)}")
    if taken.taken_us:
        console.print(
            f"snapshot of {_when(taken.taken_us)}, transaction {taken.seq:,}: {number_of(report.objects, 'object')}"
        )
    else:
        console.print("no snapshot: users, policies, keys and settings are lost")
    recovered = number_of(len(report.recovered), "object")
    console.print(f"{recovered} recovered, written after it; {report.moved:,} moved")
    for name in report.buckets:
        console.print(f"[yellow]bucket {name} was not in it[/]: made again, owned by root, without its settings")
    for name in report.versioned:
        console.print(f"[yellow]bucket {name} has versioning enabled[/]: later writes found it so")
    for one in report.uploads:
        what = "made an object" if one.completed else "an upload in progress: complete or abort it"
        console.print(
            escape(f"upload {one.upload} of {one.bucket}/{one.key}, {number_of(len(one.parts), 'part')}: {what}")
        )
    _items(console, "older than what their keys have, given up", report.superseded)
    _items(console, "deleted or replaced after the snapshot", report.gone)
    _items(console, "[red]kept, and cannot be read now[/]", report.unreadable)
    _items(console, "[red]could not be recovered[/]", report.lost)
    if report.lost:
        console.print(
            "[red]what the drives hold of these alone is deleted by the next start[/]: if other drives may come back,"
            " bring them back first and restore once more, or put copies of these drives aside"
        )
    console.print(
        "not on the drives, and lost if changed after the snapshot: objects up to 8 KiB, copies and renames, deletes"
        " (what was deleted may be back), tags and ACLs, users, policies and settings"
    )
    if report.shards_to_heal:
        console.print(f"{number_of(report.shards_to_heal, 'shard')} to heal, which the server does")
    console.print(
        "[yellow]nothing was changed[/]" if dry_run else "[green]the catalog is in place[/]: start the server"
    )


def _items(console: Console, what: str, items: Sequence[Item]) -> None:
    if not items:
        return
    console.print(f"{len(items):,} {what}:")
    for item in items[:_SHOWN]:
        why = f" ({item.why})" if item.why else ""
        console.print(f"  {item.bucket}/{item.key} {item.version} {size(item.size)}{why}", markup=False)
    if len(items) > _SHOWN:
        console.print(f"  and {len(items) - _SHOWN:,} more: --json tells all")


def _when(us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(us / 1_000_000))
