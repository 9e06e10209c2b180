"""Forms, however the network cuts them, and forms that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.errors import AwsError
from objstore.aws.forms import MAX_FIELDS, Form, read_form

BOUNDARY = "----WebKitFormBoundary7MA4YWxk"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    told = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'
    return head.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


async def pieces(data: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    at = 0
    for cut in (*sorted(cuts), len(data)):
        if cut > at:
            yield data[at:cut]
            at = cut


async def whole(form: Form) -> bytes:
    found = bytearray()
    more = True
    while more:
        data, more = await form.piece()
        found += data
    await form.drain()
    return bytes(found)


def read(data: bytes, cuts: Sequence[int] = (), content_type: str = TYPE) -> tuple[Form, bytes]:
    async def run() -> tuple[Form, bytes]:
        form = await read_form(pieces(data, cuts), content_type)
        return form, await whole(form)

    return asyncio.run(run())


# Bytes that look like the beginning of a boundary are where such parsers go wrong.
bodies = st.one_of(st.binary(max_size=200), st.text("\r\n-WebKit", max_size=60).map(str.encode))


@given(bodies, bodies, st.lists(st.integers(0, 700), max_size=12))
def test_fields_and_file_come_out_however_they_are_cut(value: bytes, file: bytes, cuts: list[int]) -> None:
    field = value.hex()
    data = part("Key", field.encode()) + part("file", file, "a.bin") + part("late", b"ignored") + END
    form, got = read(data, cuts)
    assert (form.fields, form.filename, got) == ({"key": field}, "a.bin", file)


def test_a_large_file_is_passed_on_piece_by_piece() -> None:
    async def run() -> tuple[int, int]:
        async def body() -> AsyncIterator[bytes]:
            yield part("key", b"k") + part("file", b"", "f")[:-2]
            for number in range(512):
                yield bytes([number % 256]) * 65_536
            yield b"\r\n" + END

        form = await read_form(body(), TYPE)
        total = largest = 0
        more = True
        while more:
            data, more = await form.piece()
            total, largest = total + len(data), max(largest, len(data))
        return total, largest

    total, largest = asyncio.run(run())
    assert total == 512 * 65_536
    assert largest <= 2 * 65_536


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("C:\\photos\\sea.jpg", "sea.jpg"), ("/home/me/sea.jpg", "sea.jpg"), ("für dich.txt", "für dich.txt"), ("", "")],
)
def test_the_name_of_the_file_has_no_folders(sent: str, expected: str) -> None:
    assert read(part("file", b"x", sent) + END)[0].filename == expected


def test_a_field_that_comes_twice_has_both_values() -> None:
    form, _ = read(part("x-amz-meta-a", b"1") + part("X-Amz-Meta-A", b"2") + part("file", b"") + END)
    assert form.fields == {"x-amz-meta-a": "1,2"}


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        (part("file", b"x") + END, "multipart/form-data", "MalformedPOSTRequest"),
        (part("file", b"x") + END, f"multipart/form-data; boundary={'b' * 300}", "MalformedPOSTRequest"),
        (b"", TYPE, "MalformedPOSTRequest"),
        (b"not a form at all", TYPE, "MalformedPOSTRequest"),
        (part("file", b"x"), TYPE, "MalformedPOSTRequest"),
        (part("key", b"\xff") + part("file", b"") + END, TYPE, "MalformedPOSTRequest"),
        (part("key", b"k").replace(b'name="key"', b"") + END, TYPE, "MalformedPOSTRequest"),
        (part("key", b"k") + END, TYPE, "InvalidArgument"),
        (part("key", b"k" * MAX_FIELDS) + part("file", b"") + END, TYPE, "MaxPostPreDataLengthExceededError"),
        (b"".join(part(f"x{i}", b"") for i in range(1000)) + END, TYPE, "MaxPostPreDataLengthExceededError"),
    ],
)
def test_what_is_no_form_is_refused(data: bytes, content_type: str, code: str) -> None:
    with pytest.raises(AwsError) as caught:
        read(data, content_type=content_type)
    assert caught.value.code == code
