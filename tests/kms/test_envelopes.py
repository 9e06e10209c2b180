"""Keys of the keyring and what they seal: rotation, disabling, bucket keys, and other engines."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from objstore.kms import keyfile, keyring
from objstore.kms.envelopes import Envelopes, Wanted
from objstore.kms.errors import KeyDisabled, KeyExists, KeyNotFound, KeyUnusable, KmsUnavailable
from objstore.kms.keyfile import KeyFileError
from objstore.kms.keyring import S3_KEY, Keyring
from objstore.kms.master import MasterKey
from objstore.sealing import CUSTOMER, KMS, S3, Encryption, SealBroken, WrongKey
from tests.store.fakes import MemoryCatalog

NOW = 1_700_000_000_000_000


class Kit:
    """A catalog with its keys, engine and envelopes over a clock that the test moves."""

    def __init__(self) -> None:
        self.catalog, self.master, self.now = MemoryCatalog(), MasterKey(os.urandom(32)), 0.0
        keyring.prepare(self.master, NOW)(self.catalog)
        self.engine = keyring.of_catalog(self.catalog.read, self.master)
        self.envelopes = Envelopes(self.engine, self.engine, clock=lambda: self.now)

    def create(self, name: str) -> None:
        keyring.create(name, self.master, NOW)(self.catalog)


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


def test_what_a_rotated_key_sealed_stays_readable_and_is_sealed_anew() -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        plain, sealed = await kit.engine.generate("team")
        assert await kit.engine.rewrap("team", sealed) == sealed, "it is under the newest version already"
        keyring.rotate("team", kit.master, NOW)(kit.catalog)
        assert await kit.engine.decrypt("team", sealed) == plain
        newer = await kit.engine.rewrap("team", sealed)
        assert newer != sealed
        assert await kit.engine.decrypt("team", newer) == plain
        assert (await kit.engine.generate("team"))[1][:4] == newer[:4]

    run(body())


def test_a_disabled_key_neither_seals_nor_opens() -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        _, sealed = await kit.engine.generate("team")
        keyring.enable(kit.catalog, "team", False)
        for call in (
            kit.engine.generate("team"),
            kit.engine.decrypt("team", sealed),
            kit.engine.rewrap("team", sealed),
        ):
            with pytest.raises(KeyDisabled):
                await call
        keyring.enable(kit.catalog, "team", True)
        await kit.engine.decrypt("team", sealed)
        with pytest.raises(KeyNotFound):
            await kit.engine.generate("other")
        with pytest.raises(KeyUnusable):
            keyring.enable(kit.catalog, S3_KEY, False)

    run(body())


def test_names_are_taken_once_and_checked() -> None:
    kit = Kit()
    kit.create("team")
    with pytest.raises(KeyExists):
        kit.create("team")
    for name in ("", " ", "a b", "arn:aws:kms:x:y:key/z", S3_KEY, "x" * 256, "ä"):
        with pytest.raises(ValueError, match="cannot be named"):
            kit.create(name)


def test_every_altered_byte_of_a_sealed_wrapping_key_is_noticed() -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        _, sealed = await kit.engine.generate("team")
        for at in range(len(sealed)):
            altered = bytearray(sealed)
            altered[at] ^= 0x20
            with pytest.raises((SealBroken, KeyUnusable)):
                await kit.engine.decrypt("team", bytes(altered))
        kit.create("other")
        with pytest.raises(SealBroken):
            await kit.engine.decrypt("other", sealed)

    run(body())


def test_another_master_key_reseals_all_versions() -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        keyring.rotate("team", kit.master, NOW)(kit.catalog)
        plain, sealed = await kit.engine.generate("team")
        new = MasterKey(os.urandom(32))
        assert keyring.reseal(kit.catalog, kit.master, new) == 4
        assert await keyring.of_catalog(kit.catalog.read, new).decrypt("team", sealed) == plain

    run(body())


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(S3),
        Wanted(KMS, "team"),
        Wanted(KMS, "team", '{"a":"b"}', True),
        Wanted(CUSTOMER, customer_key=bytes(range(32))),
    ],
)
def test_what_is_sealed_opens(wanted: Wanted) -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        seal = await kit.envelopes.seal(wanted, 7)
        opened = await kit.envelopes.open(seal.record, wanted.customer_key)
        assert opened.secret == seal.key.secret
        assert seal.key.secret not in seal.record.data_key

    run(body())


def test_a_context_is_bound() -> None:
    async def body() -> None:
        kit = Kit()
        record = (await kit.envelopes.seal(Wanted(KMS, kit.envelopes.key_name(None), '{"a":"b"}'), 1)).record
        changed = Encryption(KMS, record.data_key, record.wrapping_key, record.engine, record.key_id, '{"a":"c"}')
        with pytest.raises(SealBroken):
            await kit.envelopes.open(changed)

    run(body())


def test_another_customer_key_is_told_from_altered_bytes() -> None:
    async def body() -> None:
        kit = Kit()
        record = (await kit.envelopes.seal(Wanted(CUSTOMER, customer_key=bytes(32)), 1)).record
        for wrong in (bytes([1]) * 32, None):
            with pytest.raises(WrongKey):
                await kit.envelopes.open(record, wrong)
        altered = record.data_key[:-1] + bytes([record.data_key[-1] ^ 1])
        with pytest.raises(SealBroken):
            await kit.envelopes.open(Encryption(CUSTOMER, altered), bytes(32))

    run(body())


def test_a_bucket_key_serves_a_bucket_for_a_while() -> None:
    async def body() -> None:
        kit = Kit()
        wanted = Wanted(KMS, kit.envelopes.key_name(None), bucket_key=True)

        async def wrapping(bucket: int) -> bytes:
            return (await kit.envelopes.seal(wanted, bucket)).record.wrapping_key

        first = await wrapping(1)
        assert await wrapping(1) == first
        assert await wrapping(2) != first
        kit.now += 301
        assert await wrapping(1) != first
        single = Wanted(KMS, wanted.key_id)
        records = [(await kit.envelopes.seal(single, 1)).record for _ in range(2)]
        assert records[0].wrapping_key != records[1].wrapping_key

    run(body())


def test_a_key_that_was_disabled_stops_to_open_in_time() -> None:
    async def body() -> None:
        kit = Kit()
        kit.create("team")
        shared = (await kit.envelopes.seal(Wanted(KMS, "team", bucket_key=True), 1)).record
        single = (await kit.envelopes.seal(Wanted(KMS, "team"), 1)).record
        await kit.envelopes.open(shared)
        keyring.enable(kit.catalog, "team", False)
        with pytest.raises(KeyDisabled):
            await kit.envelopes.open(single)
        await kit.envelopes.open(shared)
        kit.now += 301
        with pytest.raises(KeyDisabled):
            await kit.envelopes.open(shared)

    run(body())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, "alias/aws/s3"),
        ("", "alias/aws/s3"),
        ("alias/aws/s3", "alias/aws/s3"),
        ("arn:aws:kms:us-east-1:111122223333:alias/aws/s3", "alias/aws/s3"),
        ("arn:aws:kms:us-east-1:111122223333:key/team", "team"),
        ("arn:aws:kms:team", "team"),
        ("team/a.b:c_d-1", "team/a.b:c_d-1"),
        ("two words", None),
        ("SSE-S3", None),
    ],
)
def test_how_keys_are_named(given: str | None, name: str | None) -> None:
    kit = Kit()
    if name is None:
        with pytest.raises(KeyNotFound):
            kit.envelopes.key_name(given)
    else:
        assert kit.envelopes.key_name(given) == name


def key_file(folder: Path, text: str) -> Path:
    path = folder / "keys.toml"
    path.write_text(text)
    return path


def encoded(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


def test_keys_of_a_file(tmp_path: Path) -> None:
    async def body() -> None:
        old = keyfile.load(key_file(tmp_path, f'default = "a"\n[keys]\na = ["{encoded(1)}"]\n'))
        plain, sealed = await old.generate("a")
        assert old.default_key == "a"
        new = keyfile.load(key_file(tmp_path, f'[keys]\na = ["{encoded(1)}", "{encoded(2)}"]\nb = ["{encoded(3)}"]\n'))
        assert await new.decrypt("a", sealed) == plain
        newer = await new.rewrap("a", sealed)
        assert newer != sealed
        with pytest.raises(KeyUnusable):
            await old.decrypt("a", newer)
        kit = Kit()
        both = Envelopes(kit.engine, new, [old])
        assert (await both.seal(Wanted(KMS, "b"), 1)).record.engine == "file"
        alone = (await Envelopes(kit.engine, kit.engine).seal(Wanted(KMS, "alias/aws/s3"), 1)).record
        await both.open(alone)
        elsewhere = (await both.seal(Wanted(KMS, "b"), 1)).record
        with pytest.raises(KmsUnavailable, match="'file'"):
            await kit.envelopes.open(elsewhere)

    run(body())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[keys]\na = 1\n",
        "[keys]\na = []\n",
        '[keys]\na = ["short"]\n',
        '[keys]\na = ["c2VjcmV0IHNlY3JldA=="]\n',
        f'[keys]\n"a b" = ["{encoded(1)}"]\n',
        f'default = "b"\n[keys]\na = ["{encoded(1)}"]\n',
        f'other = 1\n[keys]\na = ["{encoded(1)}"]\n',
    ],
)
def test_key_files_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        keyfile.load(key_file(tmp_path, text))
    assert "c2VjcmV0" not in str(caught.value), "what might be a key is not shown"


def test_a_keyring_shows_no_key() -> None:
    kit = Kit()
    shown = [repr(kit.engine), repr(kit.envelopes), repr(Wanted(CUSTOMER, customer_key=b"k" * 32))]
    assert not any("kkkk" in text or kit.master._key.hex() in text for text in shown)
    assert isinstance(kit.engine, Keyring)
