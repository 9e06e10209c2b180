"""`objstore admin kms`: keys of the built-in keyring, and objects brought under their newest versions."""

from __future__ import annotations

import argparse
import json
import time
import urllib.parse
from typing import Any

from rich.console import Console
from rich.table import Table

from objstore.cli.asking import ask
from objstore.counting import number_of

KEYS = "/-/admin/v1/kms/keys"
REWRAP = "/-/admin/v1/kms/rewrap"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    key = parser.add_subparsers(required=True, metavar="COMMAND").add_parser("key", help="keys of SSE-KMS and SSE-S3")
    commands = key.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="all keys of the built-in keyring").set_defaults(run=_list)
    for name, what in (
        ("create", "a new key"),
        ("rotate", "a new version of a key: new objects get it, what older ones sealed stays readable"),
        ("enable", "let a key be used again"),
        ("disable", "let a key neither seal nor open; bucket keys that are in use end within five minutes"),
        ("rewrap", "seal the keys of all objects under a key's newest version; their bytes stay"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("name", help="the key; SSE-S3 is that of SSE-S3")
        command.set_defaults(run=_rewrap if name == "rewrap" else _act, action=name)
        if name == "rewrap":
            command.add_argument("--engine", help="keyring, file or vault; by default the one for new objects")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="for machines")


def _list(options: argparse.Namespace) -> int:
    answer = ask(options, KEYS)
    return _print(options, answer, answer["keys"])


def _act(options: argparse.Namespace) -> int:
    if options.action == "create":
        key = ask(options, _path(KEYS, name=options.name), "PUT")
    else:
        key = ask(options, _path(KEYS, name=options.name, action=options.action), "POST")
    return _print(options, key, [key])


def _rewrap(options: argparse.Namespace) -> int:
    looked = rewrapped = 0
    more = {"engine": options.engine} if options.engine else {}
    page = ask(options, _path(REWRAP, name=options.name, **more), "POST")
    while True:
        looked, rewrapped = looked + page["looked"], rewrapped + page["rewrapped"]
        if not page["next"]:
            break
        page = ask(options, _path(REWRAP, name=options.name, after=page["next"], **more), "POST")
    if options.json:
        print(json.dumps({"looked": looked, "rewrapped": rewrapped}))
    else:
        of = number_of(looked, "version or upload", "versions and uploads")
        print(f"{rewrapped:,} of {of} sealed anew under {options.name}")
    return 0


def _path(path: str, **parameters: str) -> str:
    return f"{path}?{urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)}"


def _print(options: argparse.Namespace, answer: Any, keys: list[dict[str, Any]]) -> int:
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    table = Table("key", "state", "versions", "created", "rotated")
    for key in keys:
        state = "[green]enabled[/]" if key["enabled"] else "[red]disabled[/]"
        table.add_row(key["name"], state, str(key["versions"]), _day(key["created_us"]), _day(key["rotated_us"]))
    Console().print(table)
    return 0


def _day(us: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(us // 1_000_000))
