"""Moments as AWS writes them: ISO 8601 in documents and parameters, RFC 822 in headers.

Both forms are read everywhere, because clients mix them. Inside, a moment is a `datetime` with its time zone.
https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse(text: str) -> datetime:
    """Read a moment in any of the forms, as UTC; one without a zone is that. Raises ValueError."""
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text) if text[:1].isdigit() else parsedate_to_datetime(text)
        return _in_utc(moment)  # at both ends of the calendar there are moments that only other zones can write
    except (ValueError, OverflowError, OSError, TypeError, IndexError) as error:
        raise ValueError(f"not a date: {text!r}") from error


def iso8601(moment: datetime) -> str:
    """`2009-10-12T17:50:30.000Z`: with milliseconds, as documents have it."""
    if moment.tzinfo is not UTC:
        moment = _in_utc(moment)
    return moment.isoformat("T", "milliseconds")[:23] + "Z"


@lru_cache(maxsize=1024)
def rfc822(moment: datetime) -> str:
    """`Mon, 12 Oct 2009 17:50:30 GMT`, as headers have it."""
    year, month, day, hour, minute, second, weekday = _in_utc(moment).timetuple()[:7]
    # strftime would follow the locale
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04} {hour:02}:{minute:02}:{second:02} GMT"


def http_date(seconds: int) -> str:
    """The same for whole seconds since 1970."""
    return rfc822(datetime.fromtimestamp(seconds, UTC))


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
