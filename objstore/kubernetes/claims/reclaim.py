"""At the store: what becomes of a claim's bucket, account and key when the claim goes. Calls block."""

from __future__ import annotations

from typing import Final, NamedTuple

from objstore.client import Connection
from objstore.kubernetes.claims.binding import Binding
from objstore.kubernetes.claims.classes import DELETE
from objstore.kubernetes.claims.provision import user_of
from objstore.kubernetes.tenancy import accounts, buckets, keys, policies, users
from objstore.kubernetes.tenancy.accounts import Tenant

SLICE_S: Final = 5.0
"""How long a bucket is emptied before other claims have their turn, in seconds."""


class Reclaimed(NamedTuple):
    """How far it has come: versions `deleted` in this call, and whether all is `done`. `reason` says what holds
    versions back that cannot be deleted now."""

    done: bool
    deleted: int = 0
    reason: str = ""


def reclaim(connection: Connection, binding: Binding, budget_s: float = SLICE_S) -> Reclaimed:
    """Take access away, and delete the bucket with all that is in it where the claim's class says so; to be called
    again until it is done. Raises StoreUnreachable, StoreRefused."""
    tenant = accounts.find(connection, binding.owner or binding.account)
    if binding.granted:
        policies.revoke(connection, binding.bucket, binding.account)
    if tenant is None:
        return Reclaimed(done=True)
    # First nobody may write any more: who still uses the claim would fill what is being emptied.
    keys.revoke(connection, tenant, user=user_of(binding, tenant))
    deleted = 0
    if binding.reclaim == DELETE and not binding.was_there:
        for bucket in _condemned(connection, binding, tenant):
            policies.ensure(connection, bucket, None)  # it may let others write, or forbid us to delete
            emptied = buckets.empty(connection, bucket, budget_s=budget_s)
            deleted += emptied.deleted
            if not emptied.done:
                return Reclaimed(done=False, deleted=deleted, reason=emptied.reason)
            buckets.remove(connection, bucket)
    _remove(connection, binding, tenant)
    return Reclaimed(done=True, deleted=deleted)


def _condemned(connection: Connection, binding: Binding, tenant: Tenant) -> list[str]:
    """The buckets to delete: all of an account that was made for the claim, or the one in somebody else's."""
    owned = buckets.owned(connection, tenant)
    return owned if binding.owner is None else [bucket for bucket in owned if bucket == binding.bucket]


def _remove(connection: Connection, binding: Binding, tenant: Tenant) -> None:
    if binding.owner is not None:
        users.remove(connection, tenant.id, user_of(binding, tenant))
    elif buckets.owned(connection, tenant):
        users.remove_all(connection, tenant.id)  # the account stays, as the owner of what is retained
    else:
        accounts.remove(connection, tenant)
