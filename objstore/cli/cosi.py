"""`objstore cosi`: runs the COSI driver, beside COSI's sidecar."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import sys
from typing import Final

from objstore.cli.asking import DEFAULT_ENDPOINT, connection
from objstore.server.settings import SettingsError

_NAME: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    environment = os.environ
    parser.description = (
        "Make buckets and accesses of a store for COSI, v1alpha1 and v1alpha2. The store's root credentials are taken"
        " from OBJSTORE_ROOT_USER and OBJSTORE_ROOT_PASSWORD, or the files that the same with _FILE name."
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=environment.get("OBJSTORE_ENDPOINT", DEFAULT_ENDPOINT),
        help=f"where the store is (default OBJSTORE_ENDPOINT or {DEFAULT_ENDPOINT})",
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        default=environment.get("OBJSTORE_CA_FILE"),
        help="certificate authority of the store, in PEM (default OBJSTORE_CA_FILE)",
    )
    parser.add_argument(
        "--region", default=environment.get("OBJSTORE_REGION", "us-east-1"), help="the store's (default us-east-1)"
    )
    parser.add_argument(
        "--public-endpoint",
        metavar="URL",
        default=environment.get("OBJSTORE_PUBLIC_ENDPOINT"),
        help="what applications are told (default: the same endpoint)",
    )
    parser.add_argument(
        "--addressing",
        choices=("path", "virtual"),
        default=environment.get("OBJSTORE_ADDRESSING", "path"),
        help="how applications are told to address buckets (default path; virtual needs the store's `domains`)",
    )
    parser.add_argument(
        "--driver-name",
        metavar="NAME",
        default=environment.get("OBJSTORE_COSI_DRIVER", "cosi.objstore.io"),
        help="what classes name it by; drivers of one store with the same name share their buckets",
    )
    parser.add_argument("--probe", action="store_true", help="ask the driver that runs whether it answers, and end")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from objstore.kubernetes.cosi import serving  # its imports would slow every other command
    from objstore.kubernetes.cosi.driver import Driver, Identity

    try:
        socket = serving.check_endpoint(os.environ.get("COSI_ENDPOINT") or serving.DEFAULT_ENDPOINT)
    except ValueError as error:
        raise SettingsError(f"COSI_ENDPOINT: {error}") from None
    if options.probe:
        return _probe(socket)
    if not _NAME.fullmatch(options.driver_name):
        raise SettingsError(f"--driver-name: {options.driver_name!r} is no domain name of at most 63 characters")
    if options.addressing not in ("path", "virtual"):
        raise SettingsError("OBJSTORE_ADDRESSING is path or virtual")
    store = connection(options)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    public = options.public_endpoint or store.endpoint
    driver = Driver(store, Identity(options.driver_name, public, options.addressing == "virtual"))
    asyncio.run(serving.serve(driver, socket))
    return 0


def _probe(socket: str) -> int:
    import grpc

    from objstore.kubernetes.cosi import serving

    try:
        print(serving.probe(socket))
    except grpc.RpcError as error:
        print(f"objstore: no answer at {socket}: {error.details()}", file=sys.stderr)
        return 1
    return 0
