"""Tables that every request asks and that seldom change: what was read of them is kept until one of them does.

Who commits a change of one raises the *edition* before any of it is visible, and again when all of it is, before it is
acknowledged (`Shared.changing`). So the edition is odd while such a change is on its way, and a row that was read at an
even one is the row of now for as long as the edition is the same.
"""

from __future__ import annotations

from typing import Final

import apsw
import apsw.ext

_WRITES: Final = ("SQLITE_INSERT", "SQLITE_UPDATE", "SQLITE_DELETE")
_CHANGES: Final = {
    *((verb, table) for verb in _WRITES for table in ("buckets", "iam_generation")),
    # whether there is any quota is asked all the time; what is held of one changes with every write
    *((verb, "quotas") for verb in ("SQLITE_INSERT", "SQLITE_DELETE")),
}
_known: dict[str, bool] = {}


def changed_by(connection: apsw.Connection, sql: str) -> bool:
    """Whether a statement changes what `Transaction.steady` may ask for, as SQLite itself understands it."""
    found = _known.get(sql)
    if found is None:
        found = _known[sql] = _looked_up(connection, sql)
    return found


def _looked_up(connection: apsw.Connection, sql: str) -> bool:
    try:
        actions = apsw.ext.query_info(connection, sql, actions=True).actions or ()
    except apsw.SQLError:  # what it makes is there by now: a change of the schema
        return True
    return any((one.action_name, one.table_name) in _CHANGES for one in actions)
