"""`objstore admin role`: roles, and whom they trust."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from objstore.cli import iam, showing
from objstore.cli.iam import every, told
from objstore.server.settings import SettingsError

_COLUMNS: Final = {"RoleName": "role", "Arn": "ARN", "MaxSessionDuration": "seconds", "CreateDate": "created"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a role")
    create.add_argument(
        "--trust", required=True, metavar="FILE", help="its trust policy in JSON, `-` for standard input"
    )
    create.add_argument("--path", default="/")
    create.add_argument("--description", default="")
    create.add_argument("--seconds", type=int, default=3600, help="how long a session lasts at most (3600 to 43200)")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="all roles")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="one role")
    info.set_defaults(run=_info)
    delete = commands.add_parser("delete", help="remove a role, with its policies; its sessions end")
    delete.set_defaults(run=_delete)
    for command in (create, info, delete):
        command.add_argument("role")
    iam.option(create, listing, info, delete)
    showing.option(create, listing, info, delete)


def read(name: str) -> str:
    """A document in a file, or on standard input. Raises SettingsError."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {error}") from None


def _create(options: argparse.Namespace) -> int:
    client, trust = iam.client(options), read(options.trust)
    made = told(
        client.create_role,
        RoleName=options.role,
        Path=options.path,
        Description=options.description,
        MaxSessionDuration=options.seconds,
        AssumeRolePolicyDocument=trust,
    )
    return showing.show(options, made["Role"], _COLUMNS)


def _list(options: argparse.Namespace) -> int:
    return showing.show(options, every(iam.client(options), "list_roles", "Roles"), _COLUMNS)


def _info(options: argparse.Namespace) -> int:
    client = iam.client(options)
    return showing.show(options, told(client.get_role, RoleName=options.role)["Role"], _COLUMNS)


def _delete(options: argparse.Namespace) -> int:
    client, name = iam.client(options), options.role
    for policy in every(client, "list_role_policies", "PolicyNames", RoleName=name):
        told(client.delete_role_policy, RoleName=name, PolicyName=policy)
    for one in every(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name):
        told(client.detach_role_policy, RoleName=name, PolicyArn=one["PolicyArn"])
    told(client.delete_role, RoleName=name)
    return showing.done(options, {"deleted": name}, f"deleted role {name}")
