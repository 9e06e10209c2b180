"""What S3 promises, as plainly as it can be said: a dictionary from keys to lists of versions, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Held:
    """A version or delete marker."""

    version_id: str
    data: bytes
    etag: str
    marker: bool = False


@dataclass
class ModelUpload:
    """An upload in progress: its parts by number, as (bytes, ETag)."""

    key: str
    parts: dict[int, tuple[bytes, str]] = field(default_factory=dict)


@dataclass
class ModelBucket:
    """A bucket by the book: https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html"""

    versioning: str = ""
    keys: dict[str, list[Held]] = field(default_factory=dict)
    uploads: dict[str, ModelUpload] = field(default_factory=dict)

    def current(self, key: str) -> Held | None:
        held = self.keys.get(key)
        return held[0] if held and not held[0].marker else None

    def find(self, key: str, version_id: str) -> Held | None:
        return next((one for one in self.keys.get(key, []) if one.version_id == version_id), None)

    def put(self, key: str, new: Held) -> None:
        held = self.keys.setdefault(key, [])
        if self.versioning != "Enabled":
            held[:] = [one for one in held if one.version_id != "null"]
        held.insert(0, new)

    def remove(self, key: str, version_id: str) -> None:
        self.keys[key] = [one for one in self.keys.get(key, []) if one.version_id != version_id]
        if not self.keys[key]:
            del self.keys[key]

    def visible(self) -> dict[str, Held]:
        return {key: held[0] for key, held in self.keys.items() if not held[0].marker}


def rolled(key: str, prefix: str, delimiter: str) -> str | None:
    """The common prefix a key is shown under."""
    at = key.find(delimiter, len(prefix)) if delimiter else -1
    return key[: at + len(delimiter)] if at >= 0 else None


def shown(keys: list[str], prefix: str, delimiter: str, after: str) -> list[tuple[str, bool]]:
    """All (key or common prefix, whether a prefix) of a listing without bound, in byte order."""
    out: list[tuple[str, bool]] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        common = rolled(key, prefix, delimiter)
        name = common if common is not None else key
        if name.encode() <= after.encode() and after:
            continue
        if common is not None and after.startswith(common):
            continue
        if (name, common is not None) not in out:
            out.append((name, common is not None))
    return out
