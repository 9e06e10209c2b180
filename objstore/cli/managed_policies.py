"""`objstore admin policy` for managed policies: to make, change and remove them, and to whom they are attached."""

from __future__ import annotations

import argparse
import urllib.parse
from typing import Any, Final

from objstore.cli import iam, showing
from objstore.cli.asking import ask
from objstore.cli.iam import every, told
from objstore.cli.roles import read

_LDAP: Final = "/-/admin/v1/ldap-policies"
_COLUMNS: Final = {
    "PolicyName": "policy",
    "Arn": "ARN",
    "DefaultVersionId": "version",
    "AttachmentCount": "attached",
    "UpdateDate": "changed",
}


def arguments(commands: Any) -> None:
    """Add the sub-commands to those of `objstore admin policy`."""
    create = commands.add_parser("create", help="make a policy")
    create.add_argument("name")
    create.add_argument("file", help="the policy in JSON, `-` for standard input")
    create.add_argument("--path", default="/")
    create.add_argument("--description", default="")
    create.set_defaults(run=_create)
    update = commands.add_parser("update", help="put a new version of a policy in force")
    update.add_argument("arn")
    update.add_argument("file", help="the policy in JSON, `-` for standard input")
    update.set_defaults(run=_update)
    listing = commands.add_parser("list", help="all policies of the account")
    listing.add_argument("--aws", action="store_true", help="those of AWS that are there")
    listing.add_argument("--ldap", action="store_true", help="what is attached to LDAP users and groups")
    listing.set_defaults(run=_list)
    info = commands.add_parser("info", help="the document of a policy, and to whom it is attached")
    info.add_argument("arn")
    info.set_defaults(run=_info)
    delete = commands.add_parser("delete", help="remove a policy that is attached to nobody, with its versions")
    delete.add_argument("arn")
    delete.set_defaults(run=_delete)
    attach = commands.add_parser("attach", help="attach a policy to somebody")
    attach.set_defaults(run=_attach, verb="attach")
    detach = commands.add_parser("detach", help="detach a policy from somebody")
    detach.set_defaults(run=_attach, verb="detach")
    for command in (attach, detach):
        _whom(command)
    made = (create, update, listing, info, delete, attach, detach)
    iam.option(*made)
    showing.option(*made)


def _whom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arn")
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--user", metavar="NAME")
    whom.add_argument("--group", metavar="NAME")
    whom.add_argument("--role", metavar="NAME")
    whom.add_argument("--ldap", metavar="DN", help="an LDAP user or group, by its distinguished name")


def _create(options: argparse.Namespace) -> int:
    client, document = iam.client(options), read(options.file)
    made = told(
        client.create_policy,
        PolicyName=options.name,
        Path=options.path,
        Description=options.description,
        PolicyDocument=document,
    )
    return showing.show(options, made["Policy"], _COLUMNS)


def _update(options: argparse.Namespace) -> int:
    """The oldest version gives way where there are five."""
    client, document = iam.client(options), read(options.file)
    versions = every(client, "list_policy_versions", "Versions", PolicyArn=options.arn)
    if len(versions) >= 5:
        spare = [one["VersionId"] for one in versions if not one["IsDefaultVersion"]]
        oldest = min(spare, key=lambda version: int(version[1:]))
        told(client.delete_policy_version, PolicyArn=options.arn, VersionId=oldest)
    made = told(client.create_policy_version, PolicyArn=options.arn, PolicyDocument=document, SetAsDefault=True)[
        "PolicyVersion"
    ]
    return showing.done(options, made, f"{options.arn} is in force as {made['VersionId']}")


def _list(options: argparse.Namespace) -> int:
    if options.ldap:
        found = ask(options, _LDAP)["policies"]
        return showing.show(options, found, {"dn": "distinguished name", "policy": "policy"})
    scope = "AWS" if options.aws else "Local"
    return showing.show(options, every(iam.client(options), "list_policies", "Policies", Scope=scope), _COLUMNS)


def _info(options: argparse.Namespace) -> int:
    client, arn = iam.client(options), options.arn
    policy: dict[str, Any] = told(client.get_policy, PolicyArn=arn)["Policy"]
    version = told(client.get_policy_version, PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    uses = {
        word: [one[name] for one in every(client, "list_entities_for_policy", member, PolicyArn=arn)]
        for word, member, name in (
            ("users", "PolicyUsers", "UserName"),
            ("groups", "PolicyGroups", "GroupName"),
            ("roles", "PolicyRoles", "RoleName"),
        )
    }
    answer = {**policy, "Document": version["PolicyVersion"]["Document"], **uses}
    if options.json:
        return showing.show(options, answer)
    rows = [{"what": key, "value": value} for key, value in answer.items()]
    return showing.show(options, rows, {"what": "", "value": arn})


def _delete(options: argparse.Namespace) -> int:
    client, arn = iam.client(options), options.arn
    for version in every(client, "list_policy_versions", "Versions", PolicyArn=arn):
        if not version["IsDefaultVersion"]:
            told(client.delete_policy_version, PolicyArn=arn, VersionId=version["VersionId"])
    told(client.delete_policy, PolicyArn=arn)
    return showing.done(options, {"deleted": arn}, f"deleted policy {arn}")


def _attach(options: argparse.Namespace) -> int:
    kind, name = next(
        (kind, getattr(options, kind)) for kind in ("user", "group", "role", "ldap") if getattr(options, kind)
    )
    if kind == "ldap":
        given = urllib.parse.urlencode({"dn": name, "policy": options.arn}, quote_via=urllib.parse.quote)
        ask(options, f"{_LDAP}?{given}", "PUT" if options.verb == "attach" else "DELETE")
    else:
        client = iam.client(options)
        call = getattr(client, f"{options.verb}_{kind}_policy")
        told(call, **{f"{kind.capitalize()}Name": name, "PolicyArn": options.arn})
    state = "attached to" if options.verb == "attach" else "not attached to"
    return showing.done(options, {"policy": options.arn, kind: name}, f"{options.arn} is {state} {kind} {name}")
