"""What operations answer, over a store that only remembers what it was asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

import objstore.s3.operations  # noqa: F401
from objstore.aws.errors import AwsError
from objstore.aws.operation import REGISTRY, Call, Reply
from objstore.aws.principal import ANONYMOUS, Principal
from objstore.blobs.running import Read
from objstore.iam import acl
from objstore.iam.context import Context
from objstore.iam.policy import Grants
from objstore.iam.users import ROOT, Users
from objstore.store.errors import BucketAlreadyOwnedByYou, NoSuchKey, PreconditionFailed
from objstore.store.types import Bucket, Checksum, Deleted, Entry, Owner, Page, Version

DATA = b"0123456789"
STAMP = 1_700_000_000
OWNER = Owner(ROOT.id, ROOT.name)
OBJECT = Version(
    "null",
    1,
    True,
    False,
    "abc",
    len(DATA),
    STAMP * 1_000_000,
    OWNER,
    metadata={"name": "ü"},
    headers={"content-type": "text/plain", "expires": "never"},
    checksum=Checksum("CRC32", "AAAAAA=="),
)


class Recorder:
    """A bucket with one object `key`; verbs that write are written down in `asked`."""

    def __init__(self, versioning: str = "", outcomes: list[Any] | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._bucket = Bucket(1, "bucket", OWNER, 0, versioning=versioning, acl=acl.private(OWNER))
        self._outcomes = outcomes or []

    def bucket(self, name: str) -> Bucket:
        return self._bucket

    seen = bucket

    def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        if key != "key":
            raise NoSuchKey(Key=key)
        return OBJECT

    def read_now(self, version: Version, start: int, length: int, key: None) -> None:
        return None

    async def begin_read(self) -> Read:
        return Read(lambda: None)

    async def read(self, version: Version, start: int, length: int, key: None, begun: Read) -> Any:
        yield DATA[start : start + length]

    async def create_bucket(self, name: str, owner: Owner, **options: Any) -> Bucket:
        raise BucketAlreadyOwnedByYou(BucketName=name)

    async def delete_many(self, bucket: str, items: list[Any]) -> list[Any]:
        self.asked += [(item.key, item.version_id, item.conditions) for item in items]
        return self._outcomes[: len(items)]

    async def list_objects(self, bucket: str, **options: Any) -> Page[Entry]:
        self.asked.append(tuple(options.items()))
        return Page([Entry("a b", OBJECT)], ["c d/"], "c d/")


def ask(name: str, store: Any = None, principal: Principal | None = None, headers: Any = None, **members: Any) -> Any:
    operation = REGISTRY.get(name)
    assert operation is not None
    named = {"Bucket": "bucket", "Key": "key"} if operation.resource == "object" else {"Bucket": "bucket"}
    request = SimpleNamespace(headers=headers or {}, query=[], secure=False, host="localhost")
    caller = principal or Principal(ROOT.id, ROOT.name, "arn", is_root=True)
    call = Call(operation, request, "id", caller, named | members, SimpleNamespace())  # type: ignore[arg-type]
    nobodys = SimpleNamespace(grants=lambda principal: Grants(), account_of=lambda owner: None)
    context = Context(store or Recorder(), Users("k", "s"), identities=nobodys)
    return asyncio.run(operation.handler(call, context))  # type: ignore[arg-type]


def code_of(name: str, **arguments: Any) -> str:
    with pytest.raises(AwsError) as caught:
        ask(name, **arguments)
    return caught.value.code


async def collect(pieces: Any) -> bytes:
    return b"".join([bytes(piece) async for piece in pieces])


def test_an_object_is_told_whole():
    reply: Reply = ask("GetObject", ChecksumMode="ENABLED")
    members = dict(reply.members)
    assert asyncio.run(collect(members.pop("Body"))) == DATA
    assert members == {
        "AcceptRanges": "bytes",
        "LastModified": datetime.fromtimestamp(STAMP, UTC),
        "ETag": '"abc"',
        "ContentType": "text/plain",
        "Metadata": {"name": "=?UTF-8?B?w7w=?="},
        "ContentLength": 10,
        "ChecksumCRC32": "AAAAAA==",
        "ChecksumType": "FULL_OBJECT",
    }
    assert (reply.status, reply.headers) == (None, {"expires": "never"})


def test_a_range_is_told_as_such_and_head_says_the_same():
    reply = ask("GetObject", Range="bytes=2-4", ChecksumMode="ENABLED")
    assert asyncio.run(collect(reply.members["Body"])) == b"234"
    head = ask("HeadObject", Range="bytes=2-4")
    assert reply.status == head.status == 206
    assert head.members["ContentRange"] == "bytes 2-4/10" and head.members["ContentLength"] == 3
    assert {name: value for name, value in reply.members.items() if name != "Body"} == head.members


@pytest.mark.parametrize(
    ("if_range", "status"),
    [('"abc"', 206), ('"other"', None), ("Tue, 14 Nov 2023 22:13:20 GMT", 206), ("yesterday", None), ("*", None)],
)
def test_a_range_of_another_state_is_the_whole(if_range, status):
    assert ask("HeadObject", headers={"if-range": if_range}, Range="bytes=2-4").status == status


def test_version_ids_are_told_where_they_exist():
    assert "VersionId" not in ask("HeadObject").members
    assert ask("HeadObject", Recorder("Suspended")).members["VersionId"] == "null"


def test_what_the_client_has_is_not_sent_again():
    with pytest.raises(AwsError) as caught:
        ask("GetObject", IfNoneMatch='"abc"')
    assert (caught.value.code, caught.value.status) == ("NotModified", 304)
    assert caught.value.headers["etag"] == '"abc"' and caught.value.headers["expires"] == "never"
    with pytest.raises(PreconditionFailed):
        ask("GetObject", IfMatch='"other"')
    ask("GetObject", IfMatch='"abc"', IfUnmodifiedSince=datetime.fromtimestamp(0, UTC))


def test_only_who_signs_chooses_headers_of_the_answer():
    members = {"ResponseContentType": "foo/bar", "ResponseExpires": datetime.fromtimestamp(0, UTC)}
    assert ask("HeadObject", **members).members["ContentType"] == "foo/bar"
    for name, value in members.items():
        assert code_of("HeadObject", principal=ANONYMOUS, **{name: value}) == "InvalidRequest"


def test_deletes_tell_what_happened_to_each_key():
    outcomes = [Deleted(), Deleted("m1", True), Deleted("v1", True), PreconditionFailed(Condition="If-Match")]
    store = Recorder("Enabled", outcomes)
    wanted = [
        {"Key": "a"},
        {"Key": "b"},
        {"Key": "c", "VersionId": "v1"},
        {"Key": "x" * 1025},
        {"Key": "d", "ETag": "e"},
    ]
    answer = ask("DeleteObjects", store, headers={"content-md5": "x"}, Delete={"Objects": wanted})
    assert answer["Deleted"] == [
        {"Key": "a"},
        {"Key": "b", "DeleteMarker": True, "DeleteMarkerVersionId": "m1"},
        {"Key": "c", "VersionId": "v1", "DeleteMarker": True, "DeleteMarkerVersionId": "v1"},
    ]
    assert [(one["Key"][:2], one["Code"]) for one in answer["Errors"]] == [
        ("xx", "KeyTooLongError"),
        ("d", "PreconditionFailed"),
    ]
    assert [asked[0] for asked in store.asked] == ["a", "b", "c", "d"]
    assert store.asked[3][2].if_match == "e"


def test_quiet_deletes_tell_errors_alone():
    delete = {"Objects": [{"Key": "a"}], "Quiet": True}
    assert ask("DeleteObjects", Recorder(outcomes=[Deleted()]), headers={"content-md5": "x"}, Delete=delete) == {}
    refused = ask("DeleteObjects", principal=ANONYMOUS, headers={"x-amz-checksum-crc32": "x"}, Delete=delete)
    assert [one["Code"] for one in refused["Errors"]] == ["AccessDenied"]


def test_bad_delete_documents_are_refused():
    md5 = {"content-md5": "x"}
    assert code_of("DeleteObjects", headers=md5, Delete={"Objects": [{"Key": "a"}] * 1001}) == "MalformedXML"
    assert code_of("DeleteObjects", headers=md5, Delete={"Objects": []}) == "MalformedXML"
    assert code_of("DeleteObjects", headers=md5, Delete={"Objects": [{}]}) == "MalformedXML"
    assert code_of("DeleteObjects", Delete={"Objects": [{"Key": "a"}]}) == "InvalidRequest"


def test_a_copy_onto_itself_must_change_something():
    assert code_of("CopyObject", CopySource="bucket/key") == "InvalidRequest"
    assert code_of("CopyObject", CopySource="bucket/key", MetadataDirective="REUSE") == "InvalidArgument"
    assert code_of("CopyObject", CopySource="bucket/key", TaggingDirective="REPLACE") == "InvalidRequest"
    assert code_of("RenameObject", RenameSource="bucket/key") == "InvalidRequest"
    assert code_of("RenameObject", RenameSource="other/key") == "InvalidArgument"


def test_listings_are_encoded_and_continued():
    first = ask("ListObjectsV2", EncodingType="url", Delimiter="/", Prefix="", FetchOwner=True)
    assert first["Contents"][0]["Key"] == "a%20b" and first["Contents"][0]["Owner"]["ID"] == ROOT.id
    assert first["CommonPrefixes"] == [{"Prefix": "c%20d/"}]
    assert (first["KeyCount"], first["IsTruncated"], first["MaxKeys"]) == (2, True, 1000)
    store = Recorder()
    ask("ListObjectsV2", store, ContinuationToken=first["NextContinuationToken"], StartAfter="a")
    assert dict(store.asked[0])["after"] == "c d/"
    old = ask("ListObjects", Delimiter="/")
    assert (old["Marker"], old["NextMarker"]) == ("", "c d/")
    assert "NextMarker" not in ask("ListObjects")


def test_an_empty_page_asks_nothing():
    store = Recorder()
    answer = ask("ListObjects", store, MaxKeys=0)
    assert (answer["Contents"], answer["IsTruncated"], store.asked) == ([], False, [])


def test_a_bucket_is_made_again_only_as_it_is():
    assert ask("CreateBucket") == {"Location": "/bucket"}
    assert code_of("CreateBucket", ACL="public-read") == "BucketAlreadyExists"
    tags = {"Tags": [{"Key": "k", "Value": "v"}]}
    assert code_of("CreateBucket", CreateBucketConfiguration=tags) == "BucketAlreadyExists"
    assert code_of("CreateBucket", ObjectLockEnabledForBucket=True) == "BucketAlreadyExists"
    assert code_of("CreateBucket", CreateBucketConfiguration={"Location": {"Name": "x"}}) == "NotImplemented"


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({}, "IllegalVersioningConfigurationException"),
        ({"Status": "On"}, "MalformedXML"),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, "NotImplemented"),
    ],
)
def test_bad_versioning_is_refused(configuration, code):
    assert code_of("PutBucketVersioning", VersioningConfiguration=configuration) == code


def test_a_completion_names_its_parts():
    for document in (None, {}, {"Parts": []}, {"Parts": [{"PartNumber": 1}]}, {"Parts": [{"ETag": "e"}]}):
        assert code_of("CompleteMultipartUpload", UploadId="u", MultipartUpload=document) == "MalformedXML"
    assert code_of("CreateMultipartUpload", ChecksumType="COMPOSITE") == "InvalidRequest"


def test_an_acl_is_given_once():
    policy = {"Owner": {"ID": ROOT.id}, "Grants": []}
    assert code_of("PutBucketAcl") == "MissingSecurityHeader"
    assert code_of("PutBucketAcl", ACL="private", AccessControlPolicy=policy) == "UnexpectedContent"
    assert ask("GetObjectAcl")["Grants"][0]["Permission"] == "FULL_CONTROL"
