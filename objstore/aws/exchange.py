"""One request and how it went, for whoever logs and counts: filled in as the request walks through the endpoint."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from objstore.aws.http import Request
from objstore.aws.principal import Principal

_random = random.Random()
CLIENT_GONE = 499  # nobody is there to be answered; nginx's number for it, in logs only


def new_request_id() -> str:
    """16 hexadecimal digits, as AWS's are."""
    return f"{_random.getrandbits(64):016X}"


@dataclass(slots=True)
class Exchange:
    """Times are those of `time.monotonic`; what was not reached is None. `sent` counts bytes of the answer's body."""

    method: str
    request_id: str = field(default_factory=new_request_id)
    started: float = field(default_factory=time.monotonic)
    request: Request | None = None
    principal: Principal | None = None
    operation: str | None = None
    service: str = "s3"  # whose operation it is
    status: int = 0
    error: str | None = None  # AWS's code
    sent: int = 0
    first_byte: float | None = None
    finished: float | None = None
