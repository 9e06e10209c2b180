"""The public access block: what of ACLs and policies would open a bucket to everybody is refused or ignored.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.front.people import BOB
from tests.front.wire import refused

MEMBERS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
PUBLIC = [{"ACL": "public-read"}, {"ACL": "authenticated-read"}]
PUBLIC.append({"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'})


def block(client: Any, bucket: str, *members: str) -> None:
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(members, True))


def test_a_block_comes_back_whole(alice: Any, shelf: str) -> None:
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        alice.get_public_access_block(Bucket=shelf)
    for member in MEMBERS:
        block(alice, shelf, member)
        found = alice.get_public_access_block(Bucket=shelf)["PublicAccessBlockConfiguration"]
        assert found == {one: one == member for one in MEMBERS}
    for _ in range(2):
        alice.delete_public_access_block(Bucket=shelf)
    with refused("NoSuchPublicAccessBlockConfiguration", 404):
        alice.get_public_access_block(Bucket=shelf)


@pytest.mark.parametrize("public", PUBLIC)
def test_public_acls_are_blocked(alice: Any, shelf: str, public: dict[str, str]) -> None:
    alice.put_object(Bucket=shelf, Key="k", Body=b"")
    block(alice, shelf, "BlockPublicAcls")
    with refused("AccessDenied", 403):
        alice.put_bucket_acl(Bucket=shelf, **public)
    with refused("AccessDenied", 403):
        alice.put_object_acl(Bucket=shelf, Key="k", **public)
    with refused("AccessDenied", 403):
        alice.put_object(Bucket=shelf, Key="new", Body=b"", **public)
    with refused("AccessDenied", 403):
        alice.copy_object(Bucket=shelf, Key="new", CopySource=f"{shelf}/k", **public)
    with refused("AccessDenied", 403):
        alice.create_multipart_upload(Bucket=shelf, Key="new", **public)
    alice.put_object(Bucket=shelf, Key="new", Body=b"", GrantRead=f"id={BOB.id}")
    alice.put_bucket_acl(Bucket=shelf, ACL="private")


def test_public_acls_that_are_there_are_ignored(alice: Any, bob: Any, nobody: Any, shelf: str) -> None:
    alice.put_bucket_acl(Bucket=shelf, ACL="public-read-write")
    alice.put_object(Bucket=shelf, Key="public", Body=b"", ACL="public-read")
    alice.put_object(Bucket=shelf, Key="granted", Body=b"", GrantRead=f"id={BOB.id}")
    nobody.put_object(Bucket=shelf, Key="anybody", Body=b"")
    nobody.get_object(Bucket=shelf, Key="public")
    block(alice, shelf, "IgnorePublicAcls")
    for one in (bob, nobody):
        with refused("AccessDenied", 403):
            one.list_objects_v2(Bucket=shelf)
        with refused("AccessDenied", 403):
            one.get_object(Bucket=shelf, Key="public")
        with refused("AccessDenied", 403):
            one.put_object(Bucket=shelf, Key="anybody", Body=b"")
    bob.get_object(Bucket=shelf, Key="granted")
    alice.put_bucket_acl(Bucket=shelf, ACL="public-read")
    with refused("AccessDenied", 403):
        nobody.list_objects_v2(Bucket=shelf)
    alice.delete_public_access_block(Bucket=shelf)
    nobody.list_objects_v2(Bucket=shelf)
