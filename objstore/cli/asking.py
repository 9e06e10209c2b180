"""Asking a running server's admin API, signed as root."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import urllib.parse
from collections.abc import Iterator
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from objstore.server.settings import SettingsError, secret_from

DEFAULT_ENDPOINT = "http://127.0.0.1:9000"


class AdminError(Exception):
    """The server could not be asked, or refused."""


def ask(options: argparse.Namespace, path: str, method: str = "GET", question: Any = None) -> dict[str, Any]:
    """The answer of the admin API to a request, whose body is the question in JSON.

    Raises AdminError with what to do about it.
    """
    try:
        answer: dict[str, Any] = json.loads(_send(options, path, method, question).read())
    except OSError as error:
        raise _silent(options, error) from None
    return answer


def follow(options: argparse.Namespace, path: str, method: str = "POST") -> Iterator[dict[str, Any]]:
    """The lines of a long answer, as they come. Raises AdminError, also where it breaks off or tells of an error."""
    response = _send(options, path, method, None)
    try:
        for line in response:
            told: dict[str, Any] = json.loads(line)
            if "error" in told:
                raise AdminError(f"{options.endpoint}: {told['error']}")
            yield told
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _silent(options, error) from None


def _send(options: argparse.Namespace, path: str, method: str, question: Any) -> http.client.HTTPResponse:
    """The beginning of an answer whose status is 200."""
    user = secret_from(os.environ, "OBJSTORE_ROOT_USER")
    password = secret_from(os.environ, "OBJSTORE_ROOT_PASSWORD")
    if not user or not password:
        raise SettingsError("set OBJSTORE_ROOT_USER and OBJSTORE_ROOT_PASSWORD to the server's root credentials")
    url = urllib.parse.urlsplit(options.endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SettingsError(f"--endpoint {options.endpoint!r} is not a URL such as {DEFAULT_ENDPOINT}")
    sent = b"" if question is None else json.dumps(question).encode()
    request = AWSRequest(method, options.endpoint.rstrip("/") + path, data=sent)
    request.context["payload_signing_enabled"] = True
    S3SigV4Auth(Credentials(user, password), "s3", options.region).add_auth(request)
    try:
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=options.ca_file)
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        connection.request(method, path, sent or None, headers=dict(request.headers))
        response = connection.getresponse()
        if response.status != 200:
            raise AdminError(f"{options.endpoint} answered {response.status}: {_told(response.read())}")
    except OSError as error:
        raise _silent(options, error) from None
    return response


def _silent(options: argparse.Namespace, error: Exception) -> AdminError:
    return AdminError(f"no answer from {options.endpoint}: {error}")


def _told(body: bytes) -> str:
    """What an answer says, in its own words if it has any."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
