"""One request and how it went, for whoever logs and counts: filled in as the request walks through the endpoint."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from objstore.aws.http import Request
from objstore.aws.principal import Principal

if TYPE_CHECKING:
    from objstore.aws.operation import Call

CLIENT_GONE = 499  # nobody is there to be answered; nginx's number for it, in logs only


def new_request_id() -> str:
    """16 hexadecimal digits, as AWS's are. Python seeds its own generator anew in each process that is forked."""
    return f"{random.getrandbits(64):016X}"


@dataclass(slots=True)
class Exchange:
    """Times are those of `time.monotonic`; what was not reached is None. `sent` counts bytes of the answer's body.

    `received` is when the last byte of the request's body had come, `headers` are those of the answer.
    """

    method: str
    request_id: str = field(default_factory=new_request_id)
    started: float = field(default_factory=time.monotonic)
    request: Request | None = None
    principal: Principal | None = None
    call: Call | None = None
    operation: str | None = None
    service: str = "s3"  # whose operation it is
    website: bool = False  # whether a browser asked a website
    status: int = 0
    error: str | None = None  # AWS's code
    sent: int = 0
    headers: Sequence[tuple[bytes, bytes]] = ()
    received: float | None = None
    first_byte: float | None = None
    finished: float | None = None

    def header(self, name: bytes) -> str | None:
        """A header of the answer, by its name in lower case."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)
