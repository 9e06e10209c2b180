"""`objstore admin service-account`: keys of a user, or of root, that may do less than their owner, and may end."""

from __future__ import annotations

import argparse
import time
import urllib.parse
from typing import Any, Final

from objstore.cli import iam, showing
from objstore.cli.asking import ask
from objstore.cli.roles import read

PATH: Final = "/-/admin/v1/service-accounts"
_COLUMNS: Final = {
    "access_key": "access key",
    "name": "name",
    "active": "active",
    "ends": "ends",
    "narrowed": "own policy",
    "description": "description",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make one; its secret is shown this once")
    create.add_argument("name")
    create.add_argument("--policy", metavar="FILE", help="what it may do of what its owner may, in JSON")
    create.add_argument("--description", default="")
    create.add_argument("--days", type=float, help="how long it is good; without it until it is deleted")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="those of a user, or of root")
    listing.set_defaults(run=_list)
    made = [create, listing]
    for command in made:
        command.add_argument("--user", help="whose; without it the account's root user")
    for name, help_text in (
        ("activate", "let one in again"),
        ("deactivate", "let one in no more"),
        ("delete", "remove one"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("key")
        command.set_defaults(run=_change, verb=name)
        made.append(command)
    iam.option(*made)
    showing.option(*made)


def _create(options: argparse.Namespace) -> int:
    given = {"name": options.name, "description": options.description}
    if options.policy is not None:
        given["policy"] = read(options.policy)
    if options.days is not None:
        given["expires"] = str(int(time.time() + options.days * 86_400))
    answer = _ask(options, "POST", **given)
    return showing.secret(options, answer, answer["access_key"], answer["secret_key"])


def _list(options: argparse.Namespace) -> int:
    return _show(options, _ask(options, "GET")["service_accounts"])


def _change(options: argparse.Namespace) -> int:
    if options.verb == "delete":
        answer = _ask(options, "DELETE", key=options.key)
        return showing.done(options, answer, f"deleted service account {options.key}")
    answer = _ask(options, "PUT", key=options.key, active="true" if options.verb == "activate" else "false")
    return _show(options, [answer])


def _show(options: argparse.Namespace, found: list[dict[str, Any]]) -> int:
    if options.json:
        return showing.show(options, found)
    rows = [
        {
            **one,
            "ends": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one["expires"])) if one["expires"] else None,
            "narrowed": one["policy"] is not None,
        }
        for one in found
    ]
    return showing.show(options, rows, _COLUMNS)


def _ask(options: argparse.Namespace, method: str, **given: str) -> dict[str, Any]:
    for name in ("account", "user"):
        if getattr(options, name, None) is not None:
            given[name] = getattr(options, name)
    return ask(options, f"{PATH}?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", method)
