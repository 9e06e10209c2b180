"""Arguments of the `objstore` command, and where each sub-command lives."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from objstore import __version__
from objstore.cli import admin, bench, cosi, operator
from objstore.cli.asking import AdminError
from objstore.server.settings import DEFAULT_ADDRESS, SettingsError, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; the process's exit status (2: the arguments or settings cannot be used)."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # what any command writes is for whoever runs it alone; a server's processes inherit it
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except SettingsError as error:
        print(f"objstore: {error}", file=sys.stderr)
        return 2
    except AdminError as error:
        print(f"objstore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="objstore", description="S3-compatible object storage on your own drives.")
    parser.add_argument("--version", action="version", version=f"objstore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _server(commands.add_parser("server", help="serve S3 from the given drives"))
    admin.arguments(commands.add_parser("admin", help="talk to a running server"))
    bench.arguments(commands.add_parser("bench", help="measure a server, or compare two"))
    cosi.arguments(commands.add_parser("cosi", help="make buckets for Kubernetes' COSI, beside its sidecar"))
    operator.arguments(commands.add_parser("operator", help="operate stores, users and bucket claims in Kubernetes"))
    return parser


def _server(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serve S3. A DRIVE is a folder, one for each disk; /mnt/disk{1...8} names eight."
    parser.add_argument("drives", nargs="*", metavar="DRIVE")
    parser.add_argument("--address", metavar="HOST:PORT", help=f"where to listen (default {DEFAULT_ADDRESS})")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that serve requests (default 2)")
    parser.add_argument(
        "--parity", type=int, metavar="N", help="drives that may fail (default by the number of drives)"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML; the command line goes first")
    parser.add_argument("--durability", choices=("strict", "relaxed"), help="strict: on the platter before an answer")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain in PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key in PEM")
    parser.add_argument("--access-log", metavar="FILE", help="one JSON line a request (default '-': standard output)")
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        default=None,
        help="start with fewer drives than are needed to be sure that the catalog found is the latest",
    )
    parser.set_defaults(run=_run_server)


_SETTINGS = ("address", "workers", "parity", "durability", "tls_cert", "tls_key", "access_log", "accept_loss")


def _run_server(options: argparse.Namespace) -> int:
    from objstore.server.supervisor import run  # a server's imports would slow `objstore admin`

    given = {name: value for name in _SETTINGS if (value := getattr(options, name)) is not None}
    return run(load(given, options.drives, options.config))
