"""A webhook that remembers what it was sent, and refuses while it is told to."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE = 30.0


class Receiver:
    """What came: bodies as JSON, with the headers of each."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused = 0
        self.refuse: Callable[[dict[str, Any]], bool] = lambda _: False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def records(self) -> list[dict[str, Any]]:
        return [record for body in list(self.bodies) for record in body.get("Records", [])]

    def events(self, bucket: str) -> list[tuple[str, str]]:
        """Names and keys of what a bucket told, in the order in which it came."""
        return [
            (record["eventName"], record["s3"]["object"]["key"])
            for record in self.records
            if record["s3"]["bucket"]["name"] == bucket
        ]

    def wait(self, look: Callable[[], Any], wanted: Any) -> None:
        """Until `look` gives what is wanted."""
        deadline = time.monotonic() + PATIENCE
        while (seen := look()) != wanted:
            assert time.monotonic() < deadline, f"{seen} is not {wanted}"
            time.sleep(0.05)


@contextlib.contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """A receiver on the loopback, on a port of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            refused = receiver.refuse(body)
            if refused:
                receiver.refused += 1
            else:
                receiver.headers.append(dict(self.headers.items()))
                receiver.bodies.append(body)
            self.send_response(503 if refused else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as listening:
        listening.daemon_threads = True
        receiver = Receiver(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            listening.shutdown()
            thread.join()
