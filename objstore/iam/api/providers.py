"""OpenID Connect providers: whose tokens AssumeRoleWithWebIdentity takes, and for which clients.

A provider that is registered here must also be allowed by the server's configuration before anything is fetched of it.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import shown, subjects, tags
from objstore.iam.context import Context
from objstore.iam.identities import entities, names
from objstore.iam.identities.records import Provider

MOST_CLIENTS: Final = 100
MOST_THUMBPRINTS: Final = 5
_ARN: Final = "OpenIDConnectProviderArn"
_BY_ARN = subjects.given(_ARN)


def name_of(url: str) -> str:
    """What names a provider in its ARN: its URL without scheme. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable or "@" in url:
        raise AwsError("InvalidInput", "The URL of a provider is https://HOST/PATH, without query and fragment.")
    return url.partition("://")[2].removesuffix("/")


def _require(tx: Transaction, call: Call) -> Provider:
    account, arn = subjects.account(call), call[_ARN]
    parts = names.split(arn)
    if parts is None or parts[:2] != (account, "oidc-provider"):
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")
    found = entities.find(tx, Provider, account, parts[3])
    if found is None:
        raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")
    return found


async def _change(call: Call, context: Context, to: Callable[[Provider], Provider]) -> None:
    await context.identities.write(lambda tx: entities.replace(tx, to(_require(tx, call))))


@operation(
    "CreateOpenIDConnectProvider",
    service="iam",
    action="iam:CreateOpenIDConnectProvider",
    supports={"ClientIDList", "ThumbprintList", "Tags"},
    concerns=lambda call, context: names.named_arn(Provider, subjects.account(call), name_of(call["Url"])),
)
async def create_provider(call: Call, context: Context) -> dict[str, Any]:
    """Register a provider. Thumbprints are kept; its certificate is checked against the trusted authorities."""
    clients = tuple(dict.fromkeys(call.get("ClientIDList") or ()))
    thumbprints = tuple(call.get("ThumbprintList") or ())
    _check_counts(clients, thumbprints)
    new = Provider(
        subjects.account(call),
        names.new_id(names.PREFIXES[Provider]),
        name_of(call["Url"]),
        call["Url"],
        context.identities.now_us(),
        clients,
        thumbprints,
        tags.joined((), tags.read(call.get("Tags"))),
    )
    await context.identities.write(lambda tx: entities.add(tx, new))
    return {_ARN: names.arn(new), "Tags": tags.shown(new.tags) or None}


def _check_counts(clients: tuple[str, ...], thumbprints: tuple[str, ...]) -> None:
    for items, most, what in (
        (clients, MOST_CLIENTS, "ClientIdsPerOpenIdConnectProvider"),
        (thumbprints, MOST_THUMBPRINTS, "ThumbprintsPerOpenIdConnectProvider"),
    ):
        if len(items) > most:
            raise AwsError("LimitExceeded", f"Cannot exceed quota for {what}: {most}")


@operation("GetOpenIDConnectProvider", service="iam", action="iam:GetOpenIDConnectProvider", concerns=_BY_ARN)
async def get_provider(call: Call, context: Context) -> dict[str, Any]:
    found = context.identities.read(lambda tx: _require(tx, call))
    return {
        "Url": found.url,
        "ClientIDList": list(found.clients),
        "ThumbprintList": list(found.thumbprints),
        "CreateDate": shown.moment(found.created_us),
        "Tags": tags.shown(found.tags) or None,
    }


@operation(
    "ListOpenIDConnectProviders",
    service="iam",
    action="iam:ListOpenIDConnectProviders",
    concerns=subjects.anything,
)
async def list_providers(call: Call, context: Context) -> dict[str, Any]:
    found = context.identities.read(lambda tx: entities.every(tx, Provider, subjects.account(call)))
    return {"OpenIDConnectProviderList": [{"Arn": names.arn(one)} for one in found]}


@operation("DeleteOpenIDConnectProvider", service="iam", action="iam:DeleteOpenIDConnectProvider", concerns=_BY_ARN)
async def delete_provider(call: Call, context: Context) -> None:
    await context.identities.write(lambda tx: entities.remove(tx, _require(tx, call)))


@operation(
    "UpdateOpenIDConnectProviderThumbprint",
    service="iam",
    action="iam:UpdateOpenIDConnectProviderThumbprint",
    concerns=_BY_ARN,
)
async def update_thumbprints(call: Call, context: Context) -> None:
    thumbprints = tuple(call["ThumbprintList"])
    _check_counts((), thumbprints)
    await _change(call, context, lambda old: msgspec.structs.replace(old, thumbprints=thumbprints))


@operation(
    "AddClientIDToOpenIDConnectProvider",
    service="iam",
    action="iam:AddClientIDToOpenIDConnectProvider",
    concerns=_BY_ARN,
)
async def add_client(call: Call, context: Context) -> None:
    """Add a client id; once more changes nothing."""

    def add(old: Provider) -> Provider:
        clients = tuple(dict.fromkeys((*old.clients, call["ClientID"])))
        _check_counts(clients, ())
        return msgspec.structs.replace(old, clients=clients)

    await _change(call, context, add)


@operation(
    "RemoveClientIDFromOpenIDConnectProvider",
    service="iam",
    action="iam:RemoveClientIDFromOpenIDConnectProvider",
    concerns=_BY_ARN,
)
async def remove_client(call: Call, context: Context) -> None:
    """Remove a client id; one that is not there is removed well."""
    gone = call["ClientID"]

    def remove(old: Provider) -> Provider:
        return msgspec.structs.replace(old, clients=tuple(one for one in old.clients if one != gone))

    await _change(call, context, remove)
