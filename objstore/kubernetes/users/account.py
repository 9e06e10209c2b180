"""The account of an ObjectStoreUser in its store: calls that block, for threads."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from objstore.client import ADMIN, Connection, ask
from objstore.kubernetes import quantities
from objstore.kubernetes.kinds import Key
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.tenancy import accounts, clients, keys, quotas
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.clients import told
from objstore.kubernetes.tenancy.naming import MOST_ACCOUNT, fitting
from objstore.kubernetes.users.rights import rights
from objstore.kubernetes.users.spec import ObjectStoreUserSpec


def name_of(user: Key) -> str:
    """What the account is called; claims' begin in another way."""
    return fitting(f"user-{user.namespace}-{user.name}", MOST_ACCOUNT)


def ensure(connection: Connection, user: Key, spec: ObjectStoreUserSpec) -> Tenant:
    """The account, with the limits and rights of the spec. Raises SpecError, StoreError."""
    limits = spec.quotas
    tenant = accounts.ensure(connection, name_of(user), max_buckets=_buckets(limits.max_buckets), rights=rights(spec))
    quotas.ensure(connection, quotas.account(tenant.id), _limit(limits.max_objects), _size(spec))
    return tenant


def _buckets(number: int | None) -> int | None:
    """As Ceph counts: 0 is no limit, and below 0 none may be made."""
    return None if not number else max(number, 0)


def _limit(number: int | None) -> int | None:
    return None if number is None or number < 0 else number


def _size(spec: ObjectStoreUserSpec) -> int | None:
    given = spec.quotas.max_size
    try:
        return None if given is None else _limit(quantities.parse(given))
    except quantities.QuantityError as error:
        raise SpecError(f"spec.quotas.maxSize: {error}") from None


def key(
    connection: Connection, tenant: Tenant, access: str | None, secret: str | None, before: str | None
) -> tuple[str, str]:
    """A good key with its secret: the one that is held, if both are good, else a new one. `before` stays good too."""
    keep = (before,) if before else ()
    good = access and secret and keys.speaks_for(connection, access, secret) == tenant.user_arn
    found = keys.ensure(connection, tenant, access if good else None, keep=keep)
    if found.secret is not None:
        return found.access, found.secret
    assert secret is not None, "a key that is held has its secret"
    return found.access, secret


def give(connection: Connection, tenant: Tenant, pairs: Sequence[tuple[str, str]]) -> None:
    """Make these keys those of the user, and no others."""
    kept = [access for access, _ in pairs]
    with clients.acting_for(connection, tenant.id):
        iam = clients.iam(connection)
        for one in told(iam.list_access_keys, UserName=tenant.user)["AccessKeyMetadata"]:
            if one["AccessKeyId"] not in kept:
                told(iam.delete_access_key, UserName=tenant.user, AccessKeyId=one["AccessKeyId"])
    for access, secret in pairs:
        given = {"account": tenant.id, "user": tenant.user, "access_key": access, "secret_key": secret}
        ask(connection, f"{ADMIN}/keys", "POST", given)


def remove(connection: Connection, user: Key) -> list[str]:
    """Remove the account with its keys, unless it owns buckets, which are told."""
    tenant = accounts.find(connection, name_of(user))
    if tenant is None:
        return []
    with clients.acting_for(connection, tenant.id):
        buckets = [one["Name"] for one in told(clients.s3(connection).list_buckets)["Buckets"]]
    if not buckets:
        accounts.remove(connection, tenant)
    return buckets


def encoded(text: str) -> str:
    """As a Secret's data have it."""
    return base64.b64encode(text.encode()).decode()
