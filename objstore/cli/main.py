"""Arguments of the `objstore` command, and where each sub-command lives."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from objstore import __version__
from objstore.cli.errors import AdminError
from objstore.server.settings import DEFAULT_ADDRESS, SettingsError, load

# Beside `server`: the module that declares what the command takes, and its help.
_COMMANDS: Final = {
    "admin": ("objstore.cli.admin", "talk to a running server"),
    "bench": ("objstore.cli.bench", "measure a server, or compare two"),
    "cosi": ("objstore.cli.cosi", "make buckets for Kubernetes' COSI, beside its sidecar"),
    "operator": ("objstore.cli.operator", "operate stores, users and bucket claims in Kubernetes"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; the process's exit status (2: the arguments or settings cannot be used)."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser(given).parse_args(given)
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


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of these arguments: of commands that they do not name only the help, which spares their imports."""
    parser = argparse.ArgumentParser(prog="objstore", description="S3-compatible object storage on your own drives.")
    parser.add_argument("--version", action="version", version=f"objstore {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _server(commands.add_parser("server", help="serve S3 from the given drives"))
    for name, (module, help_text) in _COMMANDS.items():
        command = commands.add_parser(name, help=help_text)
        if name in given:
            import_module(module).arguments(command)
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
    gc.disable()  # until everything is imported: it would look through what stays again and again
    from objstore.server.supervisor import run  # a server's imports would slow `objstore admin`

    given = {name: value for name in _SETTINGS if (value := getattr(options, name)) is not None}
    return run(load(given, options.drives, options.config))
