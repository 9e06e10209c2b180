"""The allow-list: what it lists is reached, and no name leads to what is near without being listed."""

from __future__ import annotations

import asyncio
import http.server
import ipaddress
import threading
from collections.abc import Iterator

import httpx
import pytest

from objstore.outbound.addresses import AllowList, NotAllowed
from objstore.outbound.http import AnswerTooLarge, client, fetch


@pytest.mark.parametrize(
    ("allowed", "host", "address", "permitted"),
    [
        ([], "example.com", "93.184.216.34", False),
        (["example.com"], "example.com", "93.184.216.34", True),
        (["example.com"], "EXAMPLE.com.", "93.184.216.34", True),
        (["example.com"], "evil-example.com", "93.184.216.34", False),
        (["*.example.com"], "a.b.example.com", "93.184.216.34", True),
        (["*.example.com"], "example.com", "93.184.216.34", False),
        (["example.com"], "example.com", "127.0.0.1", False),
        (["example.com"], "example.com", "169.254.169.254", False),
        (["example.com"], "example.com", "::1", False),
        (["example.com"], "example.com", "::ffff:127.0.0.1", False),
        (["example.com"], "example.com", "2002:7f00:1::", False),
        (["example.com"], "example.com", "0.0.0.0", False),
        (["example.com"], "example.com", "10.0.0.7", True),
        (["10.0.0.0/8"], "anything", "10.0.0.7", True),
        (["127.0.0.1"], "localhost", "127.0.0.1", True),
        (["127.0.0.1"], "localhost", "127.0.0.2", False),
        (["127.0.0.0/8"], "x", "::ffff:127.0.0.1", True),
        # Everywhere is not here: what is near must be listed by an entry that is about it alone.
        (["0.0.0.0/0"], "x", "93.184.216.34", True),
        (["0.0.0.0/0"], "x", "127.0.0.1", False),
        (["0.0.0.0/0"], "localhost", "169.254.169.254", False),
        (["::/0"], "x", "2001:db8::1", True),
        (["::/0"], "x", "::1", False),
        (["::/0"], "x", "fe80::1", False),
        (["169.254.0.0/16"], "x", "169.254.169.254", True),
        (["0.0.0.0/0", "127.0.0.1"], "x", "127.0.0.1", True),
        # Further dresses of IPv4 addresses: translated (NAT64), compatible.
        (["example.com"], "example.com", "64:ff9b::7f00:1", False),
        (["example.com"], "example.com", "64:ff9b::a9fe:a9fe", False),
        (["example.com"], "example.com", "::7f00:1", False),
        (["example.com"], "example.com", "64:ff9b::5db8:d822", True),
    ],
)
def test_what_is_permitted(allowed: list[str], host: str, address: str, permitted: bool) -> None:
    assert AllowList(allowed).permits(host, ipaddress.ip_address(address)) is permitted


@pytest.mark.parametrize("entry", ["", "*.", "http://x", "10.0.0.0/99", "a b", "10.0.0.1/8"])
def test_what_is_no_entry(entry: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        AllowList([entry])


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        big = self.path == "/big"
        moved = self.path == "/moved"
        self.send_response(302 if moved else 200)
        if moved:
            self.send_header("Location", "http://example.com/")
        body = b"x" * (2 << 20) if big else f"host {self.headers['Host']}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


def get(allowed: list[str], url: str) -> tuple[int, bytes]:
    async def go() -> tuple[int, bytes]:
        async with client(AllowList(allowed)) as through:
            return await fetch(through, "GET", url)

    return asyncio.run(go())


def test_requests_reach_what_is_listed_and_nothing_else(port: int) -> None:
    url = f"http://localhost:{port}"
    assert get(["127.0.0.0/8", "::1"], url + "/") == (200, f"host localhost:{port}".encode())
    for allowed in ([], ["localhost"], ["10.0.0.0/8"]):
        with pytest.raises(NotAllowed, match="outbound_allow"):
            get(allowed, url + "/")
    assert get(["127.0.0.0/8"], url + "/moved")[0] == 302
    with pytest.raises(AnswerTooLarge):
        get(["127.0.0.0/8"], url + "/big")
    with pytest.raises(httpx.HTTPError):
        get(["127.0.0.0/8"], "http://localhost:1/")
