"""What a bucket is configured to do: one typed document for each subject, kept in the bucket's record by name.

A subject (tagging, policy, lifecycle...) is a frozen msgspec Struct, stored as JSON. It is decoded once for each text,
not once for each request.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from objstore.store.types import Bucket

T = TypeVar("T")


def of(bucket: Bucket, subject: str, kind: type[T]) -> T | None:
    """The bucket's document on a subject; None where it has none. `kind` must be immutable: it is shared."""
    text = bucket.configuration.get(subject)
    if text is None:
        return None
    value: T = _decode(text, kind)  # type: ignore[arg-type]
    return value


def changed(bucket: Bucket, subject: str, document: msgspec.Struct | None) -> Bucket:
    """The bucket's record with another document on a subject, or with none."""
    rest = {name: text for name, text in bucket.configuration.items() if name != subject}
    if document is not None:
        rest[subject] = msgspec.json.encode(document).decode()
    return msgspec.structs.replace(bucket, configuration=rest)


@lru_cache(maxsize=4096)
def _decode(text: str, kind: type[Any]) -> Any:
    return msgspec.json.decode(text, type=kind)
