"""Root's credentials: from the environment or a file, or generated at the first start and kept in the catalog.

There is no default password. What was generated is shown once, at the start that made it, and kept sealed under the
master key; what the settings give goes first and is never stored.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable

from objstore.catalog.transaction import Transaction
from objstore.kms.master import MasterKey
from objstore.server.settings import Settings

_USER, _PASSWORD = "root user", "root password"
_CONTEXT = b"objstore root password"
_ALPHABET = string.ascii_letters + string.digits


def stored(key: MasterKey) -> Callable[[Transaction], tuple[str, str] | None]:
    """A transaction function that gives the generated credentials, if any were; `key` is the deployment's."""

    def run(tx: Transaction) -> tuple[str, str] | None:
        rows: dict[str, bytes] = dict(tx.all("SELECT name, value FROM settings WHERE name IN (?, ?)", _USER, _PASSWORD))
        return (rows[_USER].decode(), key.open(rows[_PASSWORD], _CONTEXT).decode()) if len(rows) == 2 else None

    return run


def keep(user: str, password: str, key: MasterKey) -> Callable[[Transaction], tuple[str, str]]:
    """A transaction function that keeps the given pair unless one is there; it answers the pair that is there then."""
    sealed, look = key.seal(password.encode(), _CONTEXT), stored(key)

    def run(tx: Transaction) -> tuple[str, str]:
        if (there := look(tx)) is not None:
            return there
        tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _USER, user.encode())
        tx.run("INSERT INTO settings (name, value) VALUES (?, ?)", _PASSWORD, sealed)
        return user, password

    return run


def reseal(tx: Transaction, old: MasterKey, new: MasterKey) -> int:
    """Seal the generated password under another master key; how many there were."""
    rows = tx.all("SELECT value FROM settings WHERE name = ?", _PASSWORD)
    for (sealed,) in rows:
        value = new.seal(old.open(bytes(sealed), _CONTEXT), _CONTEXT)
        tx.run("UPDATE settings SET value = ? WHERE name = ?", value, _PASSWORD)
    return len(rows)


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
