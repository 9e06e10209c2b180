"""`objstore admin quota`: how much accounts, users, buckets and prefixes may hold."""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse
from typing import Any

from rich.console import Console
from rich.table import Table

from objstore.cli.asking import ask
from objstore.cli.units import parse, size

PATH = "/-/admin/v1/quota"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    setting = commands.add_parser("set", help="limit what may be held; a limit that is not named is none")
    _target(setting)
    setting.add_argument("--objects", type=int, metavar="N", help="the most objects, counting every version")
    setting.add_argument(
        "--bytes", type=_size, metavar="SIZE", help="the most bytes of all versions: 500, 10GB, 1.5GiB"
    )
    setting.add_argument("--wait", action="store_true", help="until what is there already has been counted")
    setting.set_defaults(run=_set)
    getting = commands.add_parser("get", help="one quota, and what is held of it")
    _target(getting)
    getting.set_defaults(run=_get)
    removing = commands.add_parser("remove", help="let anything be held")
    _target(removing)
    removing.set_defaults(run=_remove)
    listing = commands.add_parser("list", help="all quotas")
    listing.set_defaults(run=_list)
    for command in (setting, getting, removing, listing):
        command.add_argument("--json", action="store_true", help="for machines")


def _target(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--account", metavar="ID", help="all that is in the buckets of an account")
    whose.add_argument("--user", metavar="ARN", help="all that a user wrote, in whatever bucket; also its unique id")
    whose.add_argument("--bucket", metavar="NAME", help="all that is in a bucket")
    parser.add_argument("--prefix", help="with --bucket: only keys that begin with this")


def _size(text: str) -> int:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _set(options: argparse.Namespace) -> int:
    limits = {"objects": options.objects, "bytes": options.bytes}
    quota = _ask(options, "PUT", {name: str(limit) for name, limit in limits.items() if limit is not None})
    while options.wait and not quota["counted"]:
        time.sleep(0.2)
        quota = _ask(options, "GET")
    return _print(options, quota, [quota])


def _get(options: argparse.Namespace) -> int:
    quota = _ask(options, "GET")
    return _print(options, quota, [quota])


def _remove(options: argparse.Namespace) -> int:
    quota = _ask(options, "DELETE")
    return _print(options, quota, [])


def _list(options: argparse.Namespace) -> int:
    page = ask(options, PATH)
    quotas = page["quotas"]
    while page["next"]:
        page = ask(options, f"{PATH}?{urllib.parse.urlencode({'after': page['next']})}")
        quotas += page["quotas"]
    return _print(options, quotas, quotas)


def _ask(options: argparse.Namespace, method: str, more: dict[str, str] | None = None) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in ("account", "user", "bucket", "prefix")}
    parameters = {name: value for name, value in given.items() if value is not None} | (more or {})
    return ask(options, f"{PATH}?{urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)}", method)


def _print(options: argparse.Namespace, answer: Any, quotas: list[dict[str, Any]]) -> int:
    if options.json:
        print(json.dumps(answer, indent=2))
    elif quotas:
        Console().print(_table(quotas))
    return 0


def _table(quotas: list[dict[str, Any]]) -> Table:
    table = Table("of", "name", "bytes", "at most", "objects", "at most", "")
    for quota in quotas:
        name = f"{quota['name']}/{quota['prefix']}" if quota["prefix"] is not None else quota["name"]
        table.add_row(
            quota["scope"],
            name,
            size(quota["bytes"]),
            size(quota["max_bytes"]) if quota["max_bytes"] is not None else "-",
            f"{quota['objects']:,}",
            f"{quota['max_objects']:,}" if quota["max_objects"] is not None else "-",
            "" if quota["counted"] else "[yellow]being counted[/]",
        )
    return table
