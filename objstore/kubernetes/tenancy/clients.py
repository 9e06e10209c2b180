"""The store as boto clients and as admin API, and in whose name: root's own, or that of an account's root user.

One client of a service serves every account: whose credentials sign is looked up at each request (`acting_for`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from objstore import client
from objstore.client import POOL, TIMEOUTS, Connection, StoreRefused, StoreUnreachable

_EVERYTHING: Final = {"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}
_SESSION_SECONDS: Final = 900
_REUSED_SECONDS: Final = 600.0
_MOST_KEPT: Final = 10_000

_acting: ContextVar[ReadOnlyCredentials | None] = ContextVar("acting", default=None)
_kept: dict[tuple[Connection, str], tuple[ReadOnlyCredentials, float]] = {}
_lock = threading.Lock()


class _Speaker(Credentials):
    """Root's credentials, or those of the account that the caller acts for at this moment."""

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return _acting.get() or super().get_frozen_credentials()


class _Resolver:
    """Where a session has its credentials from."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Credentials:
        return self._credentials


def s3(connection: Connection) -> Any:
    """A client of S3; path-style, as the endpoint may be a bare address."""
    return _client(connection, "s3")


def iam(connection: Connection) -> Any:
    """A client of IAM."""
    return _client(connection, "iam")


def sts(connection: Connection) -> Any:
    """A client of STS."""
    return _client(connection, "sts")


@contextlib.contextmanager
def acting_with(access: str, secret: str) -> Iterator[None]:
    """What this thread or task asks meanwhile, it asks with that key."""
    before = _acting.set(ReadOnlyCredentials(access, secret, None))
    try:
        yield
    finally:
        _acting.reset(before)


@contextlib.contextmanager
def acting_for(connection: Connection, account: str) -> Iterator[None]:
    """What this thread or task asks meanwhile, it asks as the root user of an account (STS AssumeRoot)."""
    before = _acting.set(_assumed(connection, account))
    try:
        yield
    finally:
        _acting.reset(before)


def told(call: Callable[..., Any], **members: Any) -> Any:
    """The answer of a call of a client. Raises StoreUnreachable, StoreRefused."""
    endpoint = getattr(getattr(call, "__self__", None), "meta", None)
    where = endpoint.endpoint_url if endpoint is not None else "the store"
    try:
        return call(**members)
    except ClientError as error:
        answer = error.response
        code, message = str(answer["Error"].get("Code", "")), str(answer["Error"].get("Message", ""))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
        raise _sorted(where, StoreRefused(code, message, status)) from None
    except ParamValidationError as error:
        raise StoreRefused("InvalidArgument", str(error)) from None
    except BotoCoreError as error:
        raise StoreUnreachable(where, client.reason(error)) from None


def absent(call: Callable[[], Any], *codes: str) -> bool:
    """Do something to what may be gone: whether it was, as one of the codes says."""
    try:
        call()
    except StoreRefused as error:
        if error.code not in codes:
            raise
        return True
    return False


def ask(connection: Connection, page: str, method: str = "GET", **parameters: str) -> Any:
    """The answer of a page of the admin API, such as `accounts`. Raises StoreUnreachable, StoreRefused."""
    try:
        return client.ask(connection, f"{client.ADMIN}/{page}", method, **parameters)
    except StoreRefused as error:
        raise _sorted(connection.endpoint, error) from None


def _sorted(endpoint: str, error: StoreRefused) -> StoreRefused | StoreUnreachable:
    """A refusal; or where the server is not able to at this moment, what says so."""
    return error if error.status < 500 else StoreUnreachable(endpoint, f"{error.status}, {error}")


@lru_cache(maxsize=256)
def _client(connection: Connection, service: str) -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    root = _Speaker(connection.access_key, connection.secret_key)
    session.register_component("credential_provider", _Resolver(root))
    return session.create_client(
        service,
        endpoint_url=connection.endpoint,
        region_name=connection.region,
        verify=connection.ca_file or True,
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=TIMEOUTS[0],
            read_timeout=TIMEOUTS[1],
            max_pool_connections=POOL,
            s3={"addressing_style": "path"},
        ),
    )


@lru_cache(maxsize=1)
def _loader() -> botocore.loaders.Loader:
    """One for the process: it remembers the models that it has read."""
    return botocore.loaders.create_loader()


def _assumed(connection: Connection, account: str) -> ReadOnlyCredentials:
    found = _kept.get((connection, account))
    if found is not None and time.monotonic() < found[1]:
        return found[0]
    target = f"arn:aws:iam::{account}:root"
    before = _acting.set(None)
    try:
        answer = told(
            sts(connection).assume_root,
            TargetPrincipal=target,
            TaskPolicyArn=_EVERYTHING,
            DurationSeconds=_SESSION_SECONDS,
        )["Credentials"]
    finally:
        _acting.reset(before)
    made = ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    with _lock:
        while len(_kept) >= _MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[connection, account] = made, time.monotonic() + _REUSED_SECONDS
    return made
