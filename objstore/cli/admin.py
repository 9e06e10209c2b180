"""`objstore admin`: questions to a running server, signed like any S3 request.

Credentials come from the variables that the server reads, `OBJSTORE_ROOT_USER` and `OBJSTORE_ROOT_PASSWORD` (or `_FILE`
of both), so on the server's own host nothing else is needed.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from objstore.cli import (
    accounts,
    catalog,
    drives,
    groups,
    inventories,
    keys,
    kms,
    parity,
    policies,
    quotas,
    restripe,
    roles,
    scrub,
    service_accounts,
    snapshots,
    users,
    verify,
)
from objstore.cli.asking import DEFAULT_ENDPOINT, ask
from objstore.cli.units import size
from objstore.counting import number_of

_FAMILIES: Final[tuple[tuple[str, Callable[[argparse.ArgumentParser], None], str], ...]] = (
    ("account", accounts.arguments, "accounts, each with users and buckets of its own"),
    ("user", users.arguments, "users of an account"),
    ("group", groups.arguments, "groups of users"),
    ("role", roles.arguments, "roles, and whom they trust"),
    ("policy", policies.arguments, "managed policies, whose they are, and what they decide"),
    ("key", keys.arguments, "access keys"),
    ("service-account", service_accounts.arguments, "keys that may do less than their owner"),
)


class _Command(argparse.ArgumentParser):
    """A sub-command, behind which it may be said as well whom to ask: `objstore admin info --endpoint URL`.

    argparse makes the parsers below one of its own class.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        _whom_to_ask(self, argparse.SUPPRESS, argparse.SUPPRESS)


def _whom_to_ask(parser: argparse.ArgumentParser, endpoint: str, ca_file: str | None) -> None:
    """Add where the server is, and how it proves that; with the defaults."""
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=endpoint,
        help=f"where the server is (default OBJSTORE_ENDPOINT or {DEFAULT_ENDPOINT})",
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", default=ca_file, help="certificate authority of the server, in PEM"
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    _whom_to_ask(parser, os.environ.get("OBJSTORE_ENDPOINT", DEFAULT_ENDPOINT), None)
    parser.add_argument("--region", default=os.environ.get("OBJSTORE_REGION", "us-east-1"), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)
    info = commands.add_parser("info", help="drives, quorum, objects, healing")
    info.add_argument("--json", action="store_true", help="for machines")
    info.set_defaults(run=_info)
    drives.arguments(commands.add_parser("drive", help="adding, draining, replacing and removing drives"))
    parity.arguments(commands.add_parser("parity", help="how many drives may fail without loss of new objects"))
    restripe.arguments(commands.add_parser("restripe", help="write old objects with the parity and drives of today"))
    for name, family, help_text in _FAMILIES:
        family(commands.add_parser(name, help=help_text))
    catalog.arguments(commands.add_parser("catalog", help="snapshots of the catalog, and its restore"))
    inventories.arguments(commands.add_parser("inventory", help="lists of what is in a bucket"))
    kms.arguments(commands.add_parser("kms", help="keys of server-side encryption"))
    snapshots.arguments(commands.add_parser("snapshot", help="named, immutable views of buckets"))
    verify.arguments(commands.add_parser("verify", help="look whether everything is there and whole"))
    scrub.arguments(commands.add_parser("scrub", help="read and verify everything that is stored"))
    quotas.arguments(commands.add_parser("quota", help="how much accounts, users, buckets and prefixes may hold"))


def _info(options: argparse.Namespace) -> int:
    info = ask(options, "/-/admin/v1/info")
    if options.json:
        print(json.dumps(info, indent=2))
    else:
        _show(info, Console())
    return 0


def _show(info: dict[str, Any], console: Console) -> None:
    console.print(
        f"[bold]objstore {info['version']}[/]  deployment {info['deployment']}  durability {info['durability']}"
    )
    if info["writable"]:
        console.print("[green]reads and writes[/]", end="  ")
    else:
        console.print(f"[red]read-only[/]: {escape(info['read_only_reason'])}", end="  ")
    away = [drive for drive in info["drives"] if drive["state"] != "online"]
    console.print(f"parity {info['parity']}: {_may_fail(info, len(away))}")
    _show_lower(info, console)
    console.print(drives.table(info["drives"]))
    drives.problems(info["drives"], console)
    if info["rebalancing"] is not None:
        console.print(f"[yellow]rebalancing[/]: about {size(info['rebalancing'])} to move")
    console.print(
        f"{number_of(info['buckets'], 'bucket')}, {number_of(info['objects'], 'object')},"
        f" {number_of(info['versions'], 'older version')}, {size(info['bytes'])}"
    )
    if (walk := info["restriping"]) is not None:
        waits = f", {walk['problem']}" if walk["problem"] else ""
        console.print(
            f"[yellow]restriping[/]: {walk['seen']:,} of {number_of(walk['total'], 'version')} looked at{waits}"
        )
    _show_healing(info["healing"], len(away), console)
    problem = info["redundancy"]["problem"]
    console.print(
        f"[red]below what is promised[/]: {escape(problem)}" if problem else "[green]all is as safe as promised[/]"
    )
    scrub.show(info["scrub"], console)


def _may_fail(info: dict[str, Any], away: int) -> str:
    """How many drives may go now."""
    left: int = info["may_fail"]
    if not left:
        return "no drive may fail" if not info["parity"] else "[red]no other drive may fail now[/]"
    if left < info["parity"] or away:
        return f"[yellow]any {left} more of {number_of(len(info['drives']), 'drive')} may fail now[/]"
    return f"any {left} of {number_of(len(info['drives']), 'drive')} may fail"


def _show_lower(info: dict[str, Any], console: Console) -> None:
    """What is promised less than new objects of the default class are."""
    for one in info["blobs"]:
        if one["parity"] < info["parity"]:
            console.print(
                f"[yellow]{number_of(one['count'], 'blob')} of parity {one['parity']}[/]: less than new ones, by their"
                " storage class or until `objstore admin restripe`",
                soft_wrap=True,
            )


def _show_healing(healing: dict[str, Any], away: int, console: Console) -> None:
    if healing["shards"]:
        console.print(
            f"[yellow]healing[/]: {number_of(healing['shards'], 'shard')} ({size(healing['bytes'])}) to rebuild"
        )
    if healing["mirrors"]:
        console.print(f"[yellow]healing[/]: {number_of(healing['mirrors'], 'mirror')} of the catalog to make")
    if away:
        them, their = ("it", "its") if away == 1 else ("them", "their")
        waits = f"[yellow]healing waits[/] for {number_of(away, 'drive')}"
        console.print(f"{waits}: put {them} back, or an empty folder in {their} place")
    elif not healing["shards"] and not healing["mirrors"]:
        console.print("[green]nothing to heal[/]")
