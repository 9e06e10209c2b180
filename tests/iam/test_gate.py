"""The gate: who passes, by which policies and ACLs, and what the others are told."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Operation, operation_model, resource_of
from objstore.aws.principal import ANONYMOUS, Kind, Principal, Session
from objstore.iam import acl, bucket_policy, gate, public_access
from objstore.iam.bucket_access import ACL_REQUIRED
from objstore.iam.bucket_policy import BucketPolicy
from objstore.iam.context import Context
from objstore.iam.lookup import find
from objstore.iam.policy import Grants, parse
from objstore.iam.policy import Kind as PolicyKind
from objstore.iam.public_access import PublicAccessBlock
from objstore.iam.users import ROOT, Users
from objstore.store import configuration
from objstore.store.errors import NoSuchBucket, NoSuchKey, NoSuchUpload, StoreError
from objstore.store.types import Bucket, Owner, Upload, Version

ALICE, BOB = Owner("alice", "Alice"), Owner("bob", "Bob")
PRIVATE = acl.private(ALICE)
ACCOUNTS = {"alice": "111111111111", "bob": "222222222222", "carol": "333333333333"}


def root_of(name: str, **more: Any) -> Principal:
    account = ACCOUNTS[name]
    return Principal(
        name, name.title(), f"arn:aws:iam::{account}:root", account=account, user_id=account, access_key=name, **more
    )


def user_of(account: str, name: str) -> Principal:
    number = ACCOUNTS[account]
    return Principal(
        *(account, account.title(), f"arn:aws:iam::{number}:user/{name}"),
        access_key=f"AK{name}",
        kind=Kind.USER,
        account=number,
        user_id=f"AIDA{name.upper()}",
        username=name,
    )


CALLERS = {
    "root": Principal(ROOT.id, ROOT.name, "arn", is_root=True),
    "alice": root_of("alice"),
    "bob": root_of("bob"),
    "carol": root_of("carol"),
    "ann": user_of("alice", "ann"),  # a user of Alice's account
    "ben": user_of("bob", "ben"),  # a user of Bob's
    "robot": root_of("alice", session=Session(policies=("{}",), temporary=False)),  # a narrowed key of Alice's
    "nobody": ANONYMOUS,
}


def statement(effect: str, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


IN_BUCKET = ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]


def allow(action: Any, who: Any = "*", resource: Any = "arn:aws:s3:::bucket/*", **more: Any) -> dict[str, Any]:
    return statement("Allow", action, resource, Principal=who, **more)


def deny(action: Any, who: Any = "*", resource: Any = IN_BUCKET, **more: Any) -> dict[str, Any]:
    return statement("Deny", action, resource, Principal=who, **more)


def lets(*actions: str, effect: str = "Allow", resource: Any = "*") -> str:
    """An identity policy."""
    return document(statement(effect, list(actions), resource))


@dataclass
class Case:
    """One bucket of Alice with one object, one upload of Bob and one of Ben; a second bucket for copies."""

    acl: acl.Acl = PRIVATE
    object_acl: acl.Acl | None = None
    owner: Owner = ALICE
    policy: str | None = None
    ownership: str = ""
    block: PublicAccessBlock | None = None
    identity: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    target: Owner = BOB
    target_policy: str | None = None

    def bucket(self, name: str) -> Bucket:
        if name == "target":
            return self._with_policy(Bucket(2, "target", self.target, 0), self.target_policy)
        if name != "bucket":
            raise NoSuchBucket(BucketName=name)
        made = Bucket(1, "bucket", ALICE, 0, acl=self.acl, ownership=self.ownership)
        if self.block is not None:
            made = configuration.changed(made, public_access.SUBJECT, self.block)
        return self._with_policy(made, self.policy)

    seen = bucket

    @staticmethod
    def _with_policy(bucket: Bucket, text: str | None) -> Bucket:
        return bucket if text is None else configuration.changed(bucket, bucket_policy.SUBJECT, BucketPolicy(text))

    def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        self.bucket(bucket)
        if key != "key":
            raise NoSuchKey(Key=key)
        return Version("null", 1, True, False, "e", 4, 0, self.owner, acl=self.object_acl, tags=self.tags)

    @property
    def multipart(self) -> Case:
        """The verbs of uploads."""
        return self

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        initiators = {"of-bob": BOB, "of-ben": Owner("arn:aws:iam::222222222222:user/ben", "ben")}
        if upload_id not in initiators:
            raise NoSuchUpload(UploadId=upload_id)
        return Upload(upload_id, key, 0, BOB, initiators[upload_id])

    # identities

    def grants(self, principal: Principal) -> Grants:
        name = principal.username or ("robot" if principal.session else "")
        text = self.identity.get(name)
        policies = () if text is None else (parse(text, PolicyKind.IDENTITY, name=name),)
        if name == "robot":
            return Grants(session=policies)
        return Grants(policies)

    def account_of(self, canonical_id: str) -> str | None:
        return ACCOUNTS.get(canonical_id)


ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "CopyObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "GetObjectAcl": "s3:GetObjectAcl",
    "GetObjectAttributes": "s3:GetObjectAttributes",
    "GetObjectTagging": "s3:GetObjectTagging",
    "PutObjectAcl": "s3:PutObjectAcl",
    "PutObjectRetention": "s3:PutObjectRetention",
    "GetBucketAcl": "s3:GetBucketAcl",
    "GetBucketPolicy": "s3:GetBucketPolicy",
    "PutBucketPolicy": "s3:PutBucketPolicy",
    "PutBucketAcl": "s3:PutBucketAcl",
    "DeleteBucket": "s3:DeleteBucket",
    "CreateBucket": "s3:CreateBucket",
    "ListBuckets": "s3:ListAllMyBuckets",
}


async def nothing(call: Call, context: Any) -> None: ...


def call_of(caller: str, name: str, headers: dict[str, str] | None = None, **members: Any) -> Call:
    model = operation_model(name)
    named = {"Bucket": "bucket"} if resource_of(model) != "service" else {}
    if resource_of(model) == "object":
        named["Key"] = "key"
    found = Operation(name, model, ACTIONS[name], nothing, frozenset(), resource_of(model))
    request = SimpleNamespace(headers=headers or {}, query=[], client="192.0.2.7", secure=False, tls_version=None)
    return Call(found, request, "id", CALLERS[caller], named | members, SimpleNamespace())  # type: ignore[arg-type]


def outcome(call: Call, case: Case) -> str:
    context = Context(case, Users("k", "s"), identities=case)  # type: ignore[arg-type]
    try:
        asyncio.run(gate.authorise(call, context))
    except (AwsError, StoreError) as error:
        return error.code
    return "pass"


def verdict(caller: str, name: str, case: Case | None = None, **members: Any) -> str:
    """The code of the error, or "pass"."""
    return outcome(call_of(caller, name, **members), case or Case())


def passing(caller: str, names: Any, case: Case, **members: Any) -> set[str]:
    return {name for name in names if verdict(caller, name, case, **members) == "pass"}


ON_BUCKET = [name for name in ACTIONS if name not in ("CreateBucket", "ListBuckets", "CopyObject", "UploadPart")]


@pytest.mark.parametrize("name", ON_BUCKET)
def test_the_deployments_root_and_the_owner_of_the_bucket_pass(name: str) -> None:
    assert verdict("root", name) == verdict("alice", name) == "pass"


@pytest.mark.parametrize("name", ON_BUCKET)
def test_private_is_private(name: str) -> None:
    assert {verdict(caller, name) for caller in ("bob", "carol", "ann", "ben", "nobody")} == {"AccessDenied"}


def test_accounts_make_and_list_buckets_of_their_own_and_users_what_they_are_allowed() -> None:
    assert {verdict(one, "ListBuckets") for one in ("root", "alice", "bob", "nobody")} == {"pass"}
    assert verdict("bob", "CreateBucket") == "pass"
    assert verdict("nobody", "CreateBucket") == verdict("ben", "CreateBucket") == "AccessDenied"
    may = Case(identity={"ben": lets("s3:CreateBucket", resource="arn:aws:s3:::bucket")})
    assert verdict("ben", "CreateBucket", may) == "pass"
    assert verdict("ben", "CreateBucket", may, Bucket="other") == "AccessDenied"
    assert verdict("ben", "ListBuckets", may) == "AccessDenied"
    assert verdict("ben", "ListBuckets", Case(identity={"ben": lets("s3:ListAllMyBuckets")})) == "pass"


# ACLs


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("READ", {"ListObjectsV2"}),
        ("WRITE", {"PutObject", "DeleteObject"}),
        ("READ_ACP", {"GetBucketAcl"}),
        ("WRITE_ACP", {"PutBucketAcl"}),
        ("FULL_CONTROL", {"ListObjectsV2", "PutObject", "DeleteObject", "GetBucketAcl", "PutBucketAcl"}),
    ],
)
def test_the_acl_of_a_bucket_allows_what_aws_says(permission: str, allowed: set[str]) -> None:
    case = Case(acl=(acl.user_grant(BOB, permission),))
    names = ("ListObjectsV2", "PutObject", "DeleteObject", "GetBucketAcl", "PutBucketAcl", "GetObject", "DeleteBucket")
    assert passing("bob", names, case) == allowed
    assert passing("carol", names, case) == passing("ben", names, case) == set()


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ("READ", {"GetObject", "GetObjectAttributes"}),
        ("WRITE", set()),
        ("READ_ACP", {"GetObjectAcl"}),
        ("WRITE_ACP", {"PutObjectAcl"}),
        ("FULL_CONTROL", {"GetObject", "GetObjectAttributes", "GetObjectAcl", "PutObjectAcl"}),
    ],
)
def test_the_acl_of_an_object_allows_what_aws_says(permission: str, allowed: set[str]) -> None:
    case = Case(object_acl=(acl.user_grant(BOB, permission),))
    names = ("GetObject", "GetObjectAttributes", "GetObjectAcl", "PutObjectAcl", "PutObject", "GetObjectTagging")
    assert passing("bob", names, case) == allowed


def test_no_acl_lets_others_delete_a_version() -> None:
    case = Case(acl=acl.canned("public-read-write", ALICE))
    assert verdict("bob", "DeleteObject", case) == "pass"
    assert verdict("bob", "DeleteObject", case, VersionId="null") == "AccessDenied"


def test_groups_let_the_unsigned_in() -> None:
    public, signed = (Case(object_acl=acl.canned(name, ALICE)) for name in ("public-read", "authenticated-read"))
    assert verdict("nobody", "GetObject", public) == verdict("carol", "GetObject", signed) == "pass"
    assert verdict("nobody", "GetObject", signed) == "AccessDenied"
    assert verdict("nobody", "PutObject", Case(acl=acl.canned("public-read-write", ALICE))) == "pass"


def test_what_an_acl_grants_to_an_account_is_that_accounts_to_pass_on() -> None:
    shared = {"object_acl": (acl.user_grant(BOB, "READ"),)}
    assert verdict("ben", "GetObject", Case(**shared)) == "AccessDenied"  # type: ignore[arg-type]
    assert verdict("ben", "GetObject", Case(**shared, identity={"ben": lets("s3:GetObject")})) == "pass"  # type: ignore[arg-type]
    public = {"object_acl": acl.canned("public-read", ALICE)}
    assert verdict("ben", "GetObject", Case(**public)) == "AccessDenied"  # type: ignore[arg-type]
    assert verdict("ann", "GetObject", Case(**public)) == "pass"  # type: ignore[arg-type]


def test_a_grant_may_name_a_user() -> None:
    to_ben = (acl.user_grant(Owner("AIDABEN"), "READ"),)
    assert verdict("ben", "GetObject", Case(object_acl=to_ben, identity={"ben": lets("s3:*")})) == "pass"
    assert verdict("bob", "GetObject", Case(object_acl=to_ben)) == "AccessDenied"


def test_that_only_an_acl_allowed_it_is_noted() -> None:
    public = Case(object_acl=acl.canned("public-read", ALICE), policy=document(allow("s3:GetObject", {"AWS": "bob"})))
    for caller, noted in (("nobody", True), ("alice", None), ("root", None)):
        call = call_of(caller, "GetObject")
        assert outcome(call, public) == "pass"
        assert call.notes.get(ACL_REQUIRED) is noted
    by_policy = call_of("nobody", "GetObject")
    assert outcome(by_policy, Case(object_acl=public.object_acl, policy=document(allow("s3:GetObject")))) == "pass"
    assert ACL_REQUIRED not in by_policy.notes


# ownership


def test_the_owner_of_an_object_keeps_its_acl() -> None:
    assert verdict("bob", "GetObject", Case(owner=BOB)) == "pass"
    emptied = Case(owner=BOB, object_acl=())
    assert passing("bob", ("GetObject", "GetObjectAcl", "PutObjectAcl"), emptied) == {"GetObjectAcl", "PutObjectAcl"}


def test_what_belongs_to_another_is_not_the_bucket_owners_to_read_or_share() -> None:
    foreign = Case(owner=BOB, policy=document(allow("s3:*", resource=IN_BUCKET)))
    names = ("GetObject", "GetObjectAcl", "PutObjectAcl", "DeleteObject", "GetObjectTagging", "PutObject")
    assert passing("alice", names, Case(owner=BOB)) == {"DeleteObject", "GetObjectTagging", "PutObject"}
    assert passing("carol", names, foreign) == {"DeleteObject", "GetObjectTagging", "PutObject"}
    given = acl.canned("bucket-owner-full-control", BOB, ALICE)
    assert passing("alice", names, Case(owner=BOB, object_acl=given)) == set(names)
    assert verdict("root", "GetObject", foreign) == "pass"


def test_ownership_enforced_leaves_it_all_to_the_bucket_owner() -> None:
    case = Case(owner=BOB, object_acl=acl.canned("public-read", BOB), ownership="BucketOwnerEnforced")
    assert verdict("alice", "GetObject", case) == "pass"
    assert verdict("bob", "GetObject", case) == verdict("nobody", "GetObject", case) == "AccessDenied"
    case.policy = document(allow("s3:GetObject"))
    assert verdict("nobody", "GetObject", case) == "pass"


# policies


def test_a_bucket_policy_allows_whom_it_names() -> None:
    case = Case(policy=document(allow("s3:GetObject", {"AWS": "arn:aws:iam::222222222222:root"})))
    assert verdict("bob", "GetObject", case) == "pass"
    assert verdict("carol", "GetObject", case) == verdict("nobody", "GetObject", case) == "AccessDenied"
    assert verdict("bob", "PutObject", case) == "AccessDenied"


def test_between_accounts_both_sides_must_allow() -> None:
    ben = {"AWS": CALLERS["ben"].arn}
    assert verdict("ben", "GetObject", Case(policy=document(allow("s3:GetObject", ben)))) == "AccessDenied"
    assert verdict("ben", "GetObject", Case(identity={"ben": lets("s3:*")})) == "AccessDenied"
    both = Case(policy=document(allow("s3:GetObject", ben)), identity={"ben": lets("s3:GetObject")})
    assert verdict("ben", "GetObject", both) == "pass"


def test_within_an_account_one_side_is_enough() -> None:
    assert verdict("ann", "GetObject", Case(identity={"ann": lets("s3:GetObject")})) == "pass"
    assert (
        verdict("ann", "GetObject", Case(policy=document(allow("s3:GetObject", {"AWS": CALLERS["ann"].arn})))) == "pass"
    )


def test_an_explicit_deny_wins_over_acls_identities_and_the_owner() -> None:
    case = Case(
        object_acl=acl.canned("public-read", ALICE),
        policy=document(deny("s3:GetObject"), allow("s3:*", resource=IN_BUCKET)),
        identity={"ann": lets("s3:*")},
    )
    assert {verdict(one, "GetObject", case) for one in ("alice", "ann", "bob", "nobody")} == {"AccessDenied"}
    assert verdict("root", "GetObject", case) == "pass"
    of_identity = Case(object_acl=case.object_acl, identity={"ann": lets("s3:GetObject", effect="Deny")})
    assert verdict("ann", "GetObject", of_identity) == "AccessDenied"


def test_the_owners_root_can_always_repair_the_policy() -> None:
    locked = Case(policy=document(deny("s3:*")), identity={"ann": lets("s3:*")})
    assert passing("alice", ("GetBucketPolicy", "PutBucketPolicy"), locked) == {"GetBucketPolicy", "PutBucketPolicy"}
    assert verdict("alice", "GetBucketAcl", locked) == verdict("ann", "PutBucketPolicy", locked) == "AccessDenied"


def test_a_policy_is_its_own_accounts_alone_to_see() -> None:
    open_to_bob = Case(policy=document(allow("s3:*", {"AWS": "222222222222"}, IN_BUCKET)))
    assert verdict("bob", "GetBucketAcl", open_to_bob) == "pass"
    assert verdict("bob", "GetBucketPolicy", open_to_bob) == "MethodNotAllowed"
    assert verdict("carol", "GetBucketPolicy", open_to_bob) == "AccessDenied"


def test_a_narrowed_key_of_the_owner_may_do_what_is_left() -> None:
    assert verdict("robot", "GetObject", Case(identity={"robot": lets("s3:GetObject")})) == "pass"
    assert verdict("robot", "PutObject", Case(identity={"robot": lets("s3:GetObject")})) == "AccessDenied"


def test_the_reason_is_told_within_the_account_only() -> None:
    def told(caller: str, case: Case) -> str:
        context = Context(case, Users("k", "s"), identities=case)  # type: ignore[arg-type]
        with pytest.raises(AwsError) as caught:
            asyncio.run(gate.authorise(call_of(caller, "GetObject"), context))
        return caught.value.message

    assert told("ann", Case()) == (
        "User: arn:aws:iam::111111111111:user/ann is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::bucket/key" because no identity-based policy allows the s3:GetObject action'
    )
    assert told("ann", Case(policy=document(deny("s3:*")))).endswith("with an explicit deny in a resource-based policy")
    assert told("ben", Case(policy=document(deny("s3:*")))) == "Access Denied"


# public access block


def test_a_public_bucket_may_be_restricted_to_its_account() -> None:
    public = document(allow("s3:GetObject"))
    case = Case(policy=public, block=PublicAccessBlock(restrict_public_buckets=True), identity={"ann": lets("s3:*")})
    assert {verdict(one, "GetObject", case) for one in ("bob", "nobody")} == {"AccessDenied"}
    assert verdict("ann", "GetObject", case) == verdict("alice", "GetObject", case) == "pass"
    case.policy = document(allow("s3:GetObject", {"AWS": "222222222222"}))
    assert verdict("bob", "GetObject", case) == "pass"


def test_public_acls_are_ignored_where_told() -> None:
    case = Case(
        acl=acl.canned("public-read", ALICE),
        object_acl=acl.canned("public-read", ALICE),
        block=PublicAccessBlock(ignore_public_acls=True),
    )
    assert {verdict("nobody", name, case) for name in ("GetObject", "ListObjectsV2")} == {"AccessDenied"}


# what is not there


def test_what_is_not_there_is_told_to_who_may_list() -> None:
    assert verdict("carol", "GetObject", Key="gone") == "AccessDenied"
    listable = Case(acl=acl.canned("public-read", ALICE))
    assert verdict("carol", "GetObject", listable, Key="gone") == "NoSuchKey"
    assert {verdict(caller, "GetObject", Bucket="gone") for caller in CALLERS} == {"NoSuchBucket"}
    by_prefix = {"StringLike": {"s3:prefix": "public/*"}}
    policy = document(allow("s3:ListBucket", resource="arn:aws:s3:::bucket", Condition=by_prefix))
    assert verdict("nobody", "GetObject", Case(policy=policy), Key="public/gone") == "NoSuchKey"
    assert verdict("nobody", "GetObject", Case(policy=policy), Key="private/gone") == "AccessDenied"
    assert verdict("nobody", "GetObject", Case(policy=document(allow("s3:GetObject"))), Key="gone") == "AccessDenied"


def test_a_delete_marker_is_told_of() -> None:
    marker = Version("0f", 2, False, True, "", 0, 0, ALICE)

    class Marked(Case):
        def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
            raise NoSuchKey(Key=key, marker=marker)

    context = Context(Marked(), Users("k", "s"))  # type: ignore[arg-type]
    with pytest.raises(AwsError) as caught:
        find(context, "bucket", "key", None)
    assert caught.value.headers["x-amz-delete-marker"] == "true"
    assert caught.value.headers["x-amz-version-id"] == "0f"


def test_another_bucket_owner_than_expected_is_denied_to_all() -> None:
    assert verdict("root", "GetObject", ExpectedBucketOwner="bob") == "AccessDenied"
    for expected in ("alice", "111111111111"):
        assert verdict("alice", "GetObject", ExpectedBucketOwner=expected) == "pass"


# several actions at once


@pytest.mark.parametrize(
    ("name", "members", "action"),
    [
        ("GetObject", {"VersionId": "null"}, "s3:GetObjectVersion"),
        ("GetObjectAcl", {"VersionId": "null"}, "s3:GetObjectVersionAcl"),
        ("GetObjectTagging", {"VersionId": "null"}, "s3:GetObjectVersionTagging"),
        ("PutObjectAcl", {"VersionId": "null"}, "s3:PutObjectVersionAcl"),
        ("DeleteObject", {"VersionId": "null"}, "s3:DeleteObjectVersion"),
    ],
)
def test_a_version_has_actions_of_its_own(name: str, members: dict[str, str], action: str) -> None:
    assert verdict("ann", name, Case(identity={"ann": lets(ACTIONS[name])}), **members) == "AccessDenied"
    assert verdict("ann", name, Case(identity={"ann": lets(action)}), **members) == "pass"


@pytest.mark.parametrize(
    ("name", "members", "action"),
    [
        ("PutObject", {"Tagging": "a=b"}, "s3:PutObjectTagging"),
        ("PutObject", {"ACL": "public-read"}, "s3:PutObjectAcl"),
        ("PutObject", {"GrantRead": "id=x"}, "s3:PutObjectAcl"),
        ("PutObject", {"ObjectLockMode": "GOVERNANCE"}, "s3:PutObjectRetention"),
        ("PutObject", {"ObjectLockLegalHoldStatus": "ON"}, "s3:PutObjectLegalHold"),
        ("DeleteObject", {"BypassGovernanceRetention": True}, "s3:BypassGovernanceRetention"),
        ("PutObjectRetention", {"BypassGovernanceRetention": True}, "s3:BypassGovernanceRetention"),
        ("GetObjectAttributes", {}, "s3:GetObject"),
        ("CreateBucket", {"ACL": "public-read"}, "s3:PutBucketAcl"),
        ("CreateBucket", {"CreateBucketConfiguration": {"Tags": [{"Key": "a", "Value": "b"}]}}, "s3:TagResource"),
        ("CreateBucket", {"ObjectOwnership": "BucketOwnerEnforced"}, "s3:PutBucketOwnershipControls"),
        ("CreateBucket", {"ObjectLockEnabledForBucket": True}, "s3:PutBucketObjectLockConfiguration"),
    ],
)
def test_what_is_asked_for_beside_is_allowed_apart(name: str, members: dict[str, Any], action: str) -> None:
    own = ACTIONS[name]
    assert verdict("ann", name, Case(identity={"ann": lets(own)}), **members) == "AccessDenied"
    assert (
        verdict("ann", name, Case(identity={"ann": lets(own, action, "s3:PutBucketVersioning")}), **members) == "pass"
    )
    assert verdict("alice", name, Case(), **members) == "pass"


def test_an_acl_of_ones_own_object_is_ones_own_accounts_to_allow() -> None:
    writes = document(allow("s3:PutObject", {"AWS": "222222222222"}))
    assert verdict("bob", "PutObject", Case(policy=writes), ACL="public-read") == "pass"
    assert verdict("ben", "PutObject", Case(policy=writes, identity={"ben": lets("s3:PutObject")})) == "pass"
    for may, expected in ((("s3:PutObject",), "AccessDenied"), (("s3:PutObject", "s3:PutObjectAcl"), "pass")):
        assert verdict("ben", "PutObject", Case(policy=writes, identity={"ben": lets(*may)}), ACL="private") == expected
    refusing = document(allow("s3:PutObject"), deny("s3:PutObjectAcl", resource="arn:aws:s3:::bucket/*"))
    assert verdict("bob", "PutObject", Case(policy=refusing), ACL="public-read") == "AccessDenied"
    assert verdict("bob", "PutObject", Case(policy=writes), Tagging="a=b") == "AccessDenied"


def test_who_writes_by_acl_may_tag_and_share_what_it_writes() -> None:
    case = Case(acl=acl.canned("public-read-write", ALICE))
    assert verdict("nobody", "PutObject", case, Tagging="a=b", ACL="public-read") == "pass"
    assert verdict("nobody", "PutObject", case, ObjectLockMode="GOVERNANCE") == "AccessDenied"


def test_a_copy_reads_its_source() -> None:
    def copy(caller: str, case: Case, source: str = "bucket/key", **members: Any) -> str:
        return verdict(caller, "CopyObject", case, Bucket="target", CopySource=source, **members)

    assert copy("bob", Case()) == "AccessDenied"
    assert copy("bob", Case(object_acl=acl.canned("public-read", ALICE))) == "pass"
    assert copy("bob", Case(policy=document(allow("s3:GetObject")))) == "pass"
    version = "bucket/key?versionId=null"
    assert copy("bob", Case(policy=document(allow("s3:GetObject"))), version) == "AccessDenied"
    assert copy("bob", Case(policy=document(allow("s3:GetObjectVersion"))), version) == "pass"
    assert copy("bob", Case(), "bucket/gone") == "AccessDenied"
    assert copy("bob", Case(), "gone/key") == "NoSuchBucket"
    assert copy("root", Case(), ExpectedSourceBucketOwner="bob") == "AccessDenied"
    assert copy("carol", Case(policy=document(allow("s3:GetObject")))) == "AccessDenied"


def test_a_copy_of_tags_needs_to_read_and_write_them() -> None:
    tagged = {"tags": {"a": "b"}, "target": ALICE}
    copying = {"Bucket": "target", "CopySource": "bucket/key"}
    may = lets("s3:GetObject", "s3:PutObject")
    assert verdict("ann", "CopyObject", Case(**tagged, identity={"ann": may}), **copying) == "AccessDenied"  # type: ignore[arg-type]
    for more in ("s3:GetObjectTagging", "s3:PutObjectTagging"):
        one = lets("s3:GetObject", "s3:PutObject", more)
        assert verdict("ann", "CopyObject", Case(**tagged, identity={"ann": one}), **copying) == "AccessDenied"  # type: ignore[arg-type]
    both = lets("s3:GetObject", "s3:PutObject", "s3:GetObjectTagging", "s3:PutObjectTagging")
    assert verdict("ann", "CopyObject", Case(**tagged, identity={"ann": both}), **copying) == "pass"  # type: ignore[arg-type]
    assert (
        verdict("ann", "CopyObject", Case(**tagged, identity={"ann": may}), TaggingDirective="REPLACE", **copying)
        == "pass"
    )  # type: ignore[arg-type]


def test_keys_are_deleted_one_by_one() -> None:
    def may_delete(caller: str, case: Case, **members: Any) -> list[bool]:
        found = Operation(
            "DeleteObjects", operation_model("DeleteObjects"), "s3:DeleteObject", nothing, frozenset(), "bucket"
        )
        call = call_of(caller, "ListObjectsV2", **members)
        call.operation = found
        context = Context(case, Users("k", "s"), identities=case)  # type: ignore[arg-type]
        asyncio.run(gate.authorise(call, context))
        decide = gate.deletions(call, context)
        return [decide("key", None), decide("other", None), decide("key", "null")]

    assert may_delete("root", Case()) == may_delete("alice", Case()) == [True] * 3
    assert may_delete("nobody", Case()) == [False] * 3
    one = Case(identity={"ann": lets("s3:DeleteObject", resource="arn:aws:s3:::bucket/key")})
    assert may_delete("ann", one) == [True, False, False]
    assert may_delete("ann", one, BypassGovernanceRetention=True) == [False] * 3


# uploads


def test_an_upload_is_for_who_began_it() -> None:
    shared = Case(acl=acl.canned("public-read-write", ALICE))
    for name in ("UploadPart", "AbortMultipartUpload"):
        assert verdict("bob", name, shared, UploadId="of-bob") == "pass"
        assert verdict("bob", name, shared, UploadId="of-ben") == "pass"
        assert verdict("alice", name, shared, UploadId="of-bob") == "pass"
        assert verdict("carol", name, shared, UploadId="of-bob") == "AccessDenied"
        assert verdict("carol", name, shared, UploadId="unknown") == "pass"


def test_who_began_an_upload_may_abort_it_unless_that_is_denied() -> None:
    assert verdict("ben", "AbortMultipartUpload", UploadId="of-ben") == "pass"
    assert verdict("bob", "AbortMultipartUpload", UploadId="of-ben") == "AccessDenied"
    assert verdict("ben", "UploadPart", UploadId="of-ben") == "AccessDenied"
    denied = Case(policy=document(deny("s3:AbortMultipartUpload", resource="arn:aws:s3:::bucket/*")))
    assert verdict("ben", "AbortMultipartUpload", denied, UploadId="of-ben") == "AccessDenied"


# conditions reach the request


def test_tags_of_the_object_decide() -> None:
    public = {"StringEquals": {"s3:ExistingObjectTag/security": "public"}}
    policy = document(allow("s3:GetObject", Condition=public))
    assert verdict("nobody", "GetObject", Case(policy=policy, tags={"security": "public"})) == "pass"
    assert verdict("nobody", "GetObject", Case(policy=policy, tags={"security": "secret"})) == "AccessDenied"
    assert verdict("nobody", "GetObject", Case(policy=policy)) == "AccessDenied"
