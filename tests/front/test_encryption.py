"""Server-side encryption by every scheme: what is put is got, by ranges, parts and copies, and the drives tell nothing.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.front.wire import refused
from tests.harness import Running

MIB = 1 << 20
KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
CHUNK = 65_520

S3 = {"ServerSideEncryption": "AES256"}
KMS = {"ServerSideEncryption": "aws:kms"}
BUCKET_KEY = {**KMS, "BucketKeyEnabled": True}


def customer(key: bytes) -> dict[str, str]:
    """The key as its headers have it: botocore does that by itself for some operations only."""
    md5 = base64.b64encode(hashlib.md5(key).digest()).decode()
    encoded = base64.b64encode(key).decode()
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": encoded, "SSECustomerKeyMD5": md5}


CUSTOMER, OTHER = customer(KEY), customer(OTHER_KEY)
SCHEMES = {"sse-s3": S3, "sse-kms": KMS, "bucket-key": BUCKET_KEY, "sse-c": CUSTOMER}
every_scheme = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def reading(scheme: dict[str, Any]) -> dict[str, Any]:
    """What a read of an object of this scheme must bring."""
    return {name: value for name, value in scheme.items() if name.startswith("SSECustomer")}


def of_source(scheme: dict[str, Any]) -> dict[str, Any]:
    """The same for the source of a copy."""
    return {f"CopySource{name}": value for name, value in reading(scheme).items()}


def body(s3: Any, bucket: str, key: str, **more: Any) -> bytes:
    data: bytes = s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
    return data


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer says of encryption."""
    names = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "SSECustomerAlgorithm", "SSECustomerKeyMD5")
    return {name: answer[name] for name in names if name in answer}


def expected(scheme: dict[str, Any]) -> dict[str, Any]:
    if scheme is CUSTOMER:
        return {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": CUSTOMER["SSECustomerKeyMD5"]}
    return scheme if scheme is S3 else {**scheme, "SSEKMSKeyId": "alias/aws/s3"}


def on_drives(server: Running, *needles: bytes) -> list[bytes]:
    """Those of the byte strings that any file on any drive holds."""
    found = set()
    for drive in server.drives:
        for path in [*drive.glob("catalog.db*"), *drive.glob("shards/*/*")]:
            data = path.read_bytes()
            found |= {needle for needle in needles if needle in data}
    return sorted(found)


@every_scheme
@pytest.mark.parametrize("size", [0, 1, 8192, 8193, CHUNK, CHUNK + 1, 3 * MIB])
def test_what_is_put_is_got(s3: Any, bucket: str, scheme: dict[str, Any], size: int) -> None:
    data = os.urandom(size)
    made = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm="SHA256", **scheme)
    assert told(made) == expected(scheme)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **reading(scheme))
    assert got["Body"].read() == data
    assert told(got) == expected(scheme)
    assert (got["ContentLength"], got["ETag"]) == (size, made["ETag"])
    assert got["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode() == made["ChecksumSHA256"]
    is_md5 = made["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert is_md5 == (scheme is S3)
    head = s3.head_object(Bucket=bucket, Key="k", **reading(scheme))
    assert told(head) == expected(scheme)
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == size


@every_scheme
def test_ranges(s3: Any, bucket: str, scheme: dict[str, Any]) -> None:
    data = os.urandom(5 * CHUNK + 77)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **scheme)
    for first, last in [(0, 0), (CHUNK - 1, CHUNK), (1, 4 * CHUNK), (2 * CHUNK, 3 * CHUNK - 1), (5 * CHUNK, len(data))]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}", **reading(scheme))
        assert got["Body"].read() == data[first : last + 1]
    assert body(s3, bucket, "k", Range="bytes=-5", **reading(scheme)) == data[-5:]


@every_scheme
def test_multipart(s3: Any, bucket: str, scheme: dict[str, Any]) -> None:
    pieces = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), os.urandom(100)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32C", **scheme)
    assert told(upload) == expected(scheme)
    name = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    parts = []
    for number, piece in enumerate(pieces, 1):
        done = s3.upload_part(**name, PartNumber=number, Body=piece, ChecksumAlgorithm="CRC32C", **reading(scheme))
        assert told(done) == expected(scheme)
        parts.append({"PartNumber": number, "ETag": done["ETag"], "ChecksumCRC32C": done["ChecksumCRC32C"]})
    again = s3.upload_part(**name, PartNumber=1, Body=pieces[0], ChecksumAlgorithm="CRC32C", **reading(scheme))
    assert again["ETag"] == parts[0]["ETag"], "a part sent again is the same part"
    listed = s3.list_parts(**name, **reading(scheme))["Parts"]
    assert [(one["Size"], one["ChecksumCRC32C"]) for one in listed] == [
        (len(piece), part["ChecksumCRC32C"]) for piece, part in zip(pieces, parts, strict=True)
    ]
    done = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, **reading(scheme))
    assert done["ETag"].endswith('-3"')
    again = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, **reading(scheme))
    assert again["ChecksumCRC32C"] == done["ChecksumCRC32C"]
    whole = b"".join(pieces)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **reading(scheme))
    assert got["Body"].read() == whole
    assert (got["ETag"], got["ChecksumCRC32C"]) == (done["ETag"], done["ChecksumCRC32C"])
    at = 5 * MIB - 10
    assert body(s3, bucket, "k", Range=f"bytes={at}-{at + 20}", **reading(scheme)) == whole[at : at + 21]
    for number, piece in enumerate(pieces, 1):
        assert body(s3, bucket, "k", PartNumber=number, **reading(scheme)) == piece
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"], **reading(scheme)
    )
    assert attributes["Checksum"]["ChecksumCRC32C"] == done["ChecksumCRC32C"]
    assert attributes["ObjectParts"]["Parts"][1]["ChecksumCRC32C"] == parts[1]["ChecksumCRC32C"]


@pytest.mark.parametrize("target", [{}, *SCHEMES.values(), OTHER], ids=["plain", *SCHEMES, "other-key"])
@pytest.mark.parametrize("source", [{}, *SCHEMES.values()], ids=["plain", *SCHEMES])
def test_copies_between_all_schemes(s3: Any, bucket: str, source: dict[str, Any], target: dict[str, Any]) -> None:
    for size in (500, 200_000):
        data = os.urandom(size)
        s3.put_object(Bucket=bucket, Key="a", Body=data, ChecksumAlgorithm="SHA1", **source)
        named = {"Bucket": bucket, "Key": "a"}
        made = s3.copy_object(Bucket=bucket, Key="b", CopySource=named, **target, **of_source(source))
        assert told(made) == told(s3.head_object(Bucket=bucket, Key="b", **reading(target)))
        got = s3.get_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED", **reading(target))
        assert got["Body"].read() == data
        assert got["ChecksumSHA1"] == base64.b64encode(hashlib.sha1(data).digest()).decode()
        assert (got["ETag"] == f'"{hashlib.md5(data).hexdigest()}"') == (target in ({}, S3))
        assert body(s3, bucket, "b", Range="bytes=100-300", **reading(target)) == data[100:301]
        summed = s3.copy_object(
            Bucket=bucket, Key="c", CopySource=named, ChecksumAlgorithm="SHA256", **target, **of_source(source)
        )["CopyObjectResult"]
        assert summed["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
        assert body(s3, bucket, "c", **reading(target)) == data


@pytest.mark.parametrize("target", [{}, S3, CUSTOMER], ids=["plain", "sse-s3", "sse-c"])
@pytest.mark.parametrize("source", [{}, KMS, CUSTOMER], ids=["plain", "sse-kms", "sse-c"])
def test_parts_copied_between_schemes(s3: Any, bucket: str, source: dict[str, Any], target: dict[str, Any]) -> None:
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=data, **source)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="b", **target)["UploadId"]
    name = {"Bucket": bucket, "Key": "b", "UploadId": upload}
    parts = []
    for number, (first, last) in enumerate([(7, 7 + 5 * MIB), (100, 199)], 1):
        made = s3.upload_part_copy(
            **name,
            PartNumber=number,
            CopySource={"Bucket": bucket, "Key": "a"},
            CopySourceRange=f"bytes={first}-{last}",
            **reading(target),
            **of_source(source),
        )
        parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts}, **reading(target))
    assert body(s3, bucket, "b", **reading(target)) == data[7 : 8 + 5 * MIB] + data[100:200]


@every_scheme
def test_versions_renames_and_tags(s3: Any, bucket: str, scheme: dict[str, Any]) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one, two = os.urandom(100_000), os.urandom(100)
    first = s3.put_object(Bucket=bucket, Key="k", Body=one, Tagging="a=b", **scheme)["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=two)
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=first, Tagging={"TagSet": [{"Key": "c", "Value": "d"}]})
    assert body(s3, bucket, "k", VersionId=first, **reading(scheme)) == one
    s3.put_object(Bucket=bucket, Key="new", Body=one, **scheme)
    s3.rename_object(Bucket=bucket, Key="renamed", RenameSource=f"{bucket}/new")
    assert body(s3, bucket, "renamed", **reading(scheme)) == one


@every_scheme
def test_nothing_on_the_drives_tells_of_the_plaintext(
    server: Running, s3: Any, bucket: str, scheme: dict[str, Any]
) -> None:
    marker, small = os.urandom(64), os.urandom(48)
    data = marker * 3000
    s3.put_object(Bucket=bucket, Key="large", Body=data, ChecksumAlgorithm="SHA256", **scheme)
    s3.put_object(Bucket=bucket, Key="small", Body=small, ChecksumAlgorithm="SHA256", **scheme)
    s3.put_object(Bucket=bucket, Key="plain", Body=marker[:32] + small)
    shown = base64.b64encode(hashlib.sha256(small).digest())
    secrets = [marker, small, shown, KEY, KEY.hex().encode(), base64.b64encode(KEY)]
    if scheme is not S3:
        secrets.append(hashlib.md5(data).hexdigest().encode())
    # The small plain object is in the catalog as it is: the search would find what there is.
    assert on_drives(server, marker[:32] + small, *secrets) == sorted([marker[:32] + small, small])
    s3.delete_object(Bucket=bucket, Key="plain")


def test_copies_under_the_same_key_share_their_bytes(server: Running, s3: Any, bucket: str) -> None:
    size = 20 * MIB
    s3.put_object(Bucket=bucket, Key="a", Body=os.urandom(size), **S3)
    before = stored(server)
    for number in range(3):
        s3.copy_object(Bucket=bucket, Key=f"b{number}", CopySource={"Bucket": bucket, "Key": "a"}, **S3)
    assert stored(server) - before < size // 2
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a"}, **KMS)
    assert stored(server) - before > size
    assert body(s3, bucket, "b2") == body(s3, bucket, "c")


def stored(server: Running) -> int:
    """Bytes of all shard files."""
    return sum(path.stat().st_blocks * 512 for drive in server.drives for path in Path(drive).glob("shards/*/*"))


# what is refused


def test_customer_keys_wrong_missing_and_superfluous(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="mine", Body=b"secret" * 5000, **CUSTOMER)
    s3.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    s3.put_object(Bucket=bucket, Key="s3", Body=b"s3", **S3)
    for more in ({}, OTHER):
        with refused("InvalidRequest", 400):
            s3.get_object(Bucket=bucket, Key="mine", **more)
        with refused("400", 400):
            s3.head_object(Bucket=bucket, Key="mine", **more)
        with refused("InvalidRequest", 400):
            s3.get_object_attributes(Bucket=bucket, Key="mine", ObjectAttributes=["ETag"], **more)
        with refused("InvalidRequest", 400):
            s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "mine"}, **of_source(more))
    for key in ("plain", "s3"):
        with refused("InvalidRequest", 400):
            s3.get_object(Bucket=bucket, Key=key, **CUSTOMER)
        with refused("InvalidRequest", 400):
            s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": key}, **of_source(CUSTOMER))


def test_customer_keys_of_parts(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **CUSTOMER)["UploadId"]
    name = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    for more in ({}, OTHER):
        with refused("InvalidRequest", 400):
            s3.upload_part(**name, PartNumber=1, Body=b"x", **more)
    part = s3.upload_part(**name, PartNumber=1, Body=b"x", **CUSTOMER)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for more in ({}, OTHER):
        with refused("InvalidRequest", 400):
            s3.complete_multipart_upload(**name, MultipartUpload=parts, **more)
    assert "ChecksumCRC32" not in s3.list_parts(**name)["Parts"][0], "who has no key learns nothing of the plaintext"
    s3.complete_multipart_upload(**name, MultipartUpload=parts, **CUSTOMER)
    plain = s3.create_multipart_upload(Bucket=bucket, Key="p")["UploadId"]
    with refused("InvalidRequest", 400):
        s3.upload_part(Bucket=bucket, Key="p", UploadId=plain, PartNumber=1, Body=b"x", **CUSTOMER)


CUSTOMER_HEADERS = dict(zip(["algorithm", "key", "key-MD5"], CUSTOMER.values(), strict=True))
SSE = "x-amz-server-side-encryption"


def with_headers(s3: Any, bucket: str, operation: str, headers: dict[str, str], **more: Any) -> Any:
    """One call with headers that boto3 would not send."""

    def add(params: dict[str, Any], **_: Any) -> None:
        params["headers"].update(headers)

    event = f"before-call.s3.{operation}"
    s3.meta.events.register(event, add)
    try:
        called = {"PutObject": s3.put_object, "GetObject": s3.get_object, "HeadObject": s3.head_object}[operation]
        return called(Bucket=bucket, Key="k", **more)
    finally:
        s3.meta.events.unregister(event, add)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"algorithm": None}, "InvalidArgument"),
        ({"algorithm": "AES192"}, "InvalidEncryptionAlgorithmError"),
        ({"key": None}, "InvalidArgument"),
        ({"key": None, "key-MD5": None}, "InvalidArgument"),
        ({"key-MD5": None}, "InvalidArgument"),
        ({"key-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "InvalidArgument"),
        ({"key": base64.b64encode(KEY[:16]).decode()}, "InvalidArgument"),
        ({"key": "%%%"}, "InvalidArgument"),
    ],
)
def test_headers_of_customer_keys(s3: Any, bucket: str, changed: dict[str, str | None], code: str) -> None:
    given = {name: value for name, value in (CUSTOMER_HEADERS | changed).items() if value is not None}
    headers = {f"{SSE}-customer-{name}": value for name, value in given.items()}
    with refused(code, 400):
        with_headers(s3, bucket, "PutObject", headers, Body=b"x")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({SSE: "aes:kms"}, "InvalidArgument"),
        ({f"{SSE}-aws-kms-key-id": "some-key"}, "InvalidArgument"),
        ({SSE: "AES256", f"{SSE}-aws-kms-key-id": "some-key"}, "InvalidArgument"),
        ({SSE: "AES256", f"{SSE}-context": "e30="}, "InvalidArgument"),
        ({SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "no-such-key"}, "KMS.NotFoundException"),
        ({SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "arn:aws:kms:eu:1:key/no-such-key"}, "KMS.NotFoundException"),
        ({SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "SSE-S3"}, "KMS.NotFoundException"),
        ({SSE: "aws:kms", f"{SSE}-aws-kms-key-id": "white space"}, "KMS.NotFoundException"),
        ({SSE: "aws:kms", f"{SSE}-context": "no base64!"}, "InvalidArgument"),
        ({SSE: "aws:kms", f"{SSE}-context": base64.b64encode(b"no json").decode()}, "InvalidArgument"),
        ({SSE: "aws:kms", f"{SSE}-context": base64.b64encode(b'["a"]').decode()}, "InvalidArgument"),
        ({SSE: "aws:kms", f"{SSE}-context": base64.b64encode(b'{"a": 1}').decode()}, "InvalidArgument"),
        ({SSE: "aws:kms", f"{SSE}-context": base64.b64encode(b'{"aws:x": "y"}').decode()}, "InvalidArgument"),
        ({SSE: "AES256", **{f"{SSE}-customer-{k}": v for k, v in CUSTOMER_HEADERS.items()}}, "InvalidArgument"),
        ({SSE: "aws:kms", **{f"{SSE}-customer-{k}": v for k, v in CUSTOMER_HEADERS.items()}}, "InvalidArgument"),
    ],
)
def test_contradictions(s3: Any, bucket: str, headers: dict[str, str], code: str) -> None:
    with refused(code, 400):
        with_headers(s3, bucket, "PutObject", headers, Body=b"x")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_dual_layer_encryption_is_refused(s3: Any, bucket: str) -> None:
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms:dsse")
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms:dsse"}}
    with refused("NotImplemented", 501):
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def test_reads_do_not_say_how(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **S3)
    with refused("InvalidArgument", 400):
        with_headers(s3, bucket, "GetObject", {SSE: "AES256"})
    with refused("400", 400):
        with_headers(s3, bucket, "HeadObject", {SSE: "AES256"})


def test_an_encryption_context_is_kept(s3: Any, bucket: str) -> None:
    given = base64.b64encode(b'{ "team": "a", "app": "\\u00e9" }').decode()
    made = s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KMS, SSEKMSEncryptionContext=given)
    assert base64.b64decode(made["SSEKMSEncryptionContext"]).decode() == '{"app":"é","team":"a"}'
    assert body(s3, bucket, "k") == b"x"


def test_a_copy_onto_itself_changes_the_encryption(s3: Any, bucket: str) -> None:
    data = os.urandom(70_000)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"}, **S3)
    assert told(s3.head_object(Bucket=bucket, Key="k")) == S3
    assert body(s3, bucket, "k") == data
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k"})


@pytest.mark.parametrize("source", [S3, KMS, BUCKET_KEY], ids=["sse-s3", "sse-kms", "bucket-key"])
def test_an_object_gets_another_key_in_its_place(s3: Any, bucket: str, source: dict[str, Any]) -> None:
    data = os.urandom(200_000)
    before = s3.put_object(Bucket=bucket, Key="k", Body=data, **source)
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    wanted = {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:1:alias/aws/s3", "BucketKeyEnabled": True}}
    s3.update_object_encryption(Bucket=bucket, Key="k", ObjectEncryption=wanted)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert told(head) == expected(BUCKET_KEY)
    assert (head["ETag"], head["LastModified"]) == (before["ETag"], modified)
    assert body(s3, bucket, "k") == data


def test_what_gets_no_other_key_in_its_place(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    s3.put_object(Bucket=bucket, Key="mine", Body=b"x", **CUSTOMER)
    s3.put_object(Bucket=bucket, Key="s3", Body=b"x", **S3)
    wanted = {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:1:alias/aws/s3"}}
    for key in ("plain", "mine"):
        with refused("InvalidRequest", 400):
            s3.update_object_encryption(Bucket=bucket, Key=key, ObjectEncryption=wanted)
    wanted = {"SSEKMS": {"KMSKeyArn": "arn:aws:kms:us-east-1:1:key/no-such-key"}}
    with refused("KMS.NotFoundException", 400):
        s3.update_object_encryption(Bucket=bucket, Key="s3", ObjectEncryption=wanted)


# defaults of buckets


def set_default(s3: Any, bucket: str, **rule: Any) -> None:
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def test_the_default_of_a_bucket(s3: Any, bucket: str) -> None:
    with refused("ServerSideEncryptionConfigurationNotFoundError", 404):
        s3.get_bucket_encryption(Bucket=bucket)
    assert told(s3.put_object(Bucket=bucket, Key="before", Body=b"x")) == {}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
    set_default(s3, bucket, **rule)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == {"Rules": [rule]}
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == S3
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KMS)) == expected(KMS)
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x", **CUSTOMER)) == expected(CUSTOMER)
    source = {"Bucket": bucket, "Key": "before"}
    assert told(s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)) == S3
    assert told(s3.create_multipart_upload(Bucket=bucket, Key="parts")) == S3
    s3.delete_bucket_encryption(Bucket=bucket)
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == {}
    with refused("ServerSideEncryptionConfigurationNotFoundError", 404):
        s3.get_bucket_encryption(Bucket=bucket)


def test_bucket_keys_by_default(s3: Any, bucket: str) -> None:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/aws/s3"}
    set_default(s3, bucket, ApplyServerSideEncryptionByDefault=default, BucketKeyEnabled=True)
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == expected(BUCKET_KEY)
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x", **KMS)) == expected(BUCKET_KEY)
    declined = s3.put_object(Bucket=bucket, Key="k", Body=b"x", BucketKeyEnabled=False)
    assert told(declined) == expected(KMS)


def test_customer_keys_are_blocked_where_the_bucket_says_so(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="before", Body=b"x", **CUSTOMER)
    set_default(s3, bucket, BlockedEncryptionTypes={"EncryptionType": ["SSE-C"]})
    for call in (
        lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x", **CUSTOMER),
        lambda: s3.create_multipart_upload(Bucket=bucket, Key="k", **CUSTOMER),
        lambda: s3.copy_object(
            Bucket=bucket,
            Key="k",
            CopySource={"Bucket": bucket, "Key": "before"},
            **OTHER,
            **of_source(CUSTOMER),
        ),
    ):
        with refused("AccessDenied", 403):
            call()
    assert body(s3, bucket, "before", **CUSTOMER) == b"x"
    assert told(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == {}
    set_default(s3, bucket, BlockedEncryptionTypes={"EncryptionType": ["NONE"]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", **CUSTOMER)


AES = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([], "MalformedXML"),
        ([{}], "MalformedXML"),
        ([AES, AES], "MalformedXML"),
        ([{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES128"}}], "MalformedXML"),
        (
            [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "k"}}],
            "InvalidArgument",
        ),
        (
            [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "white space"}}],
            "InvalidArgument",
        ),
        ([{**AES, "BlockedEncryptionTypes": {"EncryptionType": ["SSE-X"]}}], "MalformedXML"),
        ([{**AES, "BlockedEncryptionTypes": {"EncryptionType": ["NONE", "SSE-C"]}}], "InvalidArgument"),
    ],
)
def test_documents_that_are_refused(s3: Any, bucket: str, rules: list[dict[str, Any]], code: str) -> None:
    with refused(code, 400):
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    with refused("ServerSideEncryptionConfigurationNotFoundError", 404):
        s3.get_bucket_encryption(Bucket=bucket)
