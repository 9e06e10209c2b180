"""Asking a running server's admin API as root, on behalf of the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from objstore import client
from objstore.cli.errors import AdminError
from objstore.client import Connection, StoreRefused, StoreUnreachable
from objstore.server.settings import SettingsError, secret_from

DEFAULT_ENDPOINT = "http://127.0.0.1:9000"

T = TypeVar("T")


def connection(options: argparse.Namespace) -> Connection:
    """The server that the options name, and root's credentials from the environment. Raises SettingsError."""
    user = secret_from(os.environ, "OBJSTORE_ROOT_USER")
    password = secret_from(os.environ, "OBJSTORE_ROOT_PASSWORD")
    if not user or not password:
        raise SettingsError("set OBJSTORE_ROOT_USER and OBJSTORE_ROOT_PASSWORD to the server's root credentials")
    try:
        return Connection(options.endpoint, user, password, options.region, options.ca_file)
    except ValueError as error:
        raise SettingsError(f"--endpoint {error}") from None


def ask(options: argparse.Namespace, path: str, method: str = "GET", question: Any = None) -> dict[str, Any]:
    """The answer of the admin API to a request, whose body is the question in JSON.

    Raises AdminError with what to do about it.
    """
    server = connection(options)
    answer: dict[str, Any] = _told(server, lambda: client.ask(server, path, method, question))
    return answer


def follow(options: argparse.Namespace, path: str, method: str = "POST") -> Iterator[dict[str, Any]]:
    """The lines of a long answer, as they come. Raises AdminError, also where it breaks off or tells of an error."""
    server = connection(options)
    lines = client.follow(server, path, method)
    while (line := _told(server, lambda: next(lines, None))) is not None:
        yield line


def _told(server: Connection, question: Callable[[], T]) -> T:
    try:
        return question()
    except StoreRefused as error:
        raise AdminError(f"{server.endpoint} answered {error.status}: {error}") from None
    except StoreUnreachable as error:
        raise AdminError(str(error)) from None
