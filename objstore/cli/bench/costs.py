"""What a single request costs beside another one that should cost the same: one at a time, in alternation.

Requests are presigned once and sent over one connection without an SDK, which would cost more than the server.
"""

from __future__ import annotations

import http.client
import statistics
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.config
import botocore.session

from objstore.cli.bench.servers import Server

_EXPIRES = 6 * 3600


@dataclass(frozen=True, slots=True)
class Request:
    """A presigned request, and what it is called in the table."""

    label: str
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """Two requests; `other` should cost no more than `base`."""

    name: str
    base: Request
    other: Request


@dataclass(frozen=True, slots=True)
class Paid:
    """A cost, with the milliseconds of each request."""

    cost: Cost
    base: list[float]
    other: list[float]

    @property
    def median(self) -> tuple[float, float]:
        """Milliseconds of the base and of the other."""
        return statistics.median(self.base), statistics.median(self.other)

    @property
    def ratio(self) -> float:
        """How many times as much as the base the other costs: the median over pairs of neighbours."""
        return statistics.median(other / base for base, other in zip(self.base, self.other, strict=True))


class Signer:
    """Makes presigned requests for one server, as root or with a key. `client` is botocore's, for what is not timed."""

    def __init__(self, server: Server, access_key: str | None = None, secret: str | None = None) -> None:
        self._given: dict[str, Any] = {
            "region_name": "us-east-1",
            "endpoint_url": server.endpoint,
            "aws_access_key_id": access_key or server.user,
            "aws_secret_access_key": secret or server.password,
        }
        config = botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}, read_timeout=600)
        self.client = self.service("s3", config)

    def service(self, name: str, config: botocore.config.Config | None = None) -> Any:
        """botocore's client of a service."""
        return botocore.session.get_session().create_client(name, config=config, **self._given)

    def request(
        self,
        label: str,
        operation: str,
        members: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Request:
        """The operation (in botocore's spelling, `list_objects_v2`) with these members, ready to be sent.

        `headers` are those that the members become, which are signed with it."""
        method = {"get": "GET", "list": "GET", "copy": "PUT", "upload": "PUT", "put": "PUT"}[
            operation.partition("_")[0]
        ]
        url = self.client.generate_presigned_url(operation, dict(members), _EXPIRES)
        return Request(label, method, url, headers or {}, body)

    def copy(self, label: str, bucket: str, source: str, target: str) -> Request:
        """CopyObject inside a bucket."""
        members = {"Bucket": bucket, "Key": target, "CopySource": f"{bucket}/{source}"}
        return self.request(label, "copy_object", members, {"x-amz-copy-source": f"{bucket}/{source}"})


def measure(server: Server, table: Sequence[Cost], times: int) -> list[Paid]:
    """Send each pair `times` times. The server runs."""
    address = urllib.parse.urlsplit(server.endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    try:
        paid = []
        for cost in table:
            send(connection, cost.base), send(connection, cost.other)  # caches are filled, files are open
            pairs = [(send(connection, cost.base), send(connection, cost.other)) for _ in range(times)]
            paid.append(Paid(cost, [base for base, _ in pairs], [other for _, other in pairs]))
        return paid
    finally:
        connection.close()


def send(connection: http.client.HTTPConnection, request: Request) -> float:
    """Milliseconds from the first byte of the request to the last of the answer."""
    parts = urllib.parse.urlsplit(request.url)
    start = time.perf_counter()
    connection.request(request.method, f"{parts.path}?{parts.query}", request.body, dict(request.headers))
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter() - start
    if answer.status != 200 or b"<Error>" in body[:200]:
        raise RuntimeError(f"{request.label}: {answer.status} {body[:500]!r}")
    return took * 1000
