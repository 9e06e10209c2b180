"""The rules of a bucket as AWS's model spells them, and the moments at which they act.

Days are counted from a version's last modification, noncurrent days from that of the version that replaced it; both
round up to the next midnight UTC. Where a day is made shorter (for tests) nothing is rounded.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

LATEST_US: Final = 253_402_214_400_000_000
"""The beginning of 31 December 9999, in microseconds since 1970."""
DAY: Final = 86_400.0

VARIES: Final = "varies_by_storage_class"
LEAST_128K: Final = "all_storage_classes_128K"
SMALL: Final = 128 << 10
"""Objects below this many bytes change their class only where a rule names a size, or the bucket says VARIES."""


class _Document(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True, forbid_unknown_fields=True):
    """Members as AWS's model names them."""


class Tag(_Document, frozen=True):
    key: str
    value: str


class And(_Document, frozen=True):
    prefix: str | None = None
    tags: tuple[Tag, ...] = ()
    object_size_greater_than: int | None = None
    object_size_less_than: int | None = None


class Filter(_Document, frozen=True):
    """Conditions, all of which must hold. AWS wants several of them in `and_`; Ceph's clients put them side by side."""

    prefix: str | None = None
    tag: Tag | None = None
    object_size_greater_than: int | None = None
    object_size_less_than: int | None = None
    and_: And | None = msgspec.field(default=None, name="And")

    @property
    def conditions(self) -> And:
        """All conditions, wherever they stand. Of two prefixes the longer says both, if one begins with the other."""
        both = self.and_ if self.and_ is not None else And()
        larger = [n for n in (both.object_size_greater_than, self.object_size_greater_than) if n is not None]
        smaller = [n for n in (both.object_size_less_than, self.object_size_less_than) if n is not None]
        return And(
            max((p for p in (both.prefix, self.prefix) if p is not None), key=len, default=None),
            both.tags + ((self.tag,) if self.tag is not None else ()),
            max(larger, default=None),
            min(smaller, default=None),
        )


class Expiration(_Document, frozen=True):
    date: datetime | None = None
    days: int | None = None
    expired_object_delete_marker: bool | None = None


class Transition(_Document, frozen=True):
    storage_class: str
    date: datetime | None = None
    days: int | None = None


class NoncurrentVersionTransition(_Document, frozen=True):
    storage_class: str
    noncurrent_days: int
    newer_noncurrent_versions: int | None = None


class NoncurrentVersionExpiration(_Document, frozen=True):
    noncurrent_days: int
    newer_noncurrent_versions: int | None = None


class AbortIncompleteMultipartUpload(_Document, frozen=True):
    days_after_initiation: int


class Rule(_Document, frozen=True):
    status: Literal["Enabled", "Disabled"]
    id: str = msgspec.field(default="", name="ID")
    prefix: str | None = None
    filter: Filter | None = None
    expiration: Expiration | None = None
    transitions: tuple[Transition, ...] = ()
    noncurrent_version_transitions: tuple[NoncurrentVersionTransition, ...] = ()
    noncurrent_version_expiration: NoncurrentVersionExpiration | None = None
    abort_incomplete_multipart_upload: AbortIncompleteMultipartUpload | None = None

    @property
    def enabled(self) -> bool:
        return self.status == "Enabled"

    @property
    def conditions(self) -> And:
        return self.filter.conditions if self.filter is not None else And(self.prefix)

    def covers(self, key: str) -> bool:
        """Whether the rule is in force for a key, as far as the key tells."""
        return self.enabled and key.startswith(self.conditions.prefix or "")

    def applies(self, key: str, size: int, tags: Mapping[str, str]) -> bool:
        """Whether the rule is in force for a version."""
        if not self.covers(key):
            return False
        given = self.conditions
        larger, smaller = given.object_size_greater_than, given.object_size_less_than
        return (
            all(tags.get(tag.key) == tag.value for tag in given.tags)
            and (larger is None or size > larger)
            and (smaller is None or size < smaller)
        )

    @property
    def names_size(self) -> bool:
        given = self.conditions
        return given.object_size_greater_than is not None or given.object_size_less_than is not None


class Lifecycle(_Document, frozen=True):
    """A bucket's configuration; `transition_default_minimum_object_size` is VARIES or LEAST_128K.

    `day` is how many seconds a day lasts; DAY, but in tests.
    """

    rules: tuple[Rule, ...] = ()
    transition_default_minimum_object_size: str = LEAST_128K
    day: float = DAY

    def after(self, base_us: int, days: int) -> int:
        """When something of `base_us` is `days` old, in microseconds: at the midnight UTC that follows.

        Never later than the last day of the calendar: 2,147,483,647 days, which AWS takes, are some millions of years.
        """
        moment = base_us + int(days * self.day * 1_000_000)
        if self.day != DAY:
            return min(moment, LATEST_US)
        whole = int(DAY) * 1_000_000
        return min(-(-moment // whole) * whole, LATEST_US)

    def when(self, days: int | None, date: datetime | None, base_us: int) -> int | None:
        """When an action is due for a version of `base_us`, given by days or by a date; None when by neither."""
        if date is not None:
            return int(date.timestamp() * 1_000_000)
        return None if days is None else self.after(base_us, days)
