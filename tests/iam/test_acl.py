"""Access control lists: what requests ask for, what grants allow."""

from __future__ import annotations

import pytest

from objstore.aws.errors import AwsError
from objstore.aws.principal import ANONYMOUS, Principal
from objstore.iam import acl
from objstore.iam.users import UserEntry, Users
from objstore.store.types import Grant, Owner

ALICE, BOB = Owner("alice-id", "Alice"), Owner("bob-id", "Bob")
USERS = Users(
    "rootkey",
    "rootsecret",
    [
        UserEntry(id=ALICE.id, name=ALICE.name, access_key="AKALICE", secret_key="s1", email="Alice@example.com"),
        UserEntry(id=BOB.id, name=BOB.name, access_key="AKBOB", secret_key="s2"),
    ],
)
BOB_CALLS = Principal(BOB.id, BOB.name, "arn:bob", access_key="AKBOB")


def code_of(function, *arguments) -> str:
    with pytest.raises(AwsError) as caught:
        function(*arguments)
    return caught.value.code


def permissions(grants, caller) -> frozenset[str]:
    return frozenset(one for one in acl.PERMISSIONS if acl.granted(grants, caller, one))


def shown(grants) -> list[tuple[str, str]]:
    return [(grant.id or grant.uri.rpartition("/")[2], grant.permission) for grant in grants]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("private", [("alice-id", "FULL_CONTROL")]),
        ("public-read", [("AllUsers", "READ"), ("alice-id", "FULL_CONTROL")]),
        ("public-read-write", [("AllUsers", "READ"), ("AllUsers", "WRITE"), ("alice-id", "FULL_CONTROL")]),
        ("authenticated-read", [("AuthenticatedUsers", "READ"), ("alice-id", "FULL_CONTROL")]),
        ("log-delivery-write", [("LogDelivery", "WRITE"), ("LogDelivery", "READ_ACP"), ("alice-id", "FULL_CONTROL")]),
        ("bucket-owner-read", [("alice-id", "FULL_CONTROL"), ("bob-id", "READ")]),
        ("bucket-owner-full-control", [("alice-id", "FULL_CONTROL"), ("bob-id", "FULL_CONTROL")]),
    ],
)
def test_canned_lists_grant_what_aws_says(name, expected):
    assert shown(acl.canned(name, ALICE, BOB)) == expected


def test_a_bucket_ignores_what_speaks_of_the_bucket_owner():
    assert acl.canned("bucket-owner-read", ALICE) == acl.private(ALICE)
    assert acl.canned("bucket-owner-full-control", ALICE, ALICE) == acl.private(ALICE)


def test_unknown_canned_lists_are_refused():
    assert code_of(acl.canned, "public-ready", ALICE) == "InvalidArgument"
    assert code_of(acl.canned, "aws-exec-read", ALICE) == "NotImplemented"


def test_grant_headers_name_users_emails_and_groups():
    members = {
        "GrantFullControl": 'id="alice-id"',
        "GrantRead": f'emailAddress="alice@example.com", uri="{acl.ALL_USERS}",id=bob-id',
    }
    grants = acl.requested(members, {"x-amz-grant-write": "id=bob-id"}, USERS, ALICE)
    assert grants is not None
    assert shown(grants) == [
        ("AllUsers", "READ"),
        ("alice-id", "READ"),
        ("bob-id", "READ"),
        ("bob-id", "WRITE"),
        ("alice-id", "FULL_CONTROL"),
    ]
    assert grants[1].display == "Alice"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("id=nobody", "InvalidArgument"),
        ("emailAddress=nobody@example.com", "UnresolvableGrantByEmailAddress"),
        ("uri=http://example.com/group", "InvalidArgument"),
        ("alice-id", "InvalidArgument"),
        ("who=alice-id", "InvalidArgument"),
        ('id="alice-id', "InvalidArgument"),
        ("id=alice-id id=bob-id", "InvalidArgument"),
    ],
)
def test_bad_grant_headers_are_refused(value, code):
    assert code_of(acl.requested, {"GrantRead": value}, {}, USERS, ALICE) == code


def test_canned_and_headers_exclude_each_other():
    assert code_of(acl.requested, {"ACL": "private", "GrantRead": "id=bob-id"}, {}, USERS, ALICE) == "InvalidRequest"
    assert acl.requested({}, {}, USERS, ALICE) is None


def policy(*grants, owner: str = "alice-id"):
    return {"Owner": {"ID": owner}, "Grants": list(grants)}


def test_a_policy_document_becomes_grants_groups_first():
    grants = acl.from_policy(
        policy(
            {"Grantee": {"Type": "CanonicalUser", "ID": "alice-id"}, "Permission": "FULL_CONTROL"},
            {"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "ALICE@example.com"}, "Permission": "READ"},
            {"Grantee": {"Type": "Group", "URI": acl.ALL_USERS}, "Permission": "READ_ACP"},
        ),
        ALICE,
        USERS,
    )
    assert shown(grants) == [("AllUsers", "READ_ACP"), ("alice-id", "FULL_CONTROL"), ("alice-id", "READ")]
    assert acl.from_policy(policy(), ALICE, USERS) == ()


TO_BOB = {"Grantee": {"Type": "CanonicalUser", "ID": "bob-id"}, "Permission": "READ"}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "MalformedACLError"),
        (policy(owner="bob-id"), "AccessDenied"),
        (policy({"Grantee": {"Type": "CanonicalUser", "ID": "_foo"}, "Permission": "READ"}), "InvalidArgument"),
        (policy({"Grantee": {"Type": "CanonicalUser", "ID": "bob-id"}, "Permission": "EAT"}), "MalformedACLError"),
        (policy({"Grantee": {"ID": "bob-id"}, "Permission": "READ"}), "MalformedACLError"),
        (policy({"Permission": "READ"}), "MalformedACLError"),
        (
            policy(*[{"Grantee": {"Type": "CanonicalUser", "ID": "bob-id"}, "Permission": "READ"}] * 101),
            "MalformedACLError",
        ),
    ],
)
def test_bad_policy_documents_are_refused(document, code):
    assert code_of(acl.from_policy, document, ALICE, USERS) == code


@pytest.mark.parametrize(
    ("name", "by_bob", "by_nobody"),
    [
        ("private", set(), set()),
        ("public-read", {"READ"}, {"READ"}),
        ("public-read-write", {"READ", "WRITE"}, {"READ", "WRITE"}),
        ("authenticated-read", {"READ"}, set()),
        ("log-delivery-write", set(), set()),
    ],
)
def test_groups_hold_signed_and_unsigned_callers(name, by_bob, by_nobody):
    grants = acl.canned(name, ALICE)
    assert permissions(grants, BOB_CALLS) == by_bob
    assert permissions(grants, ANONYMOUS) == by_nobody


def test_full_control_is_every_permission():
    assert permissions((acl.user_grant(BOB, "FULL_CONTROL"),), BOB_CALLS) == acl.PERMISSIONS


def test_a_group_reaches_further_than_a_name():
    public = acl.canned("public-read", BOB)
    assert acl.granted(public, BOB_CALLS, "READ") is acl.To.GROUP
    assert acl.granted(public, BOB_CALLS, "WRITE") is acl.To.CALLER
    assert acl.granted(public, ANONYMOUS, "WRITE") is acl.To.NOBODY


def test_nobody_is_never_a_canonical_user():
    owner = Owner(ANONYMOUS.id, "")
    assert permissions(acl.private(owner), ANONYMOUS) == frozenset()


def test_lists_are_shown_as_they_were_given():
    grants = (Grant("Group", "READ", uri=acl.ALL_USERS), acl.user_grant(BOB, "WRITE"))
    assert acl.to_members(grants, ALICE) == {
        "Owner": {"ID": "alice-id", "DisplayName": "Alice"},
        "Grants": [
            {"Grantee": {"Type": "Group", "URI": acl.ALL_USERS}, "Permission": "READ"},
            {"Grantee": {"Type": "CanonicalUser", "ID": "bob-id", "DisplayName": "Bob"}, "Permission": "WRITE"},
        ],
    }
