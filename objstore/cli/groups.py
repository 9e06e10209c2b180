"""`objstore admin group`: groups of users."""

from __future__ import annotations

import argparse
from typing import Final

from objstore.cli import iam, showing
from objstore.cli.iam import every, told

_COLUMNS: Final = {"GroupName": "group", "Arn": "ARN", "GroupId": "id", "CreateDate": "created"}
_USERS: Final = {"UserName": "user", "Arn": "ARN"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a group")
    create.add_argument("--path", default="/")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="all groups")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="the users of a group")
    info.set_defaults(run=_info)
    delete = commands.add_parser("delete", help="remove a group that has no users and no policies")
    delete.set_defaults(run=_delete)
    add = commands.add_parser("add", help="put a user into a group")
    add.set_defaults(run=_add)
    remove = commands.add_parser("remove", help="take a user out of a group")
    remove.set_defaults(run=_remove)
    for command in (create, info, delete, add, remove):
        command.add_argument("group")
    for command in (add, remove):
        command.add_argument("user")
    iam.option(create, listing, info, delete, add, remove)
    showing.option(create, listing, info, delete, add, remove)


def _create(options: argparse.Namespace) -> int:
    client = iam.client(options)
    made = told(client.create_group, GroupName=options.group, Path=options.path)["Group"]
    return showing.show(options, made, _COLUMNS)


def _list(options: argparse.Namespace) -> int:
    return showing.show(options, every(iam.client(options), "list_groups", "Groups"), _COLUMNS)


def _info(options: argparse.Namespace) -> int:
    return showing.show(options, every(iam.client(options), "get_group", "Users", GroupName=options.group), _USERS)


def _delete(options: argparse.Namespace) -> int:
    client = iam.client(options)
    told(client.delete_group, GroupName=options.group)
    return showing.done(options, {"deleted": options.group}, f"deleted group {options.group}")


def _add(options: argparse.Namespace) -> int:
    client = iam.client(options)
    told(client.add_user_to_group, GroupName=options.group, UserName=options.user)
    return showing.done(
        options, {"group": options.group, "added": options.user}, f"{options.user} is in group {options.group}"
    )


def _remove(options: argparse.Namespace) -> int:
    client = iam.client(options)
    told(client.remove_user_from_group, GroupName=options.group, UserName=options.user)
    return showing.done(
        options, {"group": options.group, "removed": options.user}, f"{options.user} is not in group {options.group}"
    )
