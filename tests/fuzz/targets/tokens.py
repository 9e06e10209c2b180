"""JSON Web Tokens of issuers, and the tokens of our own sessions."""

from __future__ import annotations

import asyncio
import base64
import json

from joserfc.jwk import ECKey, KeySet, RSAKey

from objstore.iam.federation import web_tokens
from objstore.iam.identities.sessions import Origin, Record, Tokens
from tests.fuzz.target import Target, designed, pieces
from tests.iam.setting import MASTER

NOW = 1_700_000_000
_LOOP = asyncio.new_event_loop()
_SESSIONS = Tokens(MASTER)


def _number(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class _Issuers:
    """Has public keys, and asks nobody."""

    def __init__(self) -> None:
        modulus = bytes([0xC1]) + bytes(range(1, 256)) + b"\x01"
        point = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
        self.known = KeySet(
            [
                RSAKey.import_key({"kty": "RSA", "kid": "rsa", "n": _number(modulus), "e": "AQAB"}),
                ECKey.import_key({"kty": "EC", "kid": "ec", "crv": "P-256", "x": point[0], "y": point[1]}),
            ]
        )

    async def keys(self, issuer: str, kid: str | None) -> KeySet:
        return self.known


_ISSUERS = _Issuers()


def run(data: bytes) -> None:
    kind, text = pieces(data, 2)
    if kind == b"session":
        with designed():
            access_key, token = (part.decode("latin-1") for part in pieces(text, 2))
            _SESSIONS.open(access_key, token)
    elif kind == b"claims":
        with designed():
            token = f"{_part({'alg': 'RS256', 'kid': 'rsa'})}.{base64.urlsafe_b64encode(text).decode()}.AAAA"
            web_tokens.peek(token)
            web_tokens._check_times(json.loads(text), NOW)
    else:
        with designed():
            token = text.decode("latin-1")
            _LOOP.run_until_complete(web_tokens.verify(token, web_tokens.peek(token), _ISSUERS, NOW))  # type: ignore[arg-type]


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _jwt(algorithm: str, kid: str, **claims: object) -> bytes:
    body = {"iss": "https://issuer", "sub": "s", "aud": ["a"], "exp": NOW + 60, "iat": NOW, **claims}
    return f"jwt\0{_part({'alg': algorithm, 'kid': kid})}.{_part(body)}.{_number(bytes(64))}".encode()


_GIVEN = _SESSIONS.issue(Record(Origin.KEY, "account", "subject", NOW, NOW + 3600))
TARGET = Target(
    "tokens",
    run,
    (
        _jwt("RS256", "rsa"),
        _jwt("ES256", "ec", azp="p", nbf=NOW),
        _jwt("none", "rsa"),
        _jwt("HS256", "rsa"),
        f"session\0{_GIVEN.access_key}\0{_GIVEN.token}".encode(),
        b'claims\0{"iss":"https://issuer","exp":1700000060,"nbf":1e300,"iat":-1}',
        b'claims\0{"iss":"https://issuer","exp":1e400}',
    ),
    words=(
        "eyJhbGciOiJ",
        '"alg":',
        '"crit":',
        '"b64":false',
        '"exp":',
        "1e400",
        "NaN",
        "jwt\0",
        "session\0",
        "claims\0",
    ),
)
