"""`objstore operator`: runs the Kubernetes operator."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import Final

from objstore.server.settings import SettingsError

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    parser.description = "Operate stores, users and bucket claims, as the pod's service account or by KUBECONFIG."
    parser.add_argument("--namespace", help="where the operator itself is (default: the pod's)")
    parser.add_argument("--lease", default="objstore-operator", help="the Lease by which one replica leads")
    parser.add_argument(
        "--identity", default=socket.gethostname(), help="who this replica is (default: the host's name)"
    )
    parser.add_argument("--health-address", default="127.0.0.1:8081", metavar="HOST:PORT", help="/healthz and /metrics")
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="objects of a kind reconciled at a time")
    parser.add_argument(
        "--image",
        default=os.environ.get("OBJSTORE_IMAGE", "objstore:latest"),
        help="of servers whose ObjectStore names none (default OBJSTORE_IMAGE)",
    )
    parser.add_argument(
        "--provisioner",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name by which StorageClasses ask for buckets, such as rook-ceph.ceph.rook.io/bucket;"
        " may be given again",
    )
    parser.add_argument(
        "--allow-additional-config",
        metavar="KEYS",
        help="which keys of additionalConfig claims may have, by commas (default: maxObjects, maxSize, and for new"
        " buckets versioning, objectLock, cors, tags, encryption)",
    )
    parser.add_argument(
        "--recheck",
        type=_seconds,
        default=3600.0,
        metavar="SECONDS",
        help="how often what claims and users have at their stores is looked at, in case somebody changed it there by"
        " hand (default 3600; 0: only when claims and users change)",
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return seconds


def _run(options: argparse.Namespace) -> int:
    from objstore.kubernetes.claims.configuration import ConfigurationError, allowed_keys
    from objstore.kubernetes.operator import run  # its imports would slow every other command
    from objstore.kubernetes.options import OperatorOptions

    try:
        allowed_keys(options.allow_additional_config or "")
    except ConfigurationError as error:
        raise SettingsError(f"--allow-additional-config: {error}") from None
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    given = OperatorOptions(
        namespace=options.namespace or _namespace(),
        lease=options.lease,
        identity=options.identity,
        health_address=options.health_address,
        workers=options.workers,
        image=options.image,
        provisioners=tuple(options.provisioner),
        allow_additional_config=options.allow_additional_config,
        recheck_s=options.recheck,
    )
    asyncio.run(run(given))
    return 0


def _namespace() -> str:
    found = os.environ.get("POD_NAMESPACE") or (_NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "")
    if not found:
        raise SettingsError("say in which namespace the operator is: --namespace NAME or POD_NAMESPACE")
    return found
