"""IAM's own API as the transport of the sub-commands about identities: what `aws iam` can do, `objstore admin` does by
the same requests.

For another account than root's own, root takes the place of that account's root user for as long as the command runs
(AssumeRoot).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from objstore.cli.asking import connection
from objstore.cli.errors import AdminError

_EVERYTHING: Final = {"arn": "arn:aws:iam::aws:policy/AdministratorAccess"}


def option(*parsers: argparse.ArgumentParser) -> None:
    """Add `--account` to sub-commands."""
    for parser in parsers:
        parser.add_argument("--account", metavar="ID", help="another account than root's own")


def client(options: argparse.Namespace) -> Any:
    """A client of IAM, in the account that the options name. Raises SettingsError, AdminError."""
    root = connection(options)
    user, password = root.access_key, root.secret_key
    if getattr(options, "account", None) is None:
        return _client(options, "iam", user, password)
    target = f"arn:aws:iam::{options.account}:root"
    sts = _client(options, "sts", user, password)
    given = told(sts.assume_root, TargetPrincipal=target, TaskPolicyArn=_EVERYTHING)["Credentials"]
    return _client(options, "iam", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@cache
def _session() -> botocore.session.Session:
    """One for the process: it remembers the models that it has read."""
    return botocore.session.Session()


def _client(options: argparse.Namespace, service: str, access: str, secret: str, token: str | None = None) -> Any:
    return _session().create_client(
        service,
        endpoint_url=options.endpoint,
        region_name=options.region,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        aws_session_token=token,
        verify=options.ca_file,
        config=Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=30),
    )


def told(call: Callable[..., Any], **members: Any) -> Any:
    """The answer of a call. Raises AdminError with what the server said."""
    try:
        return call(**members)
    except ClientError as error:
        raise AdminError(error.response["Error"].get("Message") or error.response["Error"]["Code"]) from None
    except BotoCoreError as error:
        raise AdminError(str(error)) from None


def every(iam: Any, operation: str, member: str, **members: Any) -> list[Any]:
    """All items of a list that comes in pages."""
    pages = iam.get_paginator(operation).paginate(**members)
    items: list[Any] = told(lambda: [item for page in pages for item in page[member]])
    return items
