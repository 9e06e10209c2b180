"""`objstore admin key`: access keys of users, and of the root user of an account where no user is named."""

from __future__ import annotations

import argparse
from typing import Any, Final

from objstore.cli import iam, showing
from objstore.cli.iam import every, told

_COLUMNS: Final = {"AccessKeyId": "access key", "UserName": "user", "Status": "status", "CreateDate": "created"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a key; its secret is shown this once")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="the keys of a user")
    listing.set_defaults(run=_list)
    made = [create, listing]
    for command in made:
        command.add_argument("user", nargs="?", help="whose; without it the account's root user")
    for name, help_text in (
        ("activate", "let a key in again"),
        ("deactivate", "let a key in no more"),
        ("delete", "remove a key"),
        ("used", "when a key was last used"),
    ):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("key")
        command.set_defaults(run=_change, verb=name)
        if name != "used":
            command.add_argument("--user", help="whose key it is; without it the account's root user")
        made.append(command)
    iam.option(*made)
    showing.option(*made)


def _whose(options: argparse.Namespace) -> dict[str, Any]:
    return {"UserName": options.user} if options.user is not None else {}


def _create(options: argparse.Namespace) -> int:
    client = iam.client(options)
    made = told(client.create_access_key, **_whose(options))["AccessKey"]
    return showing.secret(options, made, made["AccessKeyId"], made["SecretAccessKey"])


def _list(options: argparse.Namespace) -> int:
    found = every(iam.client(options), "list_access_keys", "AccessKeyMetadata", **_whose(options))
    return showing.show(options, found, _COLUMNS)


def _change(options: argparse.Namespace) -> int:
    client, key = iam.client(options), {"AccessKeyId": options.key}
    if options.verb == "used":
        answer = told(client.get_access_key_last_used, **key)
        used = {"UserName": answer.get("UserName"), **answer["AccessKeyLastUsed"]}
        columns = {"UserName": "user", "LastUsedDate": "last used", "ServiceName": "service", "Region": "region"}
        return showing.show(options, used, columns)
    if options.verb == "delete":
        told(client.delete_access_key, **key, **_whose(options))
        return showing.done(options, {"deleted": options.key}, f"deleted key {options.key}")
    status = "Active" if options.verb == "activate" else "Inactive"
    told(client.update_access_key, **key, **_whose(options), Status=status)
    return showing.done(options, {**key, "Status": status}, f"key {options.key} is {status.lower()}")
