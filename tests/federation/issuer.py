"""An OpenID Connect issuer on the loopback: a discovery document, public keys, and tokens of any kind, good or bad."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey


class Issuer:
    """Serves until `close`. `asked` counts requests by path; `published` are the keys that it shows."""

    def __init__(self) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
        self.shared = OctKey.import_key("a-secret-that-somebody-published", {"kid": "oct-1"})
        self.published: list[Any] = [self.rsa, self.ec, self.shared]
        self.asked: dict[str, int] = {}
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        handler = self._handler()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/realm"

    @property
    def name(self) -> str:
        return self.url.partition("://")[2]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What a good token says; a claim that is None is left out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "alice@idp", "aud": "my-app", "iat": now, "exp": now + 600} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, key: Any = None, algorithm: str = "RS256", kid: str | None = None, **changes: Any) -> str:
        """A token signed by one of the keys."""
        key = key or self.rsa
        header = {"alg": algorithm, "kid": kid or key.kid}
        return jwt.encode(header, self.claims(**changes), key, algorithms=[algorithm])

    def unsigned(self, **changes: Any) -> str:
        """A token that says it needs no signature."""
        return f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{part(self.claims(**changes))}."

    def confused(self) -> str:
        """A token whose HMAC is made with the text of the public key, for who takes the algorithm from the header."""
        secret = self.rsa.as_pem(private=False)
        signed = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{part(self.claims())}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    def _answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        if path in self.answers:
            return self.answers[path]
        if path == "/realm/.well-known/openid-configuration":
            return 200, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode(), {}
        if path == "/realm/keys":
            keys = [key.as_dict(private=key.key_type == "oct") for key in self.published]
            return 200, json.dumps({"keys": keys}).encode(), {}
        return 404, b"", {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] = issuer.asked.get(self.path, 0) + 1
                status, body, headers = issuer._answer(self.path)
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def part(value: dict[str, Any]) -> str:
    """A part of a token."""
    return encoded(json.dumps(value).encode())


def encoded(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
