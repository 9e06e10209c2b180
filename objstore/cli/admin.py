"""`objstore admin`: questions to a running server, signed like any S3 request.

Credentials come from the variables that the server reads, `OBJSTORE_ROOT_USER` and `OBJSTORE_ROOT_PASSWORD` (or `_FILE`
of both), so on the server's own host nothing else is needed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import sys
import urllib.parse
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rich.console import Console
from rich.table import Table

from objstore.server.settings import SettingsError, secret_from

DEFAULT_ENDPOINT = "http://127.0.0.1:9000"


class AdminError(Exception):
    """The server could not be asked, or refused."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands to `parser`."""
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("OBJSTORE_ENDPOINT", DEFAULT_ENDPOINT),
        help=f"the server's URL (default OBJSTORE_ENDPOINT or {DEFAULT_ENDPOINT})",
    )
    parser.add_argument("--ca-file", metavar="FILE", help="certificate authority of the server, in PEM")
    parser.add_argument("--region", default=os.environ.get("OBJSTORE_REGION", "us-east-1"), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="drives, quorum, objects, healing")
    info.add_argument("--json", action="store_true", help="for machines")
    info.set_defaults(run=_info)


def ask(options: argparse.Namespace, path: str) -> dict[str, Any]:
    """GET `path` of the admin API. Raises AdminError with what to do about it."""
    user = secret_from(os.environ, "OBJSTORE_ROOT_USER")
    password = secret_from(os.environ, "OBJSTORE_ROOT_PASSWORD")
    if not user or not password:
        raise SettingsError("set OBJSTORE_ROOT_USER and OBJSTORE_ROOT_PASSWORD to the server's root credentials")
    url = urllib.parse.urlsplit(options.endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SettingsError(f"--endpoint {options.endpoint!r} is not a URL such as {DEFAULT_ENDPOINT}")
    request = AWSRequest("GET", options.endpoint.rstrip("/") + path)
    S3SigV4Auth(Credentials(user, password), "s3", options.region).add_auth(request)
    try:
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=options.ca_file)
            connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=30, context=context)
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        connection.request("GET", path, headers=dict(request.headers))
        response = connection.getresponse()
        body = response.read()
    except OSError as error:
        raise AdminError(f"no answer from {options.endpoint}: {error}") from None
    if response.status != 200:
        raise AdminError(f"{options.endpoint} answered {response.status}: {body.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(body)
    return answer


def _info(options: argparse.Namespace) -> int:
    try:
        info = ask(options, "/-/admin/v1/info")
    except AdminError as error:
        print(f"objstore: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(info, indent=2))
    else:
        _show(info, Console())
    return 0


def _show(info: dict[str, Any], console: Console) -> None:
    console.print(
        f"[bold]objstore {info['version']}[/]  deployment {info['deployment']}  durability {info['durability']}"
    )
    if info["writable"]:
        console.print("[green]reads and writes[/]", end="  ")
    else:
        console.print(f"[red]read-only[/]: {info['read_only_reason']}", end="  ")
    console.print(f"parity {info['parity']}: any {info['may_fail']} of {len(info['drives'])} drives may fail")
    table = Table("drive", "state", "used", "free", "catalog")
    for drive in info["drives"]:
        colour = "green" if drive["state"] == "online" else "red"
        state = f"[{colour}]{drive['state']}[/]" + (f" ({drive['problem']})" if drive["problem"] else "")
        table.add_row(
            drive["path"], state, size(drive["used"]), size(drive["free"]), "mirror" if drive["mirror"] else ""
        )
    console.print(table)
    console.print(
        f"{info['buckets']:,} buckets, {info['objects']:,} objects,"
        f" {info['versions']:,} older versions, {size(info['bytes'])}"
    )
    healing = info["healing"]
    if healing["shards"]:
        console.print(f"[yellow]healing[/]: {healing['shards']:,} shards ({size(healing['bytes'])}) to rebuild")
    if healing["mirrors"]:
        console.print(f"[yellow]healing[/]: {healing['mirrors']} mirrors of the catalog to make")
    if not healing["shards"] and not healing["mirrors"]:
        console.print("[green]nothing to heal[/]")


def size(number: float) -> str:
    """Bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} PiB"
