"""Where a version keeps what its record does not hold: long lists of extents and parts, and small objects' bytes."""

from __future__ import annotations

from typing import Final

import msgspec

from objstore.blobs.types import Extent
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.sealing import Stream
from objstore.store import payloads
from objstore.store.types import PartInfo, Version

LONG: Final = 8
"""A record lists so many extents or parts itself; more go to a manifest, so that listings stay light."""


class Manifest(msgspec.Struct, frozen=True, array_like=True):
    """The extents, parts and sealed streams of a version that has many."""

    extents: tuple[Extent, ...]
    parts: tuple[PartInfo, ...] | None
    streams: tuple[Stream, ...] = ()


def whole(tx: Transaction, version: Version) -> Version:
    """A version with its extents, parts and inline bytes, wherever they are kept."""
    if version.manifest is None and version.payload is None:
        return version
    listed, parts, encryption = version.extents, version.parts, version.encryption
    if version.manifest is not None:
        manifest = unpack(payloads.get(tx, version.manifest), Manifest)
        listed, parts = manifest.extents, manifest.parts
        encryption = encryption and msgspec.structs.replace(encryption, streams=manifest.streams)
    content = payloads.get(tx, version.payload) if version.payload is not None else None
    return msgspec.structs.replace(version, extents=listed, parts=parts, content=content, encryption=encryption)
