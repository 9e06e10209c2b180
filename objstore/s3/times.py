"""Times between the store, which counts microseconds since 1970, and members of operations, which are `datetime`."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(us: int) -> datetime:
    """A time of the store as a member."""
    return datetime.fromtimestamp(us / 1_000_000, UTC)


def second(us: int) -> datetime:
    """The whole second of a time, which is all that S3 tells of when something was made: so that what a listing says is
    what the headers of an object say."""
    return datetime.fromtimestamp(us // 1_000_000, UTC)


def seconds(value: datetime | None) -> int | None:
    """A member as whole seconds since 1970, as HTTP dates have them."""
    if value is None:
        return None
    return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
