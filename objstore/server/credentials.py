"""Root's credentials: from the environment or a file, or generated at the first start and kept in the catalog.

There is no default password. What was generated is shown once, at the start that made it; what the settings give goes
first and is never stored.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable

from objstore.catalog.transaction import Transaction
from objstore.server.settings import Settings

_USER, _PASSWORD = "root user", "root password"
_ALPHABET = string.ascii_letters + string.digits


def stored(tx: Transaction) -> tuple[str, str] | None:
    """The generated credentials, if any were."""
    rows: dict[str, bytes] = dict(tx.all("SELECT name, value FROM settings WHERE name IN (?, ?)", _USER, _PASSWORD))
    return (rows[_USER].decode(), rows[_PASSWORD].decode()) if len(rows) == 2 else None


def keep(user: str, password: str) -> Callable[[Transaction], tuple[str, str]]:
    """A transaction function that keeps the given pair unless one is there; it answers the pair that is there then."""

    def run(tx: Transaction) -> tuple[str, str]:
        if (there := stored(tx)) is not None:
            return there
        tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _USER, user.encode())
        tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _PASSWORD, password.encode())
        return user, password

    return run


def generate() -> tuple[str, str]:
    """A new access key (20 characters, 119 bits) and secret (40 characters, 238 bits)."""
    return _random(20), _random(40)


def given(settings: Settings) -> tuple[str, str] | None:
    """What the settings say, when they say it."""
    if settings.root_user and settings.root_password:
        return settings.root_user, settings.root_password
    return None


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
