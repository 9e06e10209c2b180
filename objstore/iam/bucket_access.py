"""What one caller may do in one bucket: policies, ACLs, ownership and the public access block, joined as S3 joins them.

An explicit Deny anywhere decides. Else something must allow: the policies of caller and bucket as the policy engine
joins them, or the ACL of the bucket or object. What an ACL grants to an account is still for that account's policies to
pass on to its users. What belongs to another account than the bucket does is that account's to share, by ACL.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam import acl, actions, bucket_policy, callers, ownership, public_access
from objstore.iam.actions import Need
from objstore.iam.conditions import Facts, RequestKeys
from objstore.iam.context import Context
from objstore.iam.lookup import find
from objstore.iam.policy import Asked, Decision, Policy, Reason, decide
from objstore.iam.refusals import denied
from objstore.store.errors import StoreError
from objstore.store.types import Acl, Bucket, Version

ACL_REQUIRED: Final = "acl_required"
"""In the notes of a call: only an ACL allowed it."""

_OWN: Final = Decision(Reason.ROOT)


@dataclass(slots=True)
class Subject:
    """The object that a decision is about, found when it is looked at; `key` is None where it is the bucket itself."""

    key: str | None = None
    version_id: str | None = None
    version: Version | None = None


class BucketAccess:
    """Decides for the caller of `call` in `bucket`, under its policy, or under `policy` where one is given.

    `own`: everything is the caller's own, and nothing can deny it.
    """

    def __init__(self, call: Call, context: Context, bucket: Bucket, policy: Policy | None = None) -> None:
        principal = call.principal
        self._call, self._context, self._bucket = call, context, bucket
        # What the last decision found out of the request; the next is mostly about the same object.
        self._keys: tuple[tuple[str | None, str | None, str | None], RequestKeys] | None = None
        self._policy = policy or bucket_policy.of(bucket)
        self.own = self._policy is None and principal.rules(bucket.owner.id) and not callers.narrowed(principal)
        if self.own:
            return
        self._caller = callers.caller_of(principal)
        self._grants = context.identities.grants(principal)
        same = principal.id == bucket.owner.id and not principal.anonymous
        self._owner = (
            callers.account_of(principal) if same else callers.account_of_owner(bucket.owner, context, principal)
        )
        if self._policy is not None and self.outside and public_access.restricted(bucket, self._policy):
            raise AwsError("AccessDenied", "The bucket is public by its policy, and restricted to its owner's account.")

    @property
    def outside(self) -> bool:
        """Whether the caller is not of the account that owns the bucket."""
        return not self.own and self._caller.account != self._owner

    def require(self, need: Need, subject: Subject) -> None:
        """Let pass what is allowed.

        Raises AccessDenied; NoSuchKey, NoSuchVersion and MethodNotAllowed when the object is not there and the caller
        may know that.
        """
        if need.on_new:
            self._require_on_new(need.action, subject)
        elif need.action in actions.ON_EXISTING:
            self._require_on_existing(need.action, subject)
        elif not self.own:
            decision = self._decide(need.action, subject)
            needed = actions.BY_BUCKET_ACL.get(need.action)
            if not decision.allowed and not (needed and self._by_acl(decision, need.action, subject, needed)):
                raise self._denied(need.action, subject, decision)

    def may(self, action: str, subject: Subject) -> bool:
        """The same as an answer, for actions on what need not be there."""
        try:
            self.require(Need(action), subject)
        except AwsError:
            return False
        return True

    def explicitly_denied(self, action: str, subject: Subject) -> bool:
        """Whether a policy denies an action that is the caller's without any policy's word."""
        return not self.own and self._decide(action, subject).reason is Reason.EXPLICIT_DENY

    def existing(self, subject: Subject) -> Version:
        """The object; that it is not there is told to who may list the bucket. Raises as `require`."""
        if subject.version is None:
            assert subject.key is not None, "an action on an object names its key"
            try:
                subject.version = find(self._context, self._bucket.name, subject.key, subject.version_id)
            except (AwsError, StoreError):
                if self._may_list(subject.key):
                    raise
                raise AwsError("AccessDenied") from None
        return subject.version

    def _require_on_existing(self, action: str, subject: Subject) -> None:
        by_object_owner = action in actions.BY_OBJECT_ACL and not ownership.enforced(self._bucket)
        if self.own and not by_object_owner:
            return
        decision = _OWN if self.own else self._decide(action, subject)
        if decision.reason is Reason.EXPLICIT_DENY:
            raise self._denied(action, subject, decision)
        version = self.existing(subject)
        if by_object_owner:
            foreign = version.owner.id != self._bucket.owner.id
            if decision.allowed and not foreign:
                return
            if self._shared(action, subject, version):
                return
        elif decision.allowed:
            return
        raise self._denied(action, subject, decision)

    def _shared(self, action: str, subject: Subject, version: Version) -> bool:
        """Whether the ACL of an object, or owning it, allows the caller what is asked."""
        needed = actions.BY_OBJECT_ACL[action]
        principal = self._call.principal
        grants = public_access.counted(self._bucket, ownership.object_acl(self._bucket, version))
        to = acl.granted(grants, principal, needed)
        owns = version.owner.id == principal.id and not principal.anonymous
        if owns and needed in (acl.READ_ACP, acl.WRITE_ACP):
            to = acl.To.CALLER
        return self._passes_on(to, action, subject)

    def _by_acl(self, decision: Decision, action: str, subject: Subject, needed: str) -> bool:
        """Whether the ACL of the bucket allows what policies do not mention."""
        if decision.reason is Reason.EXPLICIT_DENY:
            return False
        grants: Acl = public_access.counted(self._bucket, ownership.bucket_acl(self._bucket))
        return self._passes_on(acl.granted(grants, self._call.principal, needed), action, subject)

    def _passes_on(self, to: acl.To, action: str, subject: Subject) -> bool:
        """Whether what an ACL grants reaches the caller: its own account's policies must let a user have it.

        To everybody includes the users of the bucket's own account, whatever their policies say.
        """
        if to is acl.To.NOBODY:
            return False
        straight = self.own or self._caller.anonymous or (to is acl.To.GROUP and not self.outside)
        if not straight and not self._by_own_account(action, subject):
            return False
        self._call.notes[ACL_REQUIRED] = True
        return True

    def _require_on_new(self, action: str, subject: Subject) -> None:
        """What is set with an object that is made: its ACL is its writer's to give, else the bucket's owner must allow.

        Who may write by the bucket's ACL may write tags with it.
        """
        if self.own:
            return
        decision = self._decide(action, subject)
        if decision.reason is Reason.EXPLICIT_DENY or not self._allowed_on_new(decision, action, subject):
            raise self._denied(action, subject, decision)

    def _allowed_on_new(self, decision: Decision, action: str, subject: Subject) -> bool:
        if action == actions.PUT_ACL:
            return self._caller.anonymous or self._by_own_account(action, subject)
        if decision.allowed:
            return True
        if action == actions.PUT_TAGS and self.outside:
            return self._by_acl(decision, "s3:PutObject", subject, acl.WRITE)
        return False

    def _by_own_account(self, action: str, subject: Subject) -> bool:
        """Whether the policies of the caller's own account allow it; that of a bucket of the account is one of them."""
        policy = None if self.outside else self._policy
        account = self._caller.account
        assert account is not None, "an anonymous caller has no account"
        asked = self._asked(action, subject)
        return decide(asked, self._caller, self._grants, resource_policy=policy, owner_account=account).allowed

    def _may_list(self, key: str) -> bool:
        if self.own:
            return True
        decision = self._decide(actions.LIST, Subject(), prefix=key)
        return decision.allowed or self._by_acl(decision, actions.LIST, Subject(), acl.READ)

    def _decide(self, action: str, subject: Subject, prefix: str | None = None) -> Decision:
        asked = self._asked(action, subject, prefix)
        return decide(asked, self._caller, self._grants, resource_policy=self._policy, owner_account=self._owner)

    def _asked(self, action: str, subject: Subject, prefix: str | None = None) -> Asked:
        about = (subject.key, subject.version_id, prefix)
        if self._keys is None or self._keys[0] != about:
            facts = Facts(self._call, self._owner, subject.version_id, lambda: self._found(subject), prefix)
            self._keys = about, RequestKeys(facts)
        return Asked(action, self._resource(subject), self._keys[1])

    def _found(self, subject: Subject) -> Version | None:
        """The object whose tags a policy asks for."""
        if subject.version is None and subject.key is not None:
            try:
                subject.version = find(self._context, self._bucket.name, subject.key, subject.version_id)
            except (AwsError, StoreError):
                return None
        return subject.version

    def _resource(self, subject: Subject) -> str:
        name = f"arn:aws:s3:::{self._bucket.source or self._bucket.name}"  # a snapshot is under its bucket's policies
        return name if subject.key is None else f"{name}/{subject.key}"

    def _denied(self, action: str, subject: Subject, decision: Decision) -> AwsError:
        """The reason is told to callers of the bucket's own account only."""
        if self.own or self.outside:
            return AwsError("AccessDenied")
        return denied(self._call.principal, action, self._resource(subject), decision)
