"""What the driver does, whichever version of COSI asks: buckets of one account of the store, and accesses to them.

Each call may come any number of times, at once and after a crash between any two steps: it finds or repairs what is
there. What a bucket was asked for is kept in its tags, beginning with the transaction that makes it.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from objstore.client import Connection, StoreRefused
from objstore.counting import number_of
from objstore.kubernetes.cosi import classes
from objstore.kubernetes.cosi.access import Access, Modes
from objstore.kubernetes.cosi.failure import Code, Failure, invalid
from objstore.kubernetes.tenancy import accounts, buckets, settings
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.buckets import BucketTaken
from objstore.kubernetes.tenancy.keys import Key
from objstore.kubernetes.tenancy.naming import MOST_BUCKET, MOST_USER, fitting

MOST_BUCKETS: Final = 128
"""Of one access, as COSI's definitions have it."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ID: Final = re.compile(r"[a-zA-Z0-9.-]{1,2048}")
_PARAMETERS: Final = "cosi.objstore.io/parameters"
_DELETES: Final = "cosi.objstore.io/delete-objects"
_READY: Final = "cosi.objstore.io/ready"
_OURS: Final = frozenset({_PARAMETERS, _DELETES, _READY})
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Identity:
    """The driver's name, and the store as applications see it: an endpoint, and whether buckets are names of hosts."""

    name: str
    endpoint: str
    virtual_hosts: bool = False


@dataclass(frozen=True)
class Granted:
    """An access: its id, its key with the secret."""

    account_id: str
    key: Key


class Driver:
    """The driver of one store; its methods block, and may be called by many threads."""

    def __init__(self, connection: Connection, identity: Identity) -> None:
        self.connection, self.identity = connection, identity
        self._busy: set[str] = set()
        self._turns = threading.Condition()

    def create(self, name: str, parameters: Mapping[str, str], *, exactly: bool) -> str:
        """Make a bucket, or find the one that was made for that name; its id, which `exactly` is the name.

        Raises Failure: INVALID_ARGUMENT; ALREADY_EXISTS when it is there and was asked for otherwise, or another's.
        """
        _check_name("name", name)
        if exactly and len(name) > MOST_BUCKET:
            raise invalid(
                "name", f"is longer than a bucket's may be, {MOST_BUCKET}: give the BucketClass a shorter one"
            )
        asked, bucket = classes.parse(parameters), fitting(name, MOST_BUCKET)
        with self._turn(f"bucket {bucket}"):
            state = {_PARAMETERS: asked.digest} | ({_DELETES: "true"} if asked.deletes_objects else {})
            lock = asked.configuration.object_lock is not None
            try:
                buckets.ensure(self.connection, self._account(), bucket, object_lock=lock, tags=state)
            except BucketTaken as error:
                raise Failure(Code.ALREADY_EXISTS, str(error)) from None
            tags = self._tags(bucket)
            if tags.get(_PARAMETERS) != asked.digest:
                raise Failure(Code.ALREADY_EXISTS, f"the bucket {bucket} is there, and was made with other parameters")
            if _READY not in tags:
                classes.configure(self.connection, bucket, asked.configuration)
                self._tag(bucket, {**(asked.configuration.tags or {}), **state, _READY: "true"})
        return bucket

    def existing(self, bucket: str) -> str:
        """The id of a bucket that is there, whoever owns it. Raises Failure (NOT_FOUND)."""
        _check_id("existing_bucket_id", bucket)
        self._owner(bucket)
        return bucket

    def delete(self, bucket: str, *, budget_s: float) -> None:
        """Delete a bucket that the driver made, for about so long; one that is gone is deleted.

        With objects in it only where its class says so. Raises Failure: FAILED_PRECONDITION for what stands against it,
        ABORTED while there is more to delete.
        """
        _check_id("bucket_id", bucket)
        with self._turn(f"bucket {bucket}"):
            owner = buckets.owner(self.connection, bucket)
            if owner is None:
                return
            if owner != self._account().canonical:
                raise Failure(Code.FAILED_PRECONDITION, f"the bucket {bucket} was not made by this driver: it stays")
            if _DELETES in self._tags(bucket):
                self._empty(bucket, budget_s)
            try:
                buckets.remove(self.connection, bucket)
            except StoreRefused as error:
                if error.code != "BucketNotEmpty":
                    raise
                raise Failure(
                    Code.FAILED_PRECONDITION,
                    f"the bucket {bucket} has objects, versions or snapshots: delete them, or let its BucketClass have"
                    f' the parameter {classes.DELETE_OBJECTS}: "true"',
                ) from None

    def grant(self, name: str, modes: Modes) -> Granted:
        """Let a key of its own into buckets, each by its mode; the same key whenever it is asked for.

        Raises Failure: NOT_FOUND for a bucket, ALREADY_EXISTS when the access is there with other buckets or modes.
        """
        _check_name("account_name", name)
        if not 0 < len(modes) <= MOST_BUCKETS:
            raise invalid("buckets", f"are 1 to {MOST_BUCKETS}")
        for bucket in modes:
            _check_id("bucket_id", bucket)
        account, user = self._account(), fitting(name, MOST_USER)
        with self._turn(f"access {user}"):
            foreign = [bucket for bucket in modes if self._owner(bucket) != account.canonical]
            return Granted(user, Access(self.connection, account, user).grant(modes, foreign))

    def revoke(self, account_id: str, bucket_ids: Iterable[str]) -> None:
        """Take buckets away from an access, which ends with the last of them; one that is gone is no error."""
        _check_id("account_id", account_id)
        gone = set(bucket_ids)
        if not gone:
            raise invalid("buckets", "must name at least one")
        for bucket in gone:
            _check_id("bucket_id", bucket)
        if len(account_id) > MOST_USER:
            return  # no access ever had such an id
        with self._turn(f"access {account_id}"):
            Access(self.connection, self._account(), account_id).revoke(gone)

    def _empty(self, bucket: str, budget_s: float) -> None:
        told = buckets.empty(self.connection, bucket, budget_s=budget_s)
        if told.kept:
            raise Failure(
                Code.FAILED_PRECONDITION,
                f"{number_of(told.kept, 'version')} cannot be deleted yet, among them {told.reason}",
            )
        if not told.done:
            raise Failure(Code.ABORTED, f"the bucket {bucket} is being emptied: {told.deleted} deleted, go on")

    def _account(self) -> Tenant:
        """The account that owns the driver's buckets and has its accesses as users."""
        name = f"cosi-{self.identity.name}"
        found = accounts.find(self.connection, name)
        return found or accounts.ensure(self.connection, name, max_buckets=None, rights={})

    def _owner(self, bucket: str) -> str:
        owner = buckets.owner(self.connection, bucket)
        if owner is None:
            raise Failure(Code.NOT_FOUND, f"there is no bucket {bucket}")
        return owner

    def _tags(self, bucket: str) -> dict[str, str]:
        found = settings.TAGS.find(self.connection, bucket) or {"TagSet": []}
        return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def _tag(self, bucket: str, tags: Mapping[str, str]) -> None:
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        settings.TAGS.ensure(self.connection, bucket, {"TagSet": given})

    @contextlib.contextmanager
    def _turn(self, what: str) -> Iterator[None]:
        """One call at a time for each bucket and each access. Raises Failure (ABORTED) after seconds of waiting."""
        with self._turns:
            if not self._turns.wait_for(lambda: what not in self._busy, _PATIENCE_S):
                raise Failure(Code.ABORTED, f"another call for the {what} is going on")
            self._busy.add(what)
        try:
            yield
        finally:
            with self._turns:
                self._busy.discard(what)
                self._turns.notify_all()


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid(field, "is a DNS subdomain of 1 to 253 characters")


def _check_id(field: str, text: str) -> None:
    if not _ID.fullmatch(text):
        raise invalid(field, "has 1 to 2048 letters, digits, dashes and dots")
