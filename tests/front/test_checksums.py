"""Every checksum algorithm of the model: checked, stored and returned; for objects, for parts, and in trailers.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

import botocore.httpchecksum
import pytest

from tests.front.test_chunked import put_unsigned
from tests.front.wire import absent, refused, send
from tests.harness import Running

TYPES = {
    "CRC32": ("COMPOSITE", "FULL_OBJECT"),
    "CRC32C": ("COMPOSITE", "FULL_OBJECT"),
    "CRC64NVME": ("FULL_OBJECT",),
    **dict.fromkeys(("SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"), ("COMPOSITE",)),
}
DATA, TAIL = os.urandom(5 << 20), b"and the rest"
CLIENTS: dict[str, Any] = vars(botocore.httpchecksum)["_CHECKSUM_CLS"]

every = pytest.mark.parametrize("algorithm", TYPES)


def digest(algorithm: str, data: bytes) -> str:
    """As a client computes it: botocore's own, which has no MD5."""
    if algorithm == "MD5":
        return base64.b64encode(hashlib.md5(data).digest()).decode()
    return str(CLIENTS[algorithm.lower()]().handle(data))


def shown(answer: dict[str, Any]) -> dict[str, str]:
    """All that an answer says of checksums."""
    return {name: value for name, value in answer.items() if name.startswith("Checksum")}


@every
@pytest.mark.parametrize("size", [5, 100_000])
def test_of_an_object(s3: Any, bucket: str, algorithm: str, size: int) -> None:
    data, name, key = DATA[:size], f"Checksum{algorithm}", {"Bucket": bucket, "Key": "k"}
    wanted = {name: digest(algorithm, data), "ChecksumType": "FULL_OBJECT"}
    assert shown(s3.put_object(**key, Body=data, **{name: wanted[name]})) == wanted
    got = s3.get_object(**key, ChecksumMode="ENABLED")
    assert (got["Body"].read(), shown(got)) == (data, wanted)
    assert shown(s3.head_object(**key, ChecksumMode="ENABLED")) == wanted
    assert shown(s3.head_object(**key)) == {}
    assert shown(s3.get_object(**key, Range="bytes=1-3", ChecksumMode="ENABLED")) == {}
    assert s3.get_object_attributes(**key, ObjectAttributes=["Checksum"])["Checksum"] == wanted
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == ([algorithm], "FULL_OBJECT")
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource=key)["CopyObjectResult"]
    assert shown(copied) == shown(s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")) == wanted
    with refused("BadDigest", 400):
        s3.put_object(**key, Body=data + b"!", **{name: wanted[name]})
    assert s3.get_object(**key)["Body"].read() == data


@every
def test_in_a_trailer(server: Running, s3: Any, bucket: str, algorithm: str) -> None:
    header = f"x-amz-checksum-{algorithm.lower()}"
    for claimed, status in ((digest(algorithm, b"body"), 200), (digest(algorithm, b"other"), 400)):
        body = f"4\r\nbody\r\n0\r\n{header}:{claimed}\r\n\r\n".encode()
        answer = put_unsigned(server, f"/{bucket}/{status}", body, 4, header)
        assert (answer.status, answer.code) == (status, "BadDigest" if status == 400 else ""), answer.body
    head = s3.head_object(Bucket=bucket, Key="200", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == digest(algorithm, b"body")
    assert absent(s3, bucket, "400")


@pytest.mark.parametrize(("algorithm", "kind"), [(name, kind) for name, kinds in TYPES.items() for kind in kinds])
def test_of_a_multipart_object(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    name, key = f"Checksum{algorithm}", {"Bucket": bucket, "Key": "k"}
    begun = s3.create_multipart_upload(**key, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == (algorithm, kind)
    upload = key | {"UploadId": begun["UploadId"]}
    of_parts = [digest(algorithm, data) for data in (DATA, TAIL)]
    with refused("BadDigest", 400):
        s3.upload_part(**upload, PartNumber=1, Body=TAIL, **{name: of_parts[0]})
    parts = []
    for number, data in enumerate((DATA, TAIL), 1):
        sent = s3.upload_part(**upload, PartNumber=number, Body=data, **{name: of_parts[number - 1]})
        assert shown(sent) == {name: of_parts[number - 1]}
        parts.append({"PartNumber": number, "ETag": sent["ETag"], name: sent[name]})
    listed = s3.list_parts(**upload)
    assert [shown(part) for part in listed["Parts"]] == [{name: one} for one in of_parts]
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, kind)
    composite = digest(algorithm, b"".join(map(base64.b64decode, of_parts))) + "-2"
    wanted = {name: composite if kind == "COMPOSITE" else digest(algorithm, DATA + TAIL), "ChecksumType": kind}
    with refused("InvalidPart", 400):
        swapped = [part | {name: of_parts[2 - part["PartNumber"]]} for part in parts]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": swapped})
    with refused("BadDigest", 400):
        wrong = {name: digest(algorithm, b"other")}
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **wrong)
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **wanted)
    assert shown(done) == shown(s3.head_object(**key, ChecksumMode="ENABLED")) == wanted
    told = s3.get_object_attributes(**key, ObjectAttributes=["Checksum", "ObjectParts"])
    assert told["Checksum"] == wanted
    assert [shown(part) for part in told["ObjectParts"]["Parts"]] == [{name: one} for one in of_parts]
    second = s3.get_object(**key, PartNumber=2, ChecksumMode="ENABLED")
    assert (second["Body"].read(), second[name], second["PartsCount"]) == (TAIL, of_parts[1], 2)


@every
def test_a_type_that_an_algorithm_does_not_have(s3: Any, bucket: str, algorithm: str) -> None:
    for kind in {"COMPOSITE", "FULL_OBJECT"} - set(TYPES[algorithm]):
        with refused("InvalidRequest", 400):
            s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_object_whose_client_named_none_has_the_default(server: Running, s3: Any, bucket: str) -> None:
    assert send(server, "PUT", f"/{bucket}/k", b"body").status == 200
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert shown(head) == {"ChecksumCRC64NVME": digest("CRC64NVME", b"body"), "ChecksumType": "FULL_OBJECT"}


def test_a_part_of_another_algorithm_than_its_upload(s3: Any, bucket: str) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    with refused("InvalidRequest", 400):
        s3.upload_part(**upload, PartNumber=1, Body=b"x", ChecksumCRC32=digest("CRC32", b"x"))
    assert "Parts" not in s3.list_parts(**upload)
