"""The keys of OpenID Connect issuers: found by discovery, kept for a while, and asked for anew when a token names one
that is not known, though not more than every half minute.

Only issuers that the configuration lists are ever asked, and only at addresses that it permits (see `outbound`):
whoever sends a token cannot make the server connect anywhere else. Answers are bounded, redirects are not followed.
https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from objstore.outbound import http
from objstore.outbound.addresses import AllowList, NotAllowed

KEPT_SECONDS: Final = 3600.0
ASKED_AGAIN_SECONDS: Final = 30.0
MOST_KEYS: Final = 100

Fetch = Callable[[str], Any]


class IssuerError(Exception):
    """An issuer could not be asked, or answered what cannot be used; the message is for the client."""


@dataclass(slots=True)
class _Known:
    keys: KeySet
    at: float


def canonical(issuer: str) -> str:
    """An issuer as it is compared: a trailing slash means nothing."""
    return issuer.removesuffix("/")


class Issuers:
    """The issuers that are listed, and what is known of their keys. `clock` counts seconds."""

    def __init__(
        self,
        listed: Iterable[str],
        allowed: AllowList,
        *,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listed = {canonical(issuer) for issuer in listed}
        self._client = http.client(allowed, seconds=5.0, ca_file=ca_file) if self._listed else None
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asked: dict[str, float] = {}
        self._locks = {issuer: asyncio.Lock() for issuer in self._listed}

    def lists(self, issuer: str) -> bool:
        """Whether the configuration lists an issuer."""
        return canonical(issuer) in self._listed

    async def keys(self, issuer: str, kid: str | None) -> KeySet:
        """The keys of a listed issuer, where possible with the one of that id. Raises IssuerError."""
        issuer = canonical(issuer)
        assert issuer in self._listed, "only issuers that are listed are asked"
        async with self._locks[issuer]:
            now, known = self._clock(), self._known.get(issuer)
            fresh = known is not None and now - known.at < KEPT_SECONDS
            if known is not None and fresh and (kid is None or _has(known.keys, kid)):
                return known.keys
            if now - self._asked.get(issuer, -ASKED_AGAIN_SECONDS) < ASKED_AGAIN_SECONDS:
                if known is not None and fresh:
                    return known.keys
                raise IssuerError("The identity provider could not be reached a moment ago; try again shortly.")
            self._asked[issuer] = now
            keys = await self._discover(issuer)
            self._known[issuer] = _Known(keys, now)
            return keys

    async def _discover(self, issuer: str) -> KeySet:
        document = await self._fetch(f"{issuer}/.well-known/openid-configuration")
        if canonical(str(document.get("issuer"))) != issuer:
            raise IssuerError("The discovery document of the identity provider names another issuer.")
        address = document.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address).scheme not in (urlsplit(issuer).scheme, "https"):
            raise IssuerError("The discovery document of the identity provider has no usable jwks_uri.")
        found = (await self._fetch(address)).get("keys")
        if not isinstance(found, list):
            raise IssuerError("The identity provider publishes no keys.")
        # Symmetric keys have no place in a public set; what is not for signatures neither.
        usable = [key for key in found[:MOST_KEYS] if isinstance(key, dict) and _signs(key)]
        try:
            return KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError, TypeError, KeyError):
            raise IssuerError("The identity provider publishes keys that cannot be read.") from None

    async def _fetch(self, url: str) -> dict[str, Any]:
        assert self._client is not None, "there is a client where an issuer is listed"
        try:
            status, body = await http.fetch(self._client, "GET", url, headers={"accept": "application/json"})
        except NotAllowed as error:
            raise IssuerError(str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, http.AnswerTooLarge, OSError):
            raise IssuerError("The identity provider could not be reached.") from None
        if status != 200:
            raise IssuerError(f"The identity provider answered {status}.")
        try:
            document = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise IssuerError("The identity provider answered with what is no JSON object.")
        return document


def _signs(key: dict[str, Any]) -> bool:
    return key.get("kty") in ("RSA", "EC") and key.get("use", "sig") == "sig"


def _has(keys: KeySet, kid: str) -> bool:
    return any(key.kid == kid for key in keys.keys)
