"""`objstore admin account`: accounts, each with users, roles, policies and buckets of its own."""

from __future__ import annotations

import argparse
import urllib.parse
from typing import Any, Final

from objstore.cli import showing
from objstore.cli.asking import ask

PATH: Final = "/-/admin/v1/accounts"
_COLUMNS: Final = {
    "id": "account",
    "name": "name",
    "email": "email",
    "max_buckets": "most buckets",
    "suspended": "suspended",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make an account; `key create --account ID` gives it a root key")
    create.add_argument("name")
    create.add_argument("--email", default="", help="by which ACLs may name it")
    create.add_argument("--max-buckets", type=int, metavar="N", help="how many it may own (default: no limit)")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="all accounts")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="one account")
    which = info.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?")
    which.add_argument("--name", help="its name, instead of its id")
    info.set_defaults(run=_info)
    limit = commands.add_parser("limit", help="how many buckets an account may own")
    limit.add_argument("id")
    limit.add_argument("max_buckets", metavar="N", type=_most, help="a number, or `none` for no limit")
    limit.set_defaults(run=_limit)
    made = [create, listing, info, limit]
    for name, method, help_text in (
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
    limit = {} if options.max_buckets is None else {"max_buckets": str(options.max_buckets)}
    answer = _ask(options, "POST", name=options.name, email=options.email, **limit)
    return showing.show(options, answer, _COLUMNS)


def _list(options: argparse.Namespace) -> int:
    page = _ask(options, "GET")
    found = page["accounts"]
    while page["next"]:
        page = _ask(options, "GET", after=page["next"])
        found += page["accounts"]
    return showing.show(options, found, _COLUMNS)


def _info(options: argparse.Namespace) -> int:
    which = {"name": options.name} if options.id is None else {"id": options.id}
    return showing.show(options, _ask(options, "GET", **which), _COLUMNS)


def _limit(options: argparse.Namespace) -> int:
    return showing.show(options, _ask(options, "PUT", id=options.id, max_buckets=options.max_buckets), _COLUMNS)


def _most(text: str) -> str:
    """A number of buckets as the admin API reads it: empty for no limit."""
    return "" if text == "none" else str(int(text))


def _one(options: argparse.Namespace) -> int:
    more = {"suspended": "true" if options.verb == "suspend" else "false"} if options.method == "PUT" else {}
    answer = _ask(options, options.method, id=options.id, **more)
    if options.method == "DELETE":
        return showing.done(options, answer, f"deleted account {options.id}")
    return showing.show(options, answer, _COLUMNS)


def _ask(options: argparse.Namespace, method: str, **given: str) -> dict[str, Any]:
    return ask(options, f"{PATH}?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", method)
