"""HashiCorp Vault as the keeper of keys: its own transit engine where there is one, and answers gone wrong from a fake.

The tests of the real engine need `vault` or `bao` on the path, or the program that OBJSTORE_TEST_VAULT names: see
tests/kms/vault/main.go, which makes one from Vault's published modules.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from objstore.kms.envelopes import Envelopes, Wanted
from objstore.kms.errors import KeyNotFound, KeyUnusable, KmsDenied, KmsError, KmsUnavailable
from objstore.kms.vault import Vault, VaultSettings
from objstore.sealing import KMS
from tests.front.wire import refused
from tests.harness import free_port, serving

ROOT = "root-token-of-the-tests"


class Running:
    """A Vault in memory with the transit engine and AppRole."""

    def __init__(self, program: str) -> None:
        self.address = f"http://127.0.0.1:{free_port()}"
        listen = self.address.removeprefix("http://")
        self.process = subprocess.Popen(
            [program, "server", "-dev", f"-dev-root-token-id={ROOT}", f"-dev-listen-address={listen}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": "/nonexistent"},
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.ask("GET", "auth/token/lookup-self").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        self.ask("POST", "sys/mounts/transit", type="transit")
        self.ask("POST", "sys/auth/approle", type="approle")

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        """One call as root."""
        return httpx.request(
            method, f"{self.address}/v1/{path}", json=body or None, headers={"X-Vault-Token": ROOT}, timeout=10
        )

    def key(self) -> str:
        """A new key; its name."""
        name = f"key-{uuid.uuid4().hex[:8]}"
        assert self.ask("POST", f"transit/keys/{name}").status_code in (200, 204)
        return name


@pytest.fixture(scope="module")
def vault() -> Iterator[Running]:
    program = os.environ.get("OBJSTORE_TEST_VAULT") or shutil.which("vault") or shutil.which("bao")
    if program is None or not Path(program).exists():
        pytest.skip("no vault or bao on the path, and OBJSTORE_TEST_VAULT names none")
    running = Running(program)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(20)


def token_file(folder: Path, token: str = ROOT) -> str:
    path = folder / "token"
    path.write_text(token + "\n")
    return str(path)


def with_engine(settings: VaultSettings, body: Callable[[Vault], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        engine = Vault(settings)
        try:
            await body(engine)
        finally:
            await engine.close()

    asyncio.run(main())


def test_what_vault_seals_it_opens_before_and_after_a_rotation(vault: Running, tmp_path: Path) -> None:
    name = vault.key()

    async def body(engine: Vault) -> None:
        plain, sealed = await engine.generate(name)
        assert len(plain) == 32 and sealed.startswith(b"vault:v1:")
        assert await engine.decrypt(name, sealed) == plain
        assert await engine.rewrap(name, sealed) == sealed, "it is under the newest version already"
        vault.ask("POST", f"transit/keys/{name}/rotate")
        newer = await engine.rewrap(name, sealed)
        assert newer.startswith(b"vault:v2:")
        assert await engine.decrypt(name, newer) == await engine.decrypt(name, sealed) == plain
        vault.ask("POST", f"transit/keys/{name}/config", min_decryption_version=2)
        with pytest.raises(KeyUnusable, match="too old"):
            await engine.decrypt(name, sealed)
        other = vault.key()
        with pytest.raises(KeyUnusable):
            await engine.decrypt(other, newer)

    with_engine(VaultSettings(address=vault.address, token_file=token_file(tmp_path)), body)


def test_keys_that_are_not_there_and_tokens_that_are_wrong(vault: Running, tmp_path: Path) -> None:
    name = vault.key()

    async def missing(engine: Vault) -> None:
        _, sealed = await engine.generate(name)
        for call in (engine.generate("no-such-key"), engine.decrypt("no-such-key", sealed)):
            with pytest.raises(KeyNotFound):
                await call

    async def denied(engine: Vault) -> None:
        with pytest.raises(KmsDenied):
            await engine.generate(name)

    async def no_engine_there(engine: Vault) -> None:
        with pytest.raises(KeyNotFound):
            await engine.generate(name)

    good = token_file(tmp_path)
    with_engine(VaultSettings(address=vault.address, token_file=good), missing)
    with_engine(VaultSettings(address=vault.address, token_file=good, mount="elsewhere"), no_engine_there)
    with_engine(VaultSettings(address=vault.address, token_file=token_file(tmp_path, "wrong")), denied)


def test_a_token_that_was_replaced_is_read_again(vault: Running, tmp_path: Path) -> None:
    name = vault.key()
    made = vault.ask("POST", "auth/token/create", policies=["root"], no_parent=True).json()["auth"]["client_token"]

    async def body(engine: Vault) -> None:
        await engine.generate(name)
        vault.ask("POST", "auth/token/revoke", token=made)
        token_file(tmp_path)
        await engine.generate(name)

    with_engine(VaultSettings(address=vault.address, token_file=token_file(tmp_path, made)), body)


def test_login_by_approle(vault: Running, tmp_path: Path) -> None:
    name = vault.key()
    rules = "".join(
        f'path "transit/{verb}/*" {{ capabilities = ["update"] }}\n'
        for verb in ("datakey/plaintext", "decrypt", "rewrap")
    )
    vault.ask("PUT", "sys/policies/acl/objstore", policy=rules)
    vault.ask("POST", "auth/approle/role/objstore", token_policies=["objstore"], token_num_uses=2)
    role = vault.ask("GET", "auth/approle/role/objstore/role-id").json()["data"]["role_id"]
    secret = vault.ask("POST", "auth/approle/role/objstore/secret-id").json()["data"]["secret_id"]
    (tmp_path / "role").write_text(role)
    (tmp_path / "secret").write_text(secret)
    files = {"role_id_file": str(tmp_path / "role"), "secret_id_file": str(tmp_path / "secret")}

    async def body(engine: Vault) -> None:
        plain, sealed = await engine.generate(name)
        for _ in range(5):  # a token serves twice: the server logs in again
            assert await engine.decrypt(name, sealed) == plain

    async def refuses(engine: Vault) -> None:
        with pytest.raises(KmsDenied):
            await engine.generate(name)

    with_engine(VaultSettings(address=vault.address, **files), body)
    (tmp_path / "secret").write_text("wrong")
    with_engine(VaultSettings(address=vault.address, **files), refuses)


def test_a_server_with_its_keys_in_vault(vault: Running, tmp_path: Path) -> None:
    default, named = vault.key(), vault.key()
    config = tmp_path / "objstore.toml"
    config.write_text(
        f'[kms]\nengine = "vault"\n[kms.vault]\naddress = "{vault.address}"\n'
        f'token_file = "{token_file(tmp_path)}"\ndefault_key = "{default}"\ntimeout = 0.5\n'
    )
    with serving(tmp_path / "server", drives=2, arguments=("--config", str(config))) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        data = os.urandom(200_000)
        sealed = {"ServerSideEncryption": "aws:kms"}
        assert s3.put_object(Bucket="bucket", Key="a", Body=data, **sealed)["SSEKMSKeyId"] == default
        s3.put_object(Bucket="bucket", Key="b", Body=data, SSEKMSKeyId=named, BucketKeyEnabled=True, **sealed)
        s3.put_object(Bucket="bucket", Key="s3", Body=data, ServerSideEncryption="AES256")
        assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == data
        with refused("KMS.NotFoundException", 400):
            s3.put_object(Bucket="bucket", Key="c", Body=data, SSEKMSKeyId="no-such-key", **sealed)
        vault.ask("POST", f"transit/keys/{named}/config", deletion_allowed=True)
        vault.process.send_signal(19)  # SIGSTOP: it hangs
        try:
            with refused("ServiceUnavailable", 503):
                s3.get_object(Bucket="bucket", Key="a")
            assert s3.get_object(Bucket="bucket", Key="b")["Body"].read() == data, "its bucket key is remembered"
            assert s3.get_object(Bucket="bucket", Key="s3")["Body"].read() == data
            assert s3.head_object(Bucket="bucket", Key="a")["ContentLength"] == len(data)
        finally:
            vault.process.send_signal(18)
        assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == data
        assert ROOT not in server.output()


# answers gone wrong


def faking(status: int, body: Any, folder: Path) -> tuple[VaultSettings, httpx.MockTransport]:
    """A transport that gives one answer to everything."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return VaultSettings(address="http://127.0.0.1:1", token_file=token_file(folder)), transport


SHORT = base64.b64encode(b"short").decode()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"no json", KmsUnavailable),
        (200, {"data": None}, KmsUnavailable),
        (200, {"data": {}}, KeyUnusable),
        (200, {"data": {"plaintext": SHORT, "ciphertext": "vault:v1:x"}}, KeyUnusable),
        (200, {"data": {"plaintext": "%%", "ciphertext": "vault:v1:x"}}, KeyUnusable),
        (200, {"data": {"plaintext": base64.b64encode(bytes(32)).decode()}}, KeyUnusable),
        (400, {"errors": ["encryption key not found"]}, KeyNotFound),
        (400, {"errors": ["unsupported key type"]}, KeyUnusable),
        (400, b"<html>", KeyUnusable),
        (403, {"errors": ["permission denied"]}, KmsDenied),
        (404, {"errors": []}, KeyNotFound),
        (412, {"errors": ["required index state not present"]}, KmsUnavailable),
        (429, {"errors": ["too many requests"]}, KmsUnavailable),
        (500, {"errors": ["internal error"]}, KmsUnavailable),
        (503, {"errors": ["Vault is sealed"]}, KmsUnavailable),
    ],
)
def test_answers_gone_wrong(tmp_path: Path, status: int, body: Any, error: type[KmsError]) -> None:
    settings, transport = faking(status, body, tmp_path)

    async def main() -> None:
        engine = Vault(settings, transport)
        with pytest.raises(error) as caught:
            await engine.generate("key")
        assert ROOT not in str(caught.value)
        await engine.close()

    asyncio.run(main())


def test_what_cannot_be_reached_or_read(tmp_path: Path) -> None:
    async def unreachable(engine: Vault) -> None:
        with pytest.raises(KmsUnavailable, match="cannot be reached"):
            await engine.generate("key")

    async def unread(engine: Vault) -> None:
        with pytest.raises(KmsUnavailable, match="cannot be read"):
            await engine.generate("key")

    address = f"http://127.0.0.1:{free_port()}"
    with_engine(VaultSettings(address=address, token_file=token_file(tmp_path)), unreachable)
    with_engine(VaultSettings(address=address, token_file=str(tmp_path / "nothing")), unread)


def test_a_bucket_key_asks_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        data = {"plaintext": base64.b64encode(bytes(32)).decode(), "ciphertext": f"vault:v1:{len(asked)}"}
        return httpx.Response(200, json={"data": data})

    async def main() -> None:
        settings = VaultSettings(address="http://127.0.0.1:1", token_file=token_file(tmp_path))
        engine = Vault(settings, httpx.MockTransport(answer))
        envelopes = Envelopes(engine, engine)
        for shared, calls in ((True, 1), (False, 5)):
            asked.clear()
            records = [(await envelopes.seal(Wanted(KMS, "k", bucket_key=shared), 1)).record for _ in range(5)]
            assert asked == ["/v1/transit/datakey/plaintext/k"] * calls
            asked.clear()
            another = Envelopes(engine, engine)
            for record in records:
                await envelopes.open(record)
                await another.open(record)
            assert asked == ["/v1/transit/decrypt/k"] * (1 if shared else 2 * calls)
        await engine.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "vault.example.com"},
        {"token_file": None},
        {"role_id_file": "/r"},
        {"role_id_file": "/r", "secret_id_file": "/s"},
        {"timeout": 0},
    ],
)
def test_settings_that_do_not_do(changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {"address": "https://vault:8200", "token_file": "/t"}
    assert VaultSettings(**good).problem() is None
    assert VaultSettings(**(good | changed)).problem()
