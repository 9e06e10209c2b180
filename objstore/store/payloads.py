"""Bytes that live in the catalog: small objects, and the long manifests of objects of many parts.

Ids grow with time and are not given twice while the clock goes forward, so a reader with an old record finds nothing
rather than another object's bytes.
"""

from __future__ import annotations

from objstore.catalog.transaction import Transaction


def add(tx: Transaction, data: bytes, now_us: int) -> int:
    """Store bytes; their id."""
    row = tx.one("SELECT max(id) FROM payloads")
    newest = row[0] if row is not None else None
    payload = now_us if newest is None else max(now_us, newest + 1)
    tx.run("INSERT INTO payloads (id, data) VALUES (?, ?)", payload, data)
    return int(payload)


def get(tx: Transaction, payload: int) -> bytes:
    """The bytes of an id that a record of the same snapshot holds."""
    row = tx.one("SELECT data FROM payloads WHERE id = ?", payload)
    assert row is not None, f"payload {payload} of a record has no row"
    data: bytes = row[0]
    return data


def drop(tx: Transaction, payload: int) -> None:
    """Forget the bytes."""
    tx.run("DELETE FROM payloads WHERE id = ?", payload)
