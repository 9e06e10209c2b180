"""The walk that all listings share: rows in order of key, with keys rolled up to common prefixes.

A page costs what it shows. A common prefix is left by seeking to the first key behind it, never by reading through it;
rows are fetched in batches that grow while every row is shown and shrink while they are skipped. Keys are UTF-8, in
which the byte FF does not occur: so the first key behind a prefix is found by adding one to its last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]
Position = tuple[bytes, Any]
Fetch = Callable[[Position, bytes, int], list[Row]]

_BATCH = 8


@dataclass(frozen=True, slots=True)
class Walk:
    """What a page shows: `rows` and `prefixes` in order; `last` is the last of both, None when there is no more."""

    rows: list[Row]
    prefixes: list[bytes]
    last: Row | bytes | None


def behind(prefix: bytes) -> bytes:
    """The first key that sorts behind all that begin with `prefix`; behind every key for an empty one."""
    return prefix[:-1] + bytes((prefix[-1] + 1,)) if prefix else b"\xff"


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The common prefix under which a key is shown: up to the first delimiter behind `prefix`."""
    found = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
    return key[: found + len(delimiter)] if found >= 0 else None


def beginning(prefix: bytes, delimiter: bytes, marker: bytes, sub: Any) -> Position:
    """Where a page behind `marker` begins: (key, sub) is behind that row of the key, (key, None) at the key.

    A marker under a common prefix is behind all of that prefix: it was shown before.
    """
    if not marker or marker < prefix:
        return prefix, None
    rolled = common_prefix(marker, prefix, delimiter)
    if rolled is not None:
        return behind(rolled), None
    return (marker, sub) if sub is not None else (marker + b"\0", None)


def walk(fetch: Fetch, position: Position, prefix: bytes, delimiter: bytes, limit: int) -> Walk:
    """The next `limit` rows and common prefixes. `fetch(position, end, n)` gives up to n rows (key, sub, ...) in order.

    `end` is exclusive: rows behind the listing's prefix are not asked for.
    """
    end = behind(prefix)
    rows: list[Row] = []
    prefixes: list[bytes] = []
    last: Row | bytes | None = None
    if limit <= 0:
        return Walk(rows, prefixes, None)
    batch = min(_BATCH, limit + 1) if delimiter else limit + 1
    while True:
        fetched = fetch(position, end, batch)
        shown = 0
        skip: bytes | None = None
        for row in fetched:
            key: bytes = row[0]
            if skip is not None and key.startswith(skip):
                continue
            skip = common_prefix(key, prefix, delimiter)
            if len(rows) + len(prefixes) == limit:
                return Walk(rows, prefixes, last)
            shown += 1
            if skip is None:
                rows.append(row)
                last = row
            else:
                prefixes.append(skip)
                last = skip
        if len(fetched) < batch:
            return Walk(rows, prefixes, None)
        position = (behind(skip), None) if skip is not None else (fetched[-1][0], fetched[-1][1])
        batch = min(batch * 2, limit + 1) if shown * 2 > batch else max(2, shown * 2)
