"""No secret in a log: what tests use as secrets is noted, and all that servers and our own code logged is searched.

Noted are the secret keys that clients sign with, what the server hands out (secret keys, session tokens), keys of
SSE-C, and every signature that was made, above all those of presigned URLs. Logs are those of all servers that were
started (`tests.harness.Running`), their access logs, and what our code logs in the test's own process. `conftest.py`
looks at the end of each process of a test run.
"""

from __future__ import annotations

import base64
import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

import botocore.session

SHORTEST: Final = 8  # characters of a secret that is looked for: shorter ones stand in innocent words
FEWEST: Final = 4  # different ones: a key of one letter repeated stands in innocent long names
_HANDED_OUT: Final = frozenset({"SecretAccessKey", "SessionToken", "secret_key"})
_CUSTOMER_KEYS: Final = ("SSECustomerKey", "CopySourceSSECustomerKey")
_SIGNATURES: Final = ("X-Amz-Signature", "Signature", "x-amz-signature", "signature")
_HEX: Final = re.compile(rb"[0-9a-f]{64}")
# What was generated is shown by the start that made it, this once.
_SHOWN: Final = re.compile(rb"(?m)^ +OBJSTORE_ROOT_PASSWORD=\S+$")


@dataclass
class Ledger:
    """What is secret, and where it must not be. `signatures` are apart: there are many, and they are found by form."""

    secrets: dict[bytes, str] = field(default_factory=dict)
    signatures: set[bytes] = field(default_factory=set)
    logs: set[Path] = field(default_factory=set)

    def secret(self, text: str | bytes | None, what: str) -> None:
        """Note one secret, in all forms in which it might be written."""
        raw = text.encode() if isinstance(text, str) else text or b""
        if len(raw) < SHORTEST or len(set(raw)) < FEWEST:
            return
        for form in _forms(raw):
            self.secrets.setdefault(form, what)

    def signature(self, text: str | None) -> None:
        """Note a signature: hexadecimal of version 4, or base64 of version 2."""
        if text and _HEX.fullmatch(text.encode()):
            self.signatures.add(text.encode())
        else:
            self.secret(text, "a signature")

    def found(self) -> list[str]:
        """Where secrets are in logs: file, kind, and the line without the secret."""
        return [line for path in sorted(self.logs) for line in self._in(path)]

    def _in(self, path: Path) -> Iterator[str]:
        try:
            data = _SHOWN.sub(b"", path.read_bytes())
        except FileNotFoundError:
            return
        for secret, what in self.secrets.items():
            if (at := data.find(secret)) >= 0:
                yield f"{path}: {what}: {_line(data, at, len(secret))}"
        for match in _HEX.finditer(data):
            if match[0] in self.signatures:
                yield f"{path}: a signature: {_line(data, match.start(), 64)}"


def _line(data: bytes, at: int, length: int) -> str:
    start, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    return (data[start:at] + b"[...]" + data[at + length : end if end >= 0 else len(data)]).decode(errors="replace")


def _forms(raw: bytes) -> Iterator[bytes]:
    yield raw
    yield quote(raw, safe="").encode()
    yield base64.b64encode(raw).rstrip(b"=")[:-2]
    yield raw.hex().encode()
    text = raw.decode("latin-1").encode("unicode_escape")
    yield text.replace(b'"', b'\\"')


LEDGER: Final = Ledger()


def note_answer(answer: object) -> None:
    """Note the secrets in what a server answered."""
    if isinstance(answer, Mapping):
        for name, value in answer.items():
            if name in _HANDED_OUT and isinstance(value, str):
                LEDGER.secret(value, name)
            else:
                note_answer(value)
    elif isinstance(answer, list):
        for one in answer:
            note_answer(one)


def note_request(url: str, headers: Mapping[str, Any]) -> None:
    """Note the signatures and tokens of a request that is sent."""
    note_url(url)
    given = headers.get("Authorization", b"")
    text = given if isinstance(given, str) else bytes(given).decode("latin-1")
    if found := re.search(r"Signature=([0-9a-f]{64})|^AWS [^:]+:(\S+)", text):
        LEDGER.signature(found[1] or found[2])


def note_url(url: str) -> None:
    """Note the signature and token of a presigned URL."""
    query = dict(parse_qsl(urlsplit(url).query))
    for name in _SIGNATURES:
        LEDGER.signature(query.get(name))
    LEDGER.secret(query.get("X-Amz-Security-Token"), "a session token")


def _note_parameters(params: Mapping[str, Any], **_: Any) -> None:
    for name in _CUSTOMER_KEYS:
        LEDGER.secret(params.get(name), "a customer's key")


def _note_sent(request: Any, **_: Any) -> None:
    note_request(request.url, request.headers)


def _note_parsed(parsed: object, **_: Any) -> None:
    note_answer(parsed)


def _watched(client: Any) -> Any:
    """A client of botocore whose secrets are noted."""
    events = client.meta.events
    events.register_first("provide-client-params", _note_parameters)
    events.register("before-send", _note_sent)
    events.register("after-call", _note_parsed)
    if hasattr(client, "generate_presigned_post"):
        sign_url, sign_post = client.generate_presigned_url, client.generate_presigned_post

        def presigned_url(*args: Any, **options: Any) -> str:
            url: str = sign_url(*args, **options)
            note_url(url)
            return url

        def presigned_post(*args: Any, **options: Any) -> Any:
            post = sign_post(*args, **options)
            for name in _SIGNATURES:
                LEDGER.signature(post["fields"].get(name))
            return post

        client.generate_presigned_url, client.generate_presigned_post = presigned_url, presigned_post
    return client


def watch(folder: Path) -> None:
    """Note the secrets of all clients that are made from now on; what our code logs here goes into `folder` as well."""
    make = botocore.session.Session.create_client

    def create_client(session: Any, *args: Any, **options: Any) -> Any:
        LEDGER.secret(options.get("aws_secret_access_key"), "a secret key")
        LEDGER.secret(options.get("aws_session_token"), "a session token")
        return _watched(make(session, *args, **options))

    botocore.session.Session.create_client = create_client  # type: ignore[method-assign]
    path = folder / "logged-in-process"
    logging.getLogger("objstore").addHandler(logging.FileHandler(path))
    LEDGER.logs.add(path)


def note_server(log: Path, arguments: Iterable[str], environment: Mapping[str, str]) -> None:
    """Note the logs of a server that is started, and the secrets that it is given."""
    LEDGER.logs.add(log)
    words = list(arguments)
    for option, path in itertools.pairwise(words):
        if option == "--access-log" and path not in ("", "-"):
            LEDGER.logs.add(Path(path))
    for name, value in environment.items():
        if name.startswith("OBJSTORE_") and name.endswith(("PASSWORD", "MASTER_KEY")):
            LEDGER.secret(value, name)
