"""Parts and checksums of multipart objects: selection, pages, combination."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, compute, encode
from objstore.aws.errors import AwsError
from objstore.s3 import checksums
from objstore.s3.attributes import parts_page
from objstore.s3.objects_get import select
from objstore.store.types import Checksum, Owner, Part, PartInfo, Upload, Version

OWNER = Owner("id", "name")


def version(*sizes: int, whole: int = 0) -> Version:
    parts = tuple(PartInfo(number, size, Checksum("SHA1", str(number))) for number, size in enumerate(sizes, 1))
    size = sum(sizes) or whole
    checksum = Checksum("SHA1", "all-3", COMPOSITE)
    return Version("null", 1, True, False, "e", size, 0, OWNER, parts=parts or None, checksum=checksum)


def upload(algorithm: str | None = None, kind: str | None = None) -> Upload:
    return Upload("u", "k", 0, OWNER, OWNER, checksum_algorithm=algorithm, checksum_type=kind)


def part(number: int, data: bytes, algorithm: str | None) -> Part:
    checksum = Checksum(algorithm, encode(compute(ALGORITHMS[algorithm], data))) if algorithm else None
    return Part(number, len(data), hashlib.md5(data).hexdigest(), 0, checksum)


def code_of(function, *arguments) -> str:
    with pytest.raises(AwsError) as caught:
        function(*arguments)
    return caught.value.code


def test_a_part_is_selected_by_its_number():
    chosen = select(version(5, 7, 3), None, 2)
    assert (chosen.start, chosen.length, chosen.partial, chosen.parts_count) == (5, 7, True, 3)
    assert chosen.checksum == Checksum("SHA1", "2")


def test_an_object_in_one_piece_is_its_own_first_part():
    chosen = select(version(whole=4), None, 1)
    assert (chosen.start, chosen.length, chosen.partial, chosen.parts_count) == (0, 4, True, None)
    assert not select(version(whole=0), None, 1).partial


@pytest.mark.parametrize(
    ("found", "number", "code"),
    [
        (version(whole=4), 2, "InvalidPart"),
        (version(5, 7), 3, "InvalidPart"),
        (version(5, 7), 0, "InvalidArgument"),
        (version(5, 7), 10_001, "InvalidArgument"),
    ],
)
def test_parts_that_are_not_there(found, number, code):
    assert code_of(select, found, None, number) == code


def test_a_range_has_no_checksum_unless_it_is_the_whole():
    found = version(5, 7)
    assert select(found, "bytes=0-3", None).checksum is None
    whole = select(found, "bytes=0-", None)
    assert whole.partial and whole.checksum == found.checksum
    assert not select(found, "lines=1-2", None).partial
    assert code_of(select, found, "bytes=0-3", 1) == "InvalidRequest"


@given(st.integers(0, 30), st.integers(0, 35), st.integers(0, 35))
def test_pages_of_parts_join_to_all_parts(count, after, size):
    parts = [PartInfo(number, 5) for number in range(1, count + 1)]
    page = parts_page(parts, after, size)
    assert page["TotalPartsCount"] == count
    numbers = [one["PartNumber"] for one in page["Parts"]]
    assert numbers == list(range(after + 1, min(after + size, count) + 1))
    assert page["IsTruncated"] == (after + size < count)
    if numbers:
        assert page["NextPartNumberMarker"] == numbers[-1]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_full_object_checksums_are_combined_from_the_parts(pieces, name):
    parts = [part(number, data, name) for number, data in enumerate(pieces, 1)]
    expected = Checksum(name, encode(compute(ALGORITHMS[name], b"".join(pieces))), FULL_OBJECT)
    assert checksums.combiner({})(upload(name, FULL_OBJECT), parts) == expected
    assert checksums.combiner({})(upload(), parts) == expected


def test_composite_checksums_are_checksums_of_checksums():
    pieces = [b"one", b"two", b"three"]
    parts = [part(number, data, "SHA256") for number, data in enumerate(pieces, 1)]
    digest = hashlib.sha256(b"".join(hashlib.sha256(piece).digest() for piece in pieces)).digest()
    value = base64.b64encode(digest).decode()
    expected = Checksum("SHA256", f"{value}-3", COMPOSITE)
    assert checksums.combiner({})(upload("SHA256", COMPOSITE), parts) == expected
    for claim in (value, f"{value}-3"):
        assert checksums.combiner({"ChecksumSHA256": claim})(upload("SHA256", COMPOSITE), parts) == expected


@pytest.mark.parametrize(
    ("given_members", "code"),
    [
        ({"ChecksumSHA256": "bad"}, "BadDigest"),
        ({"ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-1"}, "BadDigest"),
        ({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"),
        ({"ChecksumType": FULL_OBJECT}, "InvalidRequest"),
    ],
)
def test_wrong_claims_of_the_whole_are_refused(given_members, code):
    combine = checksums.combiner(given_members)
    assert code_of(combine, upload("SHA256", COMPOSITE), [part(1, b"data", "SHA256")]) == code


def test_two_claims_at_once_are_refused():
    assert code_of(checksums.combiner, {"ChecksumSHA1": "x", "ChecksumCRC32": "y"}) == "InvalidRequest"


def test_parts_without_a_common_checksum_give_none():
    mixed = [part(1, b"a", "CRC32"), part(2, b"b", "SHA1")]
    assert checksums.combiner({})(upload(), mixed) is None
    assert checksums.combiner({})(upload(), [part(1, b"a", "CRC32"), part(2, b"b", None)]) is None


def test_a_part_has_the_algorithm_of_its_upload():
    crc, sha = ALGORITHMS["CRC32"], ALGORITHMS["SHA1"]
    assert checksums.of_part(upload("CRC32"), None) is crc
    assert checksums.of_part(upload("CRC32"), crc) is crc
    assert checksums.of_part(upload(), sha) is sha
    assert checksums.of_part(upload(), None) is None
    assert code_of(checksums.of_part, upload("CRC32"), sha) == "InvalidRequest"
