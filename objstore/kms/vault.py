"""HashiCorp Vault and OpenBao: wrapping keys from the transit engine, over HTTP.

The server presents a token, from a file, or logs in by AppRole with a role id and a secret id, each from a file. Files
are read again whenever Vault refuses, so a token may be renewed beside us. What Vault seals looks like `vault:v1:...`:
the version of the key is in it.
https://developer.hashicorp.com/vault/api-docs/secret/transit
https://developer.hashicorp.com/vault/api-docs/auth/approle
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from objstore.kms.errors import KeyNotFound, KeyUnusable, KmsDenied, KmsError, KmsUnavailable

ENGINE: Final = "vault"
_KEY_BYTES = 32


class VaultSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where Vault is and who we are there. Either `token_file`, or both files of the AppRole."""

    address: str
    token_file: str | None = None
    role_id_file: str | None = None
    secret_id_file: str | None = None
    approle_mount: str = "approle"
    mount: str = "transit"
    namespace: str | None = None
    ca_file: str | None = None
    timeout: float = 5.0
    default_key: str = "objstore"

    def problem(self) -> str | None:
        """What is wrong with the settings, in words; None when nothing is."""
        if not self.address.startswith(("https://", "http://")):
            return "address: an https:// URL (http:// for a Vault on this host)"
        if bool(self.role_id_file) != bool(self.secret_id_file):
            return "an AppRole needs both role_id_file and secret_id_file"
        if bool(self.token_file) == bool(self.role_id_file):
            return "name either token_file, or role_id_file and secret_id_file"
        return None if 0.1 <= self.timeout <= 60 else "timeout: from 0.1 to 60 seconds"


class Vault:
    """The engine. One for each process and event loop; `close` it at the end."""

    name = ENGINE

    def __init__(self, settings: VaultSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.default_key = settings.default_key
        self._settings = settings
        headers = {"X-Vault-Request": "true"}
        if settings.namespace:
            headers["X-Vault-Namespace"] = settings.namespace
        self._client = httpx.AsyncClient(
            base_url=settings.address.rstrip("/") + "/v1/",
            headers=headers,
            verify=ssl.create_default_context(cafile=settings.ca_file),
            timeout=settings.timeout,
            trust_env=False,
            follow_redirects=False,
            transport=transport,
        )
        self._token: str | None = None

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def generate(self, key: str) -> tuple[bytes, bytes]:
        data = await self._transit("datakey/plaintext", key, {"bits": 8 * _KEY_BYTES})
        return _plain(key, data), _text(key, data, "ciphertext").encode()

    async def decrypt(self, key: str, sealed: bytes) -> bytes:
        return _plain(key, await self._transit("decrypt", key, {"ciphertext": sealed.decode()}))

    async def rewrap(self, key: str, sealed: bytes) -> bytes:
        data = await self._transit("rewrap", key, {"ciphertext": sealed.decode()})
        newest = _text(key, data, "ciphertext")
        same = newest.rpartition(":")[0] == sealed.decode().rpartition(":")[0]
        return sealed if same else newest.encode()

    async def _transit(self, verb: str, key: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """One call; once more with credentials read afresh, when those at hand are refused."""
        path = f"{self._settings.mount}/{verb}/{quote(key, safe='')}"
        fresh = self._token is None
        answer = await self._post(path, body, self._token or await self._log_in())
        if answer.status_code == 403 and not fresh:
            answer = await self._post(path, body, await self._log_in())
        if answer.status_code != 200:
            raise _refusal(key, answer)
        return _data(answer)

    async def _log_in(self) -> str:
        """A token: from its file, or for the AppRole."""
        given = self._settings
        if given.token_file:
            self._token = await asyncio.to_thread(_read, given.token_file)
            return self._token
        role = await asyncio.to_thread(_read, str(given.role_id_file))
        secret = await asyncio.to_thread(_read, str(given.secret_id_file))
        answer = await self._post(f"auth/{given.approle_mount}/login", {"role_id": role, "secret_id": secret}, None)
        if answer.status_code in (400, 403):
            raise KmsDenied("The key management service refuses this server's AppRole.")
        if answer.status_code != 200:
            raise _refusal("", answer)
        try:
            self._token = str(answer.json()["auth"]["client_token"])
        except (ValueError, KeyError, TypeError):
            raise KmsUnavailable("The key management service answered a login without a token.") from None
        return self._token

    async def _post(self, path: str, body: Mapping[str, Any], token: str | None) -> httpx.Response:
        try:
            return await self._client.post(path, json=body, headers={"X-Vault-Token": token} if token else {})
        except httpx.TimeoutException:
            raise KmsUnavailable("The key management service did not answer in time.") from None
        except httpx.HTTPError as error:
            raise KmsUnavailable(f"The key management service cannot be reached ({type(error).__name__}).") from None


def _refusal(key: str, answer: httpx.Response) -> KmsError:
    """What an answer other than 200 means. Vault's own words go along: they name keys, never their bytes."""
    status, words = answer.status_code, _words(answer)
    if status == 404 or (status == 400 and "key not found" in words):
        return KeyNotFound(f"Key '{key}' does not exist")
    if status == 403:
        return KmsDenied(f"The key management service does not let this server use the key '{key}'.")
    table: dict[bool, Callable[[str], KmsError]] = {True: KmsUnavailable, False: KeyUnusable}
    kind = table[status >= 500 or status in (412, 429, 472, 473)]
    return kind(f"The key management service answered {status} for the key '{key}': {words or 'no reason given'}")


def _words(answer: httpx.Response) -> str:
    try:
        errors = answer.json().get("errors") or []
        return "; ".join(str(one) for one in errors)[:300]
    except (ValueError, AttributeError, TypeError):
        return ""


def _data(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        data = answer.json()["data"]
    except (ValueError, KeyError, TypeError):
        data = None
    if not isinstance(data, dict):
        raise KmsUnavailable("The key management service answered something else than JSON with data.")
    return data


def _text(key: str, data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str):
        raise KeyUnusable(f"The key management service gave no {name} for the key '{key}'.")
    return value


def _plain(key: str, data: Mapping[str, Any]) -> bytes:
    try:
        plain = base64.b64decode(_text(key, data, "plaintext"), validate=True)
    except ValueError:
        plain = b""
    if len(plain) != _KEY_BYTES:
        raise KeyUnusable(f"The key '{key}' gave no wrapping key of {_KEY_BYTES} bytes: is it of type aes256-gcm96?")
    return plain


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise KmsUnavailable(f"Credentials for the key management service cannot be read: {error.strerror}") from None
