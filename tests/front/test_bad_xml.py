"""Documents that are malformed, huge, deep or full of entities: refused at a bounded price, and nothing is done."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.front.wire import Answer, send
from tests.harness import Running

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><Delete><Object><Key>&j;</Key></Object></Delete>"
)
FILE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&f;</Key></Object></Delete>'
DOCUMENTS = {
    "empty": "",
    "text": "not xml",
    "cut": "<Delete><Object><Key>k</Key>",
    "crossed": "<Delete><Object></Delete></Object>",
    "another": "<CompleteMultipartUpload/>",
    "none": "<Delete></Delete>",
    "keyless": "<Delete><Object><VersionId>null</VersionId></Object></Delete>",
    "bomb": BOMB,
    "file": FILE,
    "undefined": "<Delete><Object><Key>&nbsp;</Key></Object></Delete>",
    "deep": "<Delete>" + "<a>" * 100_000 + "</a>" * 100_000 + "</Delete>",
    "wide": "<Delete>" + "<a/>" * 300_000 + "</Delete>",
    "attributes": "<Delete " + " ".join(f'a{n}="1"' for n in range(10_000)) + "/>",
    "nul": "<Delete><Object><Key>\0</Key></Object></Delete>",
    "control": "<Delete><Object><Key>&#7;</Key></Object></Delete>",
}


def delete(server: Running, bucket: str, document: bytes) -> Answer:
    digest = base64.b64encode(hashlib.md5(document).digest()).decode()
    return send(server, "POST", f"/{bucket}?delete=", document, {"content-md5": digest})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_bad_document_is_malformed(server: Running, s3: Any, bucket: str, name: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = delete(server, bucket, DOCUMENTS[name].encode())
    assert answer.status == 400
    assert answer.code in ("MalformedXML", "MissingRequestBodyError"), answer.body
    assert b"root:" not in answer.body
    s3.head_object(Bucket=bucket, Key="k")


def test_a_document_of_another_encoding_is_malformed_or_understood(server: Running, bucket: str) -> None:
    document = '<?xml version="1.0" encoding="utf-16"?><Delete><Object><Key>k</Key></Object></Delete>'.encode("utf-16")
    assert delete(server, bucket, document).error in (("MalformedXML", 400), ("", 200))


def test_a_huge_document_is_refused_unread(server: Running, bucket: str) -> None:
    document = b"<Delete>" + b" " * (9 << 20) + b"</Delete>"
    assert delete(server, bucket, document).error == ("MaxMessageLengthExceeded", 400)


@pytest.mark.parametrize(
    "document",
    [
        "<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>",
        "<VersioningConfiguration><Status><a/></Status></VersioningConfiguration>",
        "<VersioningConfiguration",
        "<Tagging/>",
    ],
)
def test_a_bad_configuration_changes_nothing(server: Running, s3: Any, bucket: str, document: str) -> None:
    answer = send(server, "PUT", f"/{bucket}?versioning=", document.encode())
    assert answer.status == 400 and answer.code in ("MalformedXML", "IllegalVersioningConfigurationException")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)


@pytest.mark.parametrize(
    "part",
    ["<PartNumber>one</PartNumber><ETag>x</ETag>", "<PartNumber>1</PartNumber>", "<ETag>x</ETag>", "", "text"],
)
def test_a_bad_list_of_parts(server: Running, s3: Any, bucket: str, part: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    document = f"<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>"
    answer = send(server, "POST", f"/{bucket}/k?uploadId={upload}", document.encode())
    assert answer.error == ("MalformedXML", 400)
