"""At the store: an account and a key for a claim, its bucket or the way into one. Calls block.

Every step finds what an earlier try made, so that all of it may be tried again at any time.
"""

from __future__ import annotations

from dataclasses import replace

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.claims import configure
from objstore.kubernetes.claims.binding import Binding
from objstore.kubernetes.claims.configuration import Configuration
from objstore.kubernetes.claims.objects import Credentials
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.tenancy import accounts, buckets, keys, policies, users
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.buckets import BucketTaken
from objstore.kubernetes.tenancy.users import STORAGE, Rights


def look(connection: Connection, binding: Binding) -> Binding:
    """The binding with what is only known before anything is made: whether the bucket was there.

    Raises Refused: BucketNotFound, BucketTaken, OwnerNotFound.
    """
    owner = buckets.owner(connection, binding.bucket)
    if binding.granted:
        if owner is None:
            raise _missing(binding)
        return binding
    tenant = accounts.find(connection, binding.owner or binding.account)
    if tenant is None and binding.owner is not None:
        raise Refused("OwnerNotFound", f"the store has no user {binding.owner}, who is to own the bucket")
    if owner is None:
        return binding
    if tenant is None or owner != tenant.canonical:
        raise _taken(binding)
    return replace(binding, was_there=binding.owner is not None)


def provide(
    connection: Connection, binding: Binding, wanted: Configuration, before: Configuration, held: Credentials | None
) -> Credentials:
    """Make everything so. `held` are the credentials that the claim's Secret has, which stay when they are good.

    Raises Refused, StoreUnreachable, StoreRefused.
    """
    tenant = _tenant(connection, binding)
    if binding.owner is None:
        configure.account(connection, tenant.id, wanted, before)
    if not binding.granted:
        _bucket(connection, binding, tenant, object_lock=wanted.object_lock is not None)
    user = user_of(binding, tenant)
    if binding.owner is not None:
        users.ensure(connection, tenant.id, user, _rights(binding))
    configure.bucket(connection, binding.bucket, wanted, before)
    if binding.granted and wanted.policy is None:
        arn = f"arn:aws:iam::{tenant.id}:user/{user}"
        policies.grant(connection, binding.bucket, arn, sid=binding.account)
    return _credentials(connection, tenant, user, held)


def abandon(connection: Connection, binding: Binding) -> bool:
    """Take back what was made for a claim that never was bound: an account, and a bucket. False where there is
    something in that, and everything stays as it is."""
    tenant = accounts.find(connection, binding.owner or binding.account)
    if tenant is None:
        return True
    if not binding.was_there and buckets.owner(connection, binding.bucket) == tenant.canonical:
        try:
            buckets.remove(connection, binding.bucket)
        except StoreRefused as error:
            if error.code != "BucketNotEmpty":
                raise
            return False
    if binding.owner is None:
        accounts.remove(connection, tenant)
    else:
        users.remove(connection, tenant.id, user_of(binding, tenant))
    return True


def user_of(binding: Binding, tenant: Tenant) -> str:
    """The claim's IAM user: its account's own, or one more in the account of somebody else."""
    return tenant.user if binding.owner is None else binding.account


def _tenant(connection: Connection, binding: Binding) -> Tenant:
    if binding.owner is None:
        return accounts.ensure(connection, binding.account, max_buckets=0 if binding.granted else 1, rights=STORAGE)
    tenant = accounts.find(connection, binding.owner)
    if tenant is None:
        raise Refused("OwnerNotFound", f"the store has no user {binding.owner} any more, who owns the bucket")
    return tenant


def _bucket(connection: Connection, binding: Binding, tenant: Tenant, *, object_lock: bool) -> None:
    try:
        buckets.ensure(connection, tenant, binding.bucket, object_lock=object_lock)
    except BucketTaken:
        if binding.owner is None:
            accounts.remove(connection, tenant)  # it owns nothing, and never will by this claim
        raise _taken(binding) from None


def _rights(binding: Binding) -> Rights:
    """What a claim's user may do in the account of somebody else: everything with the claim's bucket."""
    arn = f"arn:aws:s3:::{binding.bucket}"
    statement = {"Sid": "Bucket", "Effect": "Allow", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    return {"bucket": {"Version": "2012-10-17", "Statement": [statement]}}


def _credentials(connection: Connection, tenant: Tenant, user: str, held: Credentials | None) -> Credentials:
    good = held is not None and keys.speaks_for(connection, held.access, held.secret) == (
        f"arn:aws:iam::{tenant.id}:user/{user}"
    )
    key = keys.ensure(connection, tenant, held.access if held is not None and good else None, user=user)
    if key.secret is not None:
        return Credentials(key.access, key.secret)
    assert held is not None
    return held


def _taken(binding: Binding) -> Refused:
    return Refused("BucketTaken", f"the bucket {binding.bucket} belongs to somebody else: choose another bucketName")


def _missing(binding: Binding) -> Refused:
    return Refused("BucketNotFound", f"StorageClass {binding.storage_class} names the bucket {binding.bucket}: make it")
