"""What logins by LDAP may do: managed policies attached to distinguished names, of users and of groups.

A name that nothing is attached to, itself or by a group, may not log in. The directory says who is in which group when
somebody logs in; which policies a name has is looked up at each request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import attachments, managed

_PREFIX: Final = "ldap:"


def attach(tx: Transaction, account: str, dn: str, policy: str) -> None:
    """Attach a policy of the account, or of AWS's, to a name in normal form. Raises NoSuchEntity, LimitExceeded."""
    managed.require(tx, account, policy)
    known = policies_of(tx, [dn])
    if policy in known:
        return
    if len(known) >= attachments.MOST:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for PoliciesPerName: {attachments.MOST}")
    tx.run("INSERT INTO iam_attached (holder, policy) VALUES (?, ?)", _PREFIX + dn, policy)


def detach(tx: Transaction, dn: str, policy: str) -> None:
    """Detach a policy. Raises NoSuchEntity."""
    if not tx.run("DELETE FROM iam_attached WHERE holder = ? AND policy = ?", _PREFIX + dn, policy):
        raise AwsError("NoSuchEntity", f"Policy {policy} was not found.")


def policies_of(tx: Transaction, dns: Iterable[str]) -> list[str]:
    """ARNs of what is attached to any of these names."""
    found = [arn for dn in dns for arn in attachments.policies_of(tx, _PREFIX + dn)]
    return list(dict.fromkeys(found))


def every(tx: Transaction) -> list[tuple[str, str]]:
    """All names that have policies, with each of their policies."""
    rows = tx.all(
        "SELECT holder, policy FROM iam_attached WHERE holder >= ? AND holder < ? ORDER BY holder, policy",
        _PREFIX,
        "ldap;",  # the character behind the colon
    )
    return [(holder.removeprefix(_PREFIX), policy) for holder, policy in rows]
