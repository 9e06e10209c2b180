"""One request and its answer on a connection, as uvicorn's ASGI cycle, with two differences that cost no one anything.

`receive` gives all that waits in one piece: chunks are kept as they came and joined once. The head of an answer waits
for the first piece of the body, and both go out by one system call: for a small object that is half of the calls, and
the client is woken once. Only answers that tell their length are written here; uvicorn writes the others.

An answer has ended when the client has taken all but a little of it: until then the request counts as running, and is
given up when the client takes nothing.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, RequestResponseCycle

ANSWER_HIGH_WATER = 1 << 20
_END: Any = {"type": "http.response.body", "body": b"", "more_body": False}
_LEFT = 64 << 10  # bytes of an answer that may wait to be sent when it has ended


class Cycle(RequestResponseCycle):
    """See the module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.chunks: list[bytes] = []
        self.waiting = 0
        self._head: bytes | None = None

    async def receive(self) -> Any:
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        chunks, self.chunks, self.waiting = self.chunks, [], 0
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        if self._head is not None:
            await self._first(self._head, message)
        elif self.response_started or not self._hold(message):
            await self._send_body(message)

    async def _send_body(self, message: Any) -> None:
        """Send a piece of the body; the last one ends the answer, as soon as nearly all has been taken."""
        if not message.get("more_body", False) and len(message.get("body", b"")) > _LEFT:
            message["more_body"] = True
            await super().send(message)
            await self._taken()
            message = _END
        await super().send(message)

    async def _taken(self) -> None:
        """Wait until all but a little of what was written has been sent."""
        if self.disconnected or self.transport.get_write_buffer_size() <= _LEFT:
            return
        self.transport.set_write_buffer_limits(high=_LEFT)  # pauses writing at once
        try:
            await self.flow.drain()
        finally:
            if not self.transport.is_closing():
                self.transport.set_write_buffer_limits(high=ANSWER_HIGH_WATER)

    def _hold(self, message: Any) -> bool:
        """Keep the head back; False for an answer whose length is not told."""
        if message["type"] != "http.response.start" or self.disconnected:
            return False
        headers = [*self.default_headers, *message.get("headers", ())]
        told = dict(headers)
        length = told.get(b"content-length")
        if length is None:
            return False
        if HEADER_RE.search(b"".join(told)) or HEADER_VALUE_RE.search(b"".join([value for _, value in headers])):
            raise RuntimeError("a header has a character that is not allowed there")
        if told.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append((b"connection", b"close"))
        self._head = STATUS_LINE[message["status"]] + b"\r\n".join(map(b": ".join, headers)) + b"\r\n\r\n"
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = False
        self.expected_content_length = int(length)
        return True

    async def _first(self, head: bytes, message: Any) -> None:
        """Send the head with the first piece of the body."""
        self._head = None
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        body = message.get("body", b"")
        if self.scope["method"] == "HEAD" or not body:
            self.transport.write(head)
            await super().send(message)
            return
        if len(body) > self.expected_content_length:
            raise RuntimeError("the answer is longer than its Content-Length")
        self.expected_content_length -= len(body)
        self.transport.writelines((head, body))
        if not message.get("more_body", False):
            await self._taken()
            await super().send(_END)
