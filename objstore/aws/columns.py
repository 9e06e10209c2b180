"""Long lists of alike structures, written column by column: a listing of 1,000 keys is mostly these.

Written one by one, each value costs a call. But the entries of a listing have the same members in the same order, so
all keys are escaped at once in one text, all owners come out of a small memory, and each entry is one template filled
in. What comes out is what the plain writer makes of it, byte for byte; entries that do not fit are left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from objstore.aws.timestamps import iso8601
from objstore.aws.xmltext import escape, escape_many

Column = Sequence[Any]
ColumnWriter = Callable[[Column], Column]
ItemWriter = Callable[[Any], str]

LONG: Final = 8  # entries from which on columns pay


def texts(column: Column) -> Column:
    """Escapes strings."""
    return escape_many(column)


def numbers(column: Column) -> Column:
    """Integers need nothing."""
    return column


def booleans(column: Column) -> Column:
    """Writes truth values."""
    return ["true" if value else "false" for value in column]


def moments(column: Column) -> Column:
    """Writes moments; text that is one already is escaped."""
    if all(type(value) is datetime and value.tzinfo is UTC for value in column):
        written = "\n".join([value.isoformat("T", "milliseconds") for value in column])
        return written.replace("+00:00", "Z").split("\n")
    return [escape(value) if isinstance(value, str) else iso8601(value) for value in column]


def repeated(write: ItemWriter) -> ColumnWriter:
    """For structures and lists of few different values, such as owners: each is written once."""

    def column_writer(column: Column) -> Column:
        if column.count(column[0]) == len(column):
            return [write(column[0])] * len(column)
        written: dict[Any, str] = {}
        result = []
        for value in column:
            mark = tuple(value.items()) if isinstance(value, Mapping) else tuple(value)
            text = written.get(mark)
            if text is None:
                text = written[mark] = write(value)
            result.append(text)
        return result

    return column_writer


class Columns:
    """Writes a list of structures, each as an element `name`; `plain` is the writer for a single one.

    `fields` tells of each member the template of its element (`<Size>%s</Size>`) and the writer of its column.
    """

    def __init__(self, name: str, fields: Mapping[str, tuple[str, ColumnWriter]], plain: ItemWriter) -> None:
        self._name = name
        self._fields = fields
        self._plain = plain
        self._templates: dict[tuple[str, ...], str] = {}

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> str:
        if len(items) < LONG:
            return "".join(map(self._plain, items))
        return "".join([self._run(members, list(run)) for members, run in groupby(items, tuple)])

    def _run(self, members: tuple[str, ...], items: Sequence[Mapping[str, Any]]) -> str:
        """Entries with the same members."""
        template = self._templates.get(members) or self._template(members)
        if template is None or len(items) < LONG:
            return "".join(map(self._plain, items))
        written = []
        for member, column in zip(members, zip(*[item.values() for item in items], strict=True), strict=True):
            if None in column:
                return "".join(map(self._plain, items))
            written.append(self._fields[member][1](column))
        return "".join([template % row for row in zip(*written, strict=True)])

    def _template(self, members: tuple[str, ...]) -> str | None:
        if not members or not all(member in self._fields for member in members) or len(self._templates) > 100:
            return None
        inner = "".join(self._fields[member][0] for member in members)
        template = self._templates[members] = f"<{self._name}>{inner}</{self._name}>"
        return template
