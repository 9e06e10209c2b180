"""What the store speaks of: buckets, versions, uploads, parts, and what is given to and got from its verbs.

The structs named in the catalog's tables (`Bucket`, `Version`, `Upload`, `Part`) are stored as they are, as arrays: a
new field goes to the end, with a default, so that old records stay readable. Times are microseconds since 1970 (`_us`)
unless they come from a header (seconds). Names and keys are `str` here and UTF-8 bytes in the tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import msgspec

from objstore.blobs.types import Extent
from objstore.sealing import DataKey, Encryption, Seal, Stream

Buffer = bytes | bytearray | memoryview
T = TypeVar("T")

INLINE = 8 << 10
"""Objects up to this many bytes live in the catalog."""

MIN_PART = 5 << 20
MAX_PART = 5 << 30
MAX_PARTS = 10_000
MAX_OBJECT = 50 << 40

NULL = "null"
"""The public id of the null version."""

ENABLED = "Enabled"
SUSPENDED = "Suspended"


class Owner(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A canonical user id and the name shown beside it."""

    id: str
    name: str = ""


class Grant(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of an ACL: `kind` is CanonicalUser, Group or AmazonCustomerByEmail; `permission` as AWS names it."""

    kind: str
    permission: str
    id: str = ""
    uri: str = ""
    display: str = ""


Acl = tuple[Grant, ...]


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """A bucket. `versioning` is "", "Enabled" or "Suspended"; once set it is never "" again. `id` never comes back.

    `configuration` holds what the bucket is configured to do, by subject: see `store/configuration.py`. `era` counts
    its snapshots. A view of a snapshot (`store/snapshots.py`), which is never stored, names the bucket that is its
    `source`.
    """

    id: int
    name: str
    owner: Owner
    created_us: int
    versioning: str = ""
    region: str = ""
    acl: Acl = ()
    ownership: str = ""
    configuration: dict[str, str] = msgspec.field(default_factory=dict)
    era: int = 0
    source: str = ""


class Checksum(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A checksum as the client sees it: `algorithm` (CRC32C, SHA256...), `value` in base64 (with `-N` if composite)."""

    algorithm: str
    value: str
    type: str = "FULL_OBJECT"


class Lock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What keeps a version from being deleted: retention in a `mode` ("": none) until a time, and a legal hold.

    `legal_hold` is None for a version that never had one set or taken away.
    """

    mode: str = ""
    until_us: int = 0
    legal_hold: bool | None = None


class PartInfo(msgspec.Struct, frozen=True, array_like=True):
    """A part of a completed multipart object."""

    number: int
    size: int
    checksum: Checksum | None = None


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """What listings tell of a version or delete marker: the first fields of its record, all that they decode.

    `etag` is hex without quotes, `-N` behind for N parts.
    """

    version_id: str
    ord: int
    is_null: bool
    delete_marker: bool
    etag: str
    size: int
    modified_us: int
    owner: Owner
    storage_class: str = "STANDARD"
    checksum: Checksum | None = None


class Version(Listed, frozen=True, array_like=True):
    """One version of a key, an object or a delete marker.

    Its bytes are `extents` in order, then the payload. `headers` has content-type, cache-control, content-disposition,
    content-encoding, content-language, expires, x-amz-website-redirect-location by these names. As a table has it,
    `extents` and `parts` may be in the `manifest`, and `content` is None; `Store.current` gives it whole.
    With `encryption`, extents and payload hold sealed bytes, and the values of checksums are hidden; `size` is the
    plaintext's.
    """

    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    parts: tuple[PartInfo, ...] | None = None
    extents: tuple[Extent, ...] = ()
    payload: int | None = None
    acl: Acl | None = None
    upload_id: str | None = None
    manifest: int | None = None
    part_count: int = 0
    content: bytes | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    lock: Lock | None = None
    creator: str = ""
    encryption: Encryption | None = None


class Stamp(NamedTuple):
    """The moment of a write and eight random bytes in hex: what a new public id is made of."""

    now_us: int
    suffix: str

    @property
    def version_id(self) -> str:
        """The id that the version gets, if the key has no newer one."""
        return f"{self.now_us:016x}{self.suffix}"


class Upload(msgspec.Struct, frozen=True, array_like=True):
    """A multipart upload in progress. `id` is 32 hex digits that grow with time."""

    id: str
    key: str
    initiated_us: int
    owner: Owner
    initiator: Owner
    storage_class: str = "STANDARD"
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    acl: Acl | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    lock: Lock | None = None
    creator: str = ""
    encryption: Encryption | None = None


class Part(msgspec.Struct, frozen=True, array_like=True):
    """An uploaded part: its bytes are `extents`, or a payload."""

    number: int
    size: int
    etag: str
    modified_us: int
    checksum: Checksum | None = None
    extents: tuple[Extent, ...] = ()
    payload: int | None = None
    streams: tuple[Stream, ...] = ()


class Preconditions(msgspec.Struct, frozen=True, kw_only=True):
    """What must hold. ETags as in the header: quoted or not, `*`, or a comma-separated list. Times in epoch seconds.

    Writes look at `if_match` and `if_none_match`; deletes at `if_match`, `match_size`, `match_last_modified`; reads and
    the source of a copy at the first four.
    """

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None
    match_size: int | None = None
    match_last_modified: int | None = None


ALWAYS = Preconditions()


class Digest(msgspec.Struct, frozen=True):
    """What is known of a body once it was all read: MD5 in hex, and the checksum to store."""

    etag: str
    checksum: Checksum | None = None


@dataclass(slots=True)
class Source:
    """The bytes of a PUT. `length` is declared, or None. All go through `update` once, in order, maybe on a thread.

    `finish` is called once after the last byte: it checks what the client declared (raises), and tells the digests.
    """

    chunks: AsyncIterator[Buffer]
    length: int | None
    update: Callable[[Buffer], object]
    finish: Callable[[], Digest]


@dataclass(slots=True)
class Digester:
    """Wanted of a copy that must look at its bytes (another checksum algorithm). As in `Source`."""

    update: Callable[[Buffer], object]
    finish: Callable[[], Digest]


class NewObject(msgspec.Struct, frozen=True, kw_only=True):
    """What an object is to carry beside its bytes. `acl` None: private to `owner`. `creator`: who wrote it, by the
    unique id of the user; "" for nobody in particular. With a `seal` it is encrypted."""

    owner: Owner
    creator: str = ""
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    storage_class: str = "STANDARD"
    acl: Acl | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    lock: Lock | None = None
    seal: Seal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """What CreateMultipartUpload fixes for the object to come."""

    owner: Owner
    creator: str = ""
    initiator: Owner
    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    acl: Acl | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lock: Lock | None = None
    encryption: Encryption | None = None


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """A part as a complete names it; `checksum` in base64 where the client gave one."""

    number: int
    etag: str
    checksum: str | None = None
    algorithm: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Where a copy comes from. `version_id` None: the current version."""

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class CopyKeys:
    """What a copy needs to look into its source, and to seal what it makes.

    `shared` says that `seal` has the source's data key, sealed anew: then the copy shares the source's bytes.
    """

    source: DataKey | None = None
    seal: Seal | None = None
    shared: bool = False

    @property
    def recodes(self) -> bool:
        """Whether the source's bytes, as they are stored, are of no use to the copy."""
        return not self.shared and (self.source is not None or self.seal is not None)


class Published(msgspec.Struct, frozen=True):
    """A version now visible. `version_id` is what the answer tells: None for a bucket never versioned."""

    version: Version
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Copied(Generic[T]):
    """The outcome of a copy: what was made, of which version. `source_version_id` as `Published.version_id`."""

    made: T
    source: Version
    source_version_id: str | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of a delete. `version_id`: the version deleted or the marker made; None in a bucket never versioned.

    `delete_marker`: a marker was made (no id asked), or what was deleted by its id was one.
    """

    version_id: str | None = None
    delete_marker: bool = False


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """One key of a DeleteObjects. `bypass_governance`: retention in that mode does not count."""

    key: str
    version_id: str | None = None
    conditions: Preconditions = ALWAYS
    bypass_governance: bool = False


class Entry(msgspec.Struct, frozen=True):
    """A key in a listing."""

    key: str
    version: Listed


class VersionEntry(msgspec.Struct, frozen=True):
    """A version or delete marker in a listing."""

    key: str
    version: Listed
    is_latest: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a listing, in order. `next` (the last key or prefix given) continues it, None at the end."""

    items: list[T]
    prefixes: list[str] = field(default_factory=list)
    next: str | None = None

    @property
    def truncated(self) -> bool:
        return self.next is not None


@dataclass(frozen=True, slots=True)
class MarkedPage(Page[T]):
    """A page continued by a key and an id: a version id, or an upload id. `next_id` None behind a common prefix."""

    next_id: str | None = None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """Parts of an upload in order of number. `next` is the last number given, None at the end."""

    upload: Upload
    items: list[Part]
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Exact counts: current objects, noncurrent versions with delete markers, bytes of all versions."""

    objects: int = 0
    versions: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """The whole store, for `admin info`; `garbage_bytes`, of each shard file, are to be punched."""

    buckets: int
    objects: int
    versions: int
    bytes: int
    uploads: int
    garbage_bytes: int
