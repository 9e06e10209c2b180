"""The gate's access to a bucket, watched: the same decisions, with what led to each."""

from __future__ import annotations

from collections.abc import Mapping

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam.bucket_access import BucketAccess, Subject
from objstore.iam.context import Context
from objstore.iam.explaining.keys import KnownKeys
from objstore.iam.lookup import find
from objstore.iam.policy import Asked, Decision, Grants, Policy, Simulated, Values, simulate
from objstore.store.errors import StoreError
from objstore.store.types import Bucket, Version


class NotThere(Exception):
    """The object that is asked for is not there. Who may learn that is another question."""


class WatchedAccess(BucketAccess):
    """`told` are the decisions in the order in which they were made; `policy` and `grants` None for those in force."""

    def __init__(
        self,
        call: Call,
        context: Context,
        bucket: Bucket,
        *,
        policy: Policy | None = None,
        grants: Grants | None = None,
        given: Mapping[str, Values],
    ) -> None:
        self.told: list[Simulated] = []
        self._given = given
        super().__init__(call, context, bucket, policy)
        if grants is not None and not self.own:
            self._grants = grants

    def existing(self, subject: Subject) -> Version:
        """The object. Raises NotThere."""
        assert subject.key is not None, "an action on an object names its key"
        try:
            return find(self._context, self._bucket.name, subject.key, subject.version_id)
        except (AwsError, StoreError):
            raise NotThere from None

    def _asked(self, action: str, subject: Subject, prefix: str | None = None) -> Asked:
        asked = super()._asked(action, subject, prefix)
        return Asked(asked.action, asked.resource, KnownKeys(self._given, asked.keys))

    def _decide(self, action: str, subject: Subject, prefix: str | None = None) -> Decision:
        found = simulate(
            self._asked(action, subject, prefix),
            self._caller,
            self._grants,
            resource_policy=self._policy,
            owner_account=self._owner,
        )
        self.told.append(found)
        return found.decision
