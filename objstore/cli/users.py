"""`objstore admin user`: users of an account."""

from __future__ import annotations

import argparse
import urllib.parse
from typing import Any, Final

from objstore.cli import iam, showing
from objstore.cli.asking import ask
from objstore.cli.iam import every, told

_COLUMNS: Final = {"UserName": "user", "Arn": "ARN", "UserId": "id", "CreateDate": "created"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a user; `key create USER` gives it a key")
    create.add_argument("--path", default="/")
    create.set_defaults(run=_create)
    listing = commands.add_parser("list", help="all users")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="one user: groups, policies, keys")
    info.set_defaults(run=_info)
    delete = commands.add_parser("delete", help="remove a user, with keys and policies")
    delete.set_defaults(run=_delete)
    suspend = commands.add_parser("suspend", help="let a user in no more")
    suspend.set_defaults(run=_suspend, suspended="true")
    resume = commands.add_parser("resume", help="let a user in again")
    resume.set_defaults(run=_suspend, suspended="false")
    for command in (create, info, delete, suspend, resume):
        command.add_argument("user")
    iam.option(create, listing, info, delete, suspend, resume)
    showing.option(create, listing, info, delete, suspend, resume)


def _create(options: argparse.Namespace) -> int:
    client = iam.client(options)
    return showing.show(options, told(client.create_user, UserName=options.user, Path=options.path)["User"], _COLUMNS)


def _list(options: argparse.Namespace) -> int:
    return showing.show(options, every(iam.client(options), "list_users", "Users"), _COLUMNS)


def _info(options: argparse.Namespace) -> int:
    client, name = iam.client(options), options.user
    user: dict[str, Any] = told(client.get_user, UserName=name)["User"]
    answer = {
        **user,
        "Groups": [one["GroupName"] for one in every(client, "list_groups_for_user", "Groups", UserName=name)],
        "AttachedPolicies": [
            one["PolicyArn"] for one in every(client, "list_attached_user_policies", "AttachedPolicies", UserName=name)
        ],
        "InlinePolicies": every(client, "list_user_policies", "PolicyNames", UserName=name),
        "AccessKeys": [
            one["AccessKeyId"] for one in every(client, "list_access_keys", "AccessKeyMetadata", UserName=name)
        ],
    }
    if options.json:
        return showing.show(options, answer)
    rows = [{"what": key, "value": value} for key, value in answer.items()]
    return showing.show(options, rows, {"what": "", "value": options.user})


def _delete(options: argparse.Namespace) -> int:
    client, name = iam.client(options), options.user
    told(client.get_user, UserName=name)
    for key in every(client, "list_access_keys", "AccessKeyMetadata", UserName=name):
        told(client.delete_access_key, UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in every(client, "list_user_policies", "PolicyNames", UserName=name):
        told(client.delete_user_policy, UserName=name, PolicyName=policy)
    for one in every(client, "list_attached_user_policies", "AttachedPolicies", UserName=name):
        told(client.detach_user_policy, UserName=name, PolicyArn=one["PolicyArn"])
    for group in every(client, "list_groups_for_user", "Groups", UserName=name):
        told(client.remove_user_from_group, GroupName=group["GroupName"], UserName=name)
    told(client.delete_user, UserName=name)
    return showing.done(options, {"deleted": name}, f"deleted user {name}")


def _suspend(options: argparse.Namespace) -> int:
    given = {"name": options.user, "suspended": options.suspended}
    if options.account is not None:
        given["account"] = options.account
    answer = ask(options, f"/-/admin/v1/users?{urllib.parse.urlencode(given, quote_via=urllib.parse.quote)}", "PUT")
    return showing.show(options, answer, {"name": "user", "arn": "ARN", "suspended": "suspended"})
