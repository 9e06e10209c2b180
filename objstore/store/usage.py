"""Exact counts of every bucket, changed in the transaction that changes what they count."""

from __future__ import annotations

from objstore.catalog.transaction import Transaction
from objstore.store.types import Usage


def add(tx: Transaction, bucket: int, *, objects: int = 0, versions: int = 0, size: int = 0) -> None:
    """Change the counts of a bucket: current objects, rows of `versions`, bytes of all versions."""
    if objects or versions or size:
        tx.run(
            "UPDATE usage SET objects = objects + ?, versions = versions + ?, bytes = bytes + ? WHERE bucket = ?",
            objects,
            versions,
            size,
            bucket,
        )


def of(tx: Transaction, bucket: int) -> Usage:
    """The counts of a bucket."""
    row = tx.one("SELECT objects, versions, bytes FROM usage WHERE bucket = ?", bucket)
    return Usage(*row) if row is not None else Usage()
