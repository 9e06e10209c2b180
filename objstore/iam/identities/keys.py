"""Access keys: two a user, with a secret that only the master key opens; and when each was last used.

A service account is such a key with a name, perhaps a narrower policy and an end; those are not counted among the two.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.records import AccessKey, KeyUse
from objstore.kms.master import MasterKey

MOST: Final = 2
MOST_SERVICE: Final = 100


def seal(master: MasterKey, key: str, secret: str) -> bytes:
    """A secret as it is stored, bound to its key's id."""
    return master.seal(secret.encode(), _context(key))


def unseal(master: MasterKey, key: AccessKey) -> str:
    """The secret of a key. Raises MasterKeyError when it does not open."""
    return master.open(key.sealed, _context(key.id)).decode()


def reseal(tx: Transaction, old: MasterKey, new: MasterKey) -> int:
    """Seal every secret under another master key; how many."""
    rows = tx.all("SELECT id, record FROM iam_keys ORDER BY id")
    for unique, record in rows:
        key = unpack(record, AccessKey)
        sealed = new.seal(old.open(key.sealed, _context(key.id)), _context(key.id))
        tx.run("UPDATE iam_keys SET record = ? WHERE id = ?", pack(msgspec.structs.replace(key, sealed=sealed)), unique)
    return len(rows)


def find(tx: Transaction, key: str) -> AccessKey | None:
    """The key of that id."""
    row = tx.one("SELECT record FROM iam_keys WHERE id = ?", key)
    return unpack(row[0], AccessKey) if row is not None else None


def require(tx: Transaction, account: str, owner: str, key: str) -> AccessKey:
    """A key of that owner; raises NoSuchEntity."""
    found = find(tx, key)
    if found is None or (found.account, found.owner) != (account, owner):
        raise AwsError("NoSuchEntity", f"The Access Key with id {key} cannot be found")
    return found


def of_owner(tx: Transaction, account: str, owner: str) -> list[AccessKey]:
    """All keys of a user, or of the root user (owner ""), service accounts among them, oldest first."""
    rows = tx.all("SELECT record FROM iam_keys WHERE account = ? AND owner = ? ORDER BY id", account, owner)
    return sorted((unpack(record, AccessKey) for (record,) in rows), key=lambda key: (key.created_us, key.id))


def add(tx: Transaction, key: AccessKey) -> None:
    """Enter a new key. Raises LimitExceeded, and EntityAlreadyExists for an id that is taken."""
    if find(tx, key.id) is not None:
        raise AwsError("EntityAlreadyExists", f"Access key {key.id} already exists.")
    alike = [one for one in of_owner(tx, key.account, key.owner) if (one.service is None) == (key.service is None)]
    most, quota = (MOST, "AccessKeysPerUser") if key.service is None else (MOST_SERVICE, "ServiceAccountsPerUser")
    if len(alike) >= most:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for {quota}: {most}")
    if key.service is not None and any(one.service and one.service.name == key.service.name for one in alike):
        raise AwsError("EntityAlreadyExists", f"Service account with name {key.service.name} already exists.")
    tx.run(
        "INSERT INTO iam_keys (id, account, owner, record) VALUES (?, ?, ?, ?)",
        key.id,
        key.account,
        key.owner,
        pack(key),
    )


def change(tx: Transaction, key: AccessKey, to: Callable[[AccessKey], AccessKey]) -> AccessKey:
    """Write a key anew; its id and owner stay."""
    changed = to(key)
    tx.run("UPDATE iam_keys SET record = ? WHERE id = ?", pack(changed), key.id)
    return changed


def activate(tx: Transaction, key: AccessKey, active: bool) -> None:
    """Make a key active or inactive."""
    change(tx, key, lambda one: msgspec.structs.replace(one, active=active))


def remove(tx: Transaction, key: AccessKey) -> None:
    """Delete a key."""
    tx.run("DELETE FROM iam_keys WHERE id = ?", key.id)
    tx.run("DELETE FROM iam_key_uses WHERE id = ?", key.id)


def last_use(tx: Transaction, key: str) -> KeyUse | None:
    """When a key was last used, as far as that has been entered."""
    row = tx.one("SELECT at, service, region FROM iam_key_uses WHERE id = ?", key)
    return KeyUse(*row) if row is not None else None


def enter_uses(tx: Transaction, uses: Mapping[str, KeyUse]) -> None:
    """Enter when keys were last used; of two reports the later one stays."""
    for key, use in sorted(uses.items()):
        tx.run(
            "INSERT INTO iam_key_uses (id, at, service, region) SELECT ?, ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM iam_keys WHERE id = ?)"
            " ON CONFLICT (id) DO UPDATE SET at = excluded.at, service = excluded.service, region = excluded.region"
            " WHERE excluded.at > iam_key_uses.at",
            key,
            use.at_us,
            use.service,
            use.region,
            key,
        )


def _context(key: str) -> bytes:
    return b"access key " + key.encode()
