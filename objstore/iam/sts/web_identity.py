"""AssumeRoleWithWebIdentity: credentials of a role for whom a token of an OpenID Connect issuer speaks.

The call has no signature: the token stands for it. Its issuer must be listed by the configuration, and registered as a
provider in the role's account, for the client that the token was made for; the role's trust policy must name the
provider.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import administration
from objstore.iam.api import subjects
from objstore.iam.api.providers import name_of
from objstore.iam.context import Context
from objstore.iam.federation import web_tokens
from objstore.iam.federation.web_tokens import Claims
from objstore.iam.identities import entities, names
from objstore.iam.identities.records import Provider, Role, Tags
from objstore.iam.identities.sessions import Origin, Record
from objstore.iam.policy import Caller, Grants, Values
from objstore.iam.sts import issuing, trust
from objstore.iam.sts.assume_role import assumed

TAGS: Final = "https://aws.amazon.com/tags"
"""The claim that holds tags for the session."""

_ACTION: Final = "sts:AssumeRoleWithWebIdentity"


@operation(
    "AssumeRoleWithWebIdentity",
    service="sts",
    action=_ACTION,
    supports={"Policy", "PolicyArns", "DurationSeconds"},
    concerns=subjects.given("RoleArn"),
)
async def assume_role_with_web_identity(call: Call, context: Context) -> dict[str, Any]:
    role = trust.find(context, call["RoleArn"])
    provider, claims = await _verified(call, context, role)
    tags, transitive = _tags(claims)
    found = _trusted(call, context, role, provider, claims, tags, transitive)
    policies, arns = issuing.narrowing(call, context, found.account)
    now = int(context.identities.clock())
    record = Record(
        Origin.ROLE,
        found.account,
        found.id,
        now,
        now + issuing.seconds(call, found),
        call["RoleSessionName"],
        policies,
        arns,
        tags,
        transitive,
        tuple(_keys(provider, claims).items()),
        federated=names.arn(provider),
    )
    credentials, packed = issuing.issue(context, record)
    return {
        "Credentials": issuing.shown(credentials),
        "SubjectFromWebIdentityToken": claims.subject,
        "AssumedRoleUser": assumed(found, record),
        "PackedPolicySize": packed,
        "Provider": claims.issuer,
        "Audience": _audience(claims),
    }


async def _verified(call: Call, context: Context, role: Role | None) -> tuple[Provider, Claims]:
    """The provider whose token it is, and what the token says. Nothing is fetched for one that is not registered."""
    seen = web_tokens.peek(call["WebIdentityToken"])
    issuers = context.federation.issuers
    provider = _provider(context, role, seen.issuer) if issuers.lists(seen.issuer) else None
    if provider is None:
        raise web_tokens.invalid(f"No OpenIDConnect provider found in your account for {seen.issuer[:255]}")
    claims = await web_tokens.verify(call["WebIdentityToken"], seen, issuers, context.identities.clock())
    if _audience(claims) not in provider.clients:
        raise web_tokens.invalid("Incorrect token audience")
    return provider, claims


def _provider(context: Context, role: Role | None, issuer: str) -> Provider | None:
    if role is None:
        return None
    try:
        name = name_of(issuer)
    except AwsError:
        return None
    found = context.identities.read(lambda tx: entities.find(tx, Provider, role.account, name))
    return found if found is not None and name_of(found.url) == name else None


def _audience(claims: Claims) -> str:
    """The client that a token is for: its authorized party where it has one, as AWS reads it."""
    return claims.authorized_party or claims.audiences[0]


def _keys(provider: Provider, claims: Claims) -> dict[str, Values]:
    """Condition keys that a token gives, below the provider's name."""
    name = provider.name.lower()
    keys: dict[str, Values] = {f"{name}:aud": (_audience(claims),), f"{name}:sub": (claims.subject,)}
    # Ceph's name for the same.
    keys[f"{name}:app_id"] = keys[f"{name}:aud"]
    if claims.authorized_party is not None:
        keys[f"{name}:azp"] = (claims.authorized_party,)
        keys[f"{name}:oaud"] = claims.audiences
    methods = claims.all.get("amr")
    if isinstance(methods, list) and all(isinstance(one, str) for one in methods):
        keys[f"{name}:amr"] = tuple(methods)
    return keys


def _tags(claims: Claims) -> tuple[Tags, tuple[str, ...]]:
    """The tags in a token's claim for them. Raises InvalidIdentityToken."""
    found = claims.all.get(TAGS)
    if found is None:
        return (), ()
    given, transitive = (
        (found.get("principal_tags"), found.get("transitive_tag_keys", [])) if isinstance(found, dict) else (None, None)
    )
    if not isinstance(given, dict) or not isinstance(transitive, list):
        raise web_tokens.invalid(f"The claim {TAGS} of the ID Token is malformed.")
    tags: list[tuple[str, str]] = []
    for key, values in given.items():
        value = values[0] if isinstance(values, list) and len(values) == 1 else values
        if not isinstance(value, str) or len(key) > 128 or len(value) > 256 or len(tags) >= entities.MOST_TAGS:
            raise web_tokens.invalid(f"The claim {TAGS} of the ID Token is malformed.")
        tags.append((key, value))
    known = {key for key, _ in tags}
    return tuple(tags), tuple(str(key) for key in transitive if key in known)


def _trusted(
    call: Call,
    context: Context,
    role: Role | None,
    provider: Provider,
    claims: Claims,
    tags: Tags,
    transitive: tuple[str, ...],
) -> Role:
    keys = administration.request_keys(call, context) | _keys(provider, claims) | trust.tag_keys(tags, transitive)
    keys["sts:rolesessionname"] = (call["RoleSessionName"],)
    arn = names.arn(provider)
    return trust.require(
        role,
        Caller(arn, federated=arn),
        Grants(),
        keys,
        trust.actions(_ACTION, tags, None),
        AwsError("AccessDenied", f"Not authorized to perform {_ACTION}"),
    )
