"""Questions to a running server's admin API, signed as any S3 request is; for whatever runs beside a server.

    ask(Connection("https://store:9000", "root", "..."), "/-/admin/v1/accounts", name="ada")

Connections are kept alive and shared by threads, one set for each file of certificate authorities.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from urllib3.exceptions import HTTPError

ADMIN: Final = "/-/admin/v1"
TIMEOUTS: Final = (10, 30)
"""Seconds for connecting, and for each answer to begin or go on."""

POOL: Final = 32
"""Connections that are kept alive to one server."""


class StoreError(Exception):
    """Base of what goes wrong between a server and whoever asks it."""


class StoreUnreachable(StoreError):
    """No answer, or one that broke off: what was asked for may or may not be done."""

    def __init__(self, endpoint: str, reason: object) -> None:
        super().__init__(f"no answer from {endpoint}: {reason}")


class StoreRefused(StoreError):
    """The server answered with an error: `code` as AWS spells it, the HTTP `status`, and the `message` in its words."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(f"{code}: {message}" if code else message)


@dataclass(frozen=True)
class Connection:
    """Where a server is, and as whom it is asked. `endpoint` is a URL without a path; `ca_file` is in PEM, None for the
    authorities that the system trusts.

    Raises ValueError for an endpoint that is none.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    ca_file: str | None = None

    def __post_init__(self) -> None:
        url = urllib.parse.urlsplit(self.endpoint)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError(f"{self.endpoint!r} is not a URL such as http://127.0.0.1:9000")
        object.__setattr__(self, "endpoint", self.endpoint.rstrip("/"))


def ask(connection: Connection, path: str, method: str = "GET", question: Any = None, **parameters: str) -> Any:
    """The answer of the admin API to a request, whose body is the question in JSON where there is one.

    Raises StoreUnreachable, StoreRefused.
    """
    response = _send(connection, path, method, question, parameters, stream=False)
    try:
        return json.loads(response.content)
    except ValueError:
        raise StoreUnreachable(connection.endpoint, "the answer is no JSON; is this an objstore server?") from None


def follow(connection: Connection, path: str, method: str = "POST", **parameters: str) -> Iterator[dict[str, Any]]:
    """The lines of a long answer, as they come. Raises as `ask` does, also where it breaks off or tells of an error."""
    response = _send(connection, path, method, None, parameters, stream=True)
    try:
        for line in response.raw:
            told: dict[str, Any] = json.loads(line)
            if "error" in told:
                code = told.get("code", "")
                raise StoreRefused(code, told["error"].removeprefix(f"{code}: "), told.get("status", 500))
            yield told
    except (OSError, ValueError, HTTPError) as error:
        raise StoreUnreachable(connection.endpoint, reason(error)) from None
    finally:
        response.raw.close()


def _send(
    connection: Connection, path: str, method: str, question: Any, parameters: dict[str, str], *, stream: bool
) -> AWSResponse:
    """An answer whose status is 200; where it is streamed, its beginning."""
    query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
    sent = b"" if question is None else json.dumps(question).encode()
    url = connection.endpoint + path + ("?" + query if query else "")
    request = AWSRequest(method, url, data=sent, stream_output=stream)
    request.context["payload_signing_enabled"] = True
    S3SigV4Auth(Credentials(connection.access_key, connection.secret_key), "s3", connection.region).add_auth(request)
    try:
        response = _session(connection.ca_file).send(request.prepare())
        if response.status_code != 200:
            raise _refusal(response.status_code, response.content)
    except BotoCoreError as error:
        raise StoreUnreachable(connection.endpoint, reason(error)) from None
    return response


@lru_cache(maxsize=64)
def _session(ca_file: str | None) -> URLLib3Session:
    options: dict[str, Any] = {"verify": ca_file or True, "timeout": TIMEOUTS}
    return URLLib3Session(max_pool_connections=POOL, **options)


def _refusal(status: int, body: bytes) -> StoreRefused:
    """What an error answer says, in its own words if it has any."""
    try:
        told = json.loads(body)
        code = str(told["code"])
        return StoreRefused(code, str(told["message"]).removeprefix(f"{code}: "), status)
    except (ValueError, KeyError, TypeError):
        return StoreRefused("", body.decode(errors="replace")[:1000], status)


def reason(error: BaseException) -> BaseException:
    """What the system said, below the words of the libraries between."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno is not None:
            return seen
        seen = seen.__cause__ or seen.__context__
    return error
