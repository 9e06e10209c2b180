"""`objstore admin account`: accounts, each with users, roles, policies and buckets of its own."""

from __future__ import annotations

import argparse
import urllib.parse
from typing import Any, Final

from objstore.cli import showing
from objstore.cli.asking import ask

PATH: Final = "/-/admin/v1/accounts"
_COLUMNS: Final = {"id": "account", "name": "name", "email": "email", "suspended": "suspended"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make an account; `key create --account ID` gives it a root key")
    create.add_argument("name")
    create.add_argument("--email", default="", help="by which ACLs may name it")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="all accounts")
    listing.set_defaults(run=_list)
    made = [create, listing]
    for name, method, help_text in (
        ("info", "GET", "one account"),
        ("suspend", "PUT", "let nobody of an account in"),
        ("resume", "PUT", "let an account in again"),
        ("delete", "DELETE", "remove an account that has nothing left"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("id")
        command.set_defaults(run=_one, method=method, verb=name)
        made.append(command)
    showing.option(*made)


def _create(options: argparse.Namespace) -> int:
    answer = _ask(options, "POST", name=options.name, email=options.email)
    return showing.show(options, answer, _COLUMNS)


def _list(options: argparse.Namespace) -> int:
    page = _ask(options, "GET")
    found = page["accounts"]
    while page["next"]:
        page = _ask(options, "GET", after=page["next"])
        found += page["accounts"]
    return showing.show(options, found, _COLUMNS)


def _one(options: argparse.Namespace) -> int:
    more = {"suspended": "true" if options.verb == "suspend" else "false"} if options.method == "PUT" else {}
    answer = _ask(options, options.method, id=options.id, **more)
    if options.method == "DELETE":
        return showing.done(options, answer, f"deleted account {options.id}")
    return showing.show(options, answer, _COLUMNS)


def _ask(options: argparse.Namespace, method: str, **given: str) -> dict[str, Any]:
    return ask(options, f"{PATH}?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", method)
