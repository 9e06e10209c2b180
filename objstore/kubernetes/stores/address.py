"""Where a store is for its clients: a host, a port, and whether it speaks TLS."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

_HTTPS: Final = 443
_HTTP: Final = 80


class Address(NamedTuple):
    """`host` without brackets, also where it is an IPv6 address."""

    host: str
    port: int
    secure: bool

    @property
    def url(self) -> str:
        """As an endpoint for S3 clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"

    @classmethod
    def read(cls, text: str) -> Self:
        """A URL, or HOST:PORT as Rook's StorageClasses have it, where port 443 speaks TLS. Raises ValueError."""
        try:
            url = urllib.parse.urlsplit(text if "://" in text else f"//{text}")
            host, port = url.hostname, url.port
        except ValueError as error:
            raise ValueError(f"{text!r} is no endpoint: {error}") from None
        if not host or url.scheme not in ("", "http", "https") or url.path not in ("", "/") or url.query or "@" in text:
            raise ValueError(f"{text!r} is no endpoint such as http://store.example:9000 or 10.0.0.7:9000")
        secure = url.scheme == "https" or (not url.scheme and port == _HTTPS)
        return cls(host, port or (_HTTPS if secure else _HTTP), secure)


def advertised(store: Mapping[str, Any]) -> Address | None:
    """The address that an ObjectStore tells its clients; None while it has none yet."""
    endpoint = ((store.get("spec") or {}).get("hosting") or {}).get("advertiseEndpoint")
    if endpoint:
        return Address(endpoint["dnsName"], int(endpoint["port"]), bool(endpoint["useTls"]))
    info = (store.get("status") or {}).get("info") or {}
    told = info.get("secureEndpoint") or info.get("endpoint")
    return Address.read(told) if told else None
