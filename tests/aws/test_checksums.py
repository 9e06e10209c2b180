"""Every checksum algorithm of S3's model is computed, written, joined over parts and refused as AWS does."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from typing import Any

import botocore.httpchecksum
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws import checksums
from objstore.aws.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, Algorithm
from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError

every = pytest.mark.parametrize("chosen", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
CLIENTS: dict[str, Any] = vars(botocore.httpchecksum)["_CHECKSUM_CLS"]
CHECK = {  # the digests of b"123456789", the check value of CRC catalogues
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
}


def test_the_algorithms_are_those_of_the_model() -> None:
    model: Any = botocore.session.get_session().get_service_model("s3")
    assert set(ALGORITHMS) == set(model.shape_for("ChecksumAlgorithm").enum)
    members = model.operation_model("PutObject").input_shape.members
    for chosen in ALGORITHMS.values():
        assert members[chosen.member].serialization["name"].lower() == chosen.header


@every
def test_a_digest_is_what_clients_compute(chosen: Algorithm) -> None:
    data = bytes(range(256)) * 33
    digests = Digests([chosen.name])
    for start in range(0, len(data), 1000):
        digests.update(memoryview(data)[start : start + 1000])
    assert digests.length == len(data)
    if chosen.name == "MD5":
        expected = base64.b64encode(hashlib.md5(data).digest()).decode()
    else:
        expected = CLIENTS[chosen.name.lower()]().handle(data)
    assert digests.base64(chosen.name) == expected
    assert checksums.decode(expected, chosen) == digests.digest(chosen.name) == digests.results()[chosen.name]


@pytest.mark.parametrize("size", [0, 2047, 2048, 4096, 16_384, 16_385, 100_000])
def test_a_digest_does_not_depend_on_the_size_of_the_buffers(size: int) -> None:
    data = random.Random(size).randbytes(size)
    digests = Digests(["MD5", "SHA256"])
    for buffer in (data, memoryview(data), bytearray(data)):
        digests.update(buffer)
    assert digests.length == 3 * size
    assert digests.digest("MD5") == hashlib.md5(3 * data).digest()
    assert digests.digest("SHA256") == hashlib.sha256(3 * data).digest()


@pytest.mark.parametrize("name", CHECK)
def test_the_check_values_of_the_crcs(name: str) -> None:
    assert checksums.compute(ALGORITHMS[name], b"123456789").hex() == CHECK[name]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_a_full_object_crc_is_that_of_the_joined_parts(parts: list[bytes]) -> None:
    for chosen in ALGORITHMS.values():
        pieces = [(checksums.compute(chosen, part), len(part)) for part in parts]
        if FULL_OBJECT in chosen.types:
            assert checksums.combined(chosen, pieces) == checksums.compute(chosen, *parts)
        else:
            with pytest.raises(ValueError, match="cannot be combined"):
                checksums.combined(chosen, pieces)


def test_a_composite_checksum_is_the_hash_of_the_parts_digests() -> None:
    parts = [b"a" * 100, b"b" * 200]
    crcs = [zlib.crc32(part).to_bytes(4, "big") for part in parts]
    expected = base64.b64encode(zlib.crc32(b"".join(crcs)).to_bytes(4, "big")).decode() + "-2"
    assert checksums.composite(ALGORITHMS["CRC32"], crcs) == expected


@every
def test_a_value_of_another_length_is_refused(chosen: Algorithm) -> None:
    good = checksums.encode(b"x" * chosen.size)
    assert checksums.decode(good, chosen) == b"x" * chosen.size
    for bad in ("", "AAA", "!" + good, good + "\n", checksums.encode(b"x" * (chosen.size + 1)), "é", "bad"):
        with pytest.raises(AwsError, match=f"BadDigest: Value for {chosen.header} header is invalid."):
            checksums.decode(bad, chosen)


def test_an_algorithm_nobody_knows_is_refused_with_the_valid_ones() -> None:
    assert checksums.algorithm("crc32c") is ALGORITHMS["CRC32C"]
    with pytest.raises(AwsError, match=r"InvalidRequest: Checksum algorithm provided is unsupported.*\[CRC32, CRC32C"):
        checksums.algorithm("CRC16")


@pytest.mark.parametrize(
    ("name", "wanted", "kind"),
    [
        ("CRC32", None, COMPOSITE),
        ("CRC32", "FULL_OBJECT", FULL_OBJECT),
        ("CRC64NVME", None, FULL_OBJECT),
        ("SHA256", "composite", COMPOSITE),
    ],
)
def test_an_algorithm_has_its_types(name: str, wanted: str | None, kind: str) -> None:
    assert checksums.checksum_type(ALGORITHMS[name], wanted) == kind


@pytest.mark.parametrize(
    ("name", "wanted", "words"),
    [
        ("SHA1", FULL_OBJECT, "The FULL_OBJECT checksum type cannot be used with the sha1 checksum algorithm."),
        ("CRC64NVME", COMPOSITE, "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm."),
        ("SHA1", "PART", "Value for x-amz-checksum-type header is invalid."),
    ],
)
def test_a_type_the_algorithm_has_not_is_refused(name: str, wanted: str, words: str) -> None:
    with pytest.raises(AwsError, match=words):
        checksums.checksum_type(ALGORITHMS[name], wanted)
