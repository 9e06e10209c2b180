"""Which managed policies are attached to which users, groups and roles; and whose permissions they bound.

An attachment is a row of the policy's ARN and the holder's id: AWS's own policies have ARNs, but no row of their own.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_manage-attach-detach.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.inline import Holder

MOST: Final = 20
"""How many a holder may have: the most that AWS grants on request."""


def attach(tx: Transaction, holder: Holder, policy: str) -> None:
    """Attach a policy that is known to be there; once more changes nothing. Raises LimitExceeded."""
    known = policies_of(tx, holder.id)
    if policy in known:
        return
    if len(known) >= MOST:
        word = type(holder).__name__
        raise AwsError("LimitExceeded", f"Cannot exceed quota for PoliciesPer{word}: {MOST}")
    tx.run("INSERT INTO iam_attached (holder, policy) VALUES (?, ?)", holder.id, policy)


def detach(tx: Transaction, holder: Holder, policy: str) -> None:
    """Detach a policy; raises NoSuchEntity when it is not attached."""
    if not tx.run("DELETE FROM iam_attached WHERE holder = ? AND policy = ?", holder.id, policy):
        raise AwsError("NoSuchEntity", f"Policy {policy} was not found.")


def policies_of(tx: Transaction, holder: str) -> list[str]:
    """ARNs of what is attached to the holder of that id, in order."""
    rows = tx.all("SELECT policy FROM iam_attached WHERE holder = ? ORDER BY policy", holder)
    return [policy for (policy,) in rows]


def holders_of(tx: Transaction, policy: str) -> list[str]:
    """Ids of those to whom a policy is attached."""
    rows = tx.all("SELECT holder FROM iam_attached WHERE policy = ? ORDER BY holder", policy)
    return [holder for (holder,) in rows]


def count(tx: Transaction, policy: str, account: str) -> int:
    """To how many of an account's identities a policy is attached."""
    row = tx.one(
        "SELECT COUNT(*) FROM iam_attached JOIN iam_entities ON iam_entities.id = iam_attached.holder"
        " WHERE iam_attached.policy = ? AND iam_entities.account = ?",
        policy,
        account,
    )
    return int(row[0]) if row else 0


def set_boundary(tx: Transaction, holder: Holder, policy: str | None) -> None:
    """Note whose boundary a policy is; the holder's own record names it too."""
    tx.run("DELETE FROM iam_bounded WHERE holder = ?", holder.id)
    if policy is not None:
        tx.run("INSERT INTO iam_bounded (holder, policy) VALUES (?, ?)", holder.id, policy)


def bounded_by(tx: Transaction, policy: str) -> list[str]:
    """Ids of those whose boundary a policy is."""
    rows = tx.all("SELECT holder FROM iam_bounded WHERE policy = ? ORDER BY holder", policy)
    return [holder for (holder,) in rows]


def forget(tx: Transaction, holder: str) -> None:
    """Remove every row of a holder that is deleted."""
    for table in ("iam_attached", "iam_bounded", "iam_inline"):
        tx.run(f"DELETE FROM {table} WHERE holder = ?", holder)
