"""The server's settings, in TOML: what follows from the spec, and then `spec.settings` as it is."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from objstore.kubernetes.kinds import Body
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.stores.store import Store


def listed(store: Store, present: Body | None, joined: Collection[str], volumes: Mapping[str, bool]) -> list[str]:
    """The drives that the server is to start with.

    A server refuses to start on more empty folders than it knows drives: they are let in while it runs. So the list of
    a store that was started before (its ConfigMap is `present`) gets longer only by drives that are in the pool,
    `joined` (paths). Where the ConfigMap was deleted, or the store, it is those again whose `volumes` say that they
    were in the list; all with volumes, where none says so.
    """
    wanted = store.spec.drives
    before = _drives(present)
    if before is None:
        told = {name for name, known in volumes.items() if known} or volumes.keys()
        known = {*told, *(name for name in wanted if store.drive_path(name) in joined)}
        return [name for name in wanted if name in known] or wanted
    return [name for name in wanted if store.drive_path(name) in {*before, *joined}]


def _drives(present: Body | None) -> list[str] | None:
    try:
        told = tomllib.loads((present or {})["data"][names.SETTINGS_FILE])["drives"]
    except (KeyError, TypeError, tomllib.TOMLDecodeError):
        return None
    return told if isinstance(told, list) and told else None


def text(store: Store, drives: Sequence[str]) -> str:
    """The settings file, for a start with these drives. Raises SpecError where the whole is no TOML."""
    lines = [f"{name} = {_value(value)}" for name, value in _own(store, drives).items()]
    whole = "\n".join(lines) + "\n" + (f"\n{store.spec.settings.strip()}\n" if store.spec.settings.strip() else "")
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"spec.settings: cannot follow the operator's own: {error}") from None
    return whole


def digest(store: Store, drives: Sequence[str]) -> str:
    """Changes when the server has to be started again to know what it is told, which a longer list of drives is not."""
    own = {name: value for name, value in _own(store, drives).items() if name != "drives"}
    return hashlib.sha256(json.dumps([own, store.spec.settings]).encode()).hexdigest()[:16]


def _own(store: Store, drives: Sequence[str]) -> Mapping[str, Any]:
    spec = store.spec
    own: dict[str, Any] = {
        "drives": [store.drive_path(name) for name in drives],
        "address": f":{names.PORT}",
        "durability": spec.durability,
        "region": spec.region,
    }
    if spec.gateway.workers is not None:
        own["workers"] = spec.gateway.workers
    if spec.erasure_coded is not None:
        # As long as drives that make more possible are not in the pool, a start with more would be refused.
        own["parity"] = min(spec.erasure_coded.coding_chunks, len(drives) // 2)
    if store.domains:
        own["domains"] = store.domains
    if spec.gateway.tls:
        own["tls_cert"] = f"{names.TLS_FOLDER}/{names.CERTIFICATE}"
        own["tls_key"] = f"{names.TLS_FOLDER}/{names.PRIVATE_KEY}"
    return own


def _value(value: str | int | Sequence[str]) -> str:
    return json.dumps(value, ensure_ascii=False)  # what JSON writes of strings, numbers and lists is TOML


def config_map(store: Store, drives: Sequence[str]) -> Body:
    """The ConfigMap of a start with these drives."""
    return {"metadata": store.metadata(names.settings(store.name)), "data": {names.SETTINGS_FILE: text(store, drives)}}
