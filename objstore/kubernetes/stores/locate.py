"""A store by its name: where it is, and root's credentials, from what the cluster knows.

There is an ObjectStore, or there is only the Secret that one would have: then the store is outside of the cluster, and
whoever asks for it says where.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from objstore.client import Connection
from objstore.kubernetes.cluster import Cluster
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import OBJECT_STORE, SECRET, Body, Key
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.address import Address, advertised

DEFAULT_REGION: Final = "us-east-1"


class Store(NamedTuple):
    """A store that can be asked: as root by `connection`, by its clients at `address`, in `region`."""

    connection: Connection
    address: Address
    region: str


async def find_store(
    cluster: Cluster, namespace: str, name: str, endpoint: str | None = None, region: str | None = None
) -> Store:
    """The store of that name. `endpoint` is what a StorageClass says, and goes first; `region` is for a store that is
    outside of the cluster, as an ObjectStore knows its own.

    Raises Refused: StoreNotFound, StoreNotReady, InvalidEndpoint, InvalidCredentials.
    """
    store = await cluster.get(OBJECT_STORE, Key(namespace, name)) or {}
    spec: Body = store.get("spec") or {}
    named = (spec.get("credentials") or {}).get("name") or names.credentials(name)
    secret = await cluster.get(SECRET, Key(namespace, named))
    if secret is None:
        raise Refused("StoreNotFound", _nowhere(namespace, name, named, known=bool(store)))
    try:
        address = Address.read(endpoint) if endpoint else advertised(store)
    except ValueError as error:
        raise Refused("InvalidEndpoint", str(error)) from None
    if address is None:
        told = "has no endpoint yet" if store else "is none of this cluster: give the StorageClass an endpoint"
        raise Refused("StoreNotReady", f"ObjectStore {namespace}/{name} {told}")
    region = spec.get("region") or region or DEFAULT_REGION
    user, password = _value(secret, names.USERNAME), _value(secret, names.PASSWORD)
    if not user or not password:
        raise Refused(
            "InvalidCredentials", f"Secret {namespace}/{named} has no {names.USERNAME} or no {names.PASSWORD}"
        )
    authorities = await _authorities(cluster, namespace, name, spec) or _value(secret, names.AUTHORITY)
    ca_file = _kept(authorities) if authorities and address.secure else None
    return Store(Connection(address.url, user, password, region, ca_file), address, region)


def _nowhere(namespace: str, name: str, secret: str, *, known: bool) -> str:
    if known:
        return f"ObjectStore {namespace}/{name} has no Secret {secret} yet"
    return (
        f"there is no ObjectStore {namespace}/{name}, nor a Secret {namespace}/{secret} with the username and the"
        " password of a store outside of the cluster"
    )


async def _authorities(cluster: Cluster, namespace: str, name: str, spec: Body) -> str | None:
    """The certificates that the store's own is checked with, in PEM; None where they are the usual ones."""
    gateway: dict[str, Any] = spec.get("gateway") or {}
    places = [(gateway.get("caBundleRef"), names.CA_BUNDLE), (gateway.get("sslCertificateRef"), names.AUTHORITY)]
    if gateway.get("certificate"):
        places.append((names.certificate(name), names.AUTHORITY))
    for named, key in places:
        secret = await cluster.get(SECRET, Key(namespace, named)) if named else None
        if secret is not None and (text := _value(secret, key)):
            return text
    return None


def _value(secret: Body, key: str) -> str | None:
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "", validate=True).decode().strip() or None
    except ValueError:
        return None


def _kept(pem: str) -> str:
    """The path of a file with these certificates: clients take them by path."""
    path = _folder() / f"{hashlib.sha256(pem.encode()).hexdigest()[:32]}.pem"
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_text(pem)
        part.replace(path)
    return str(path)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="objstore-authorities-"))
