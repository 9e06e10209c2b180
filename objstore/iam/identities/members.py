"""Who is in which group. https://docs.aws.amazon.com/IAM/latest/UserGuide/id_groups.html"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.records import Group, User

MOST_GROUPS: Final = 10  # of one user


def add(tx: Transaction, group: Group, user: User) -> None:
    """Put a user into a group; once more changes nothing. Raises LimitExceeded."""
    known = groups_of(tx, user.id)
    if any(one.id == group.id for one in known):
        return
    if len(known) >= MOST_GROUPS:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for GroupsPerUser: {MOST_GROUPS}")
    tx.run("INSERT INTO iam_members (grp, user) VALUES (?, ?)", group.id, user.id)


def remove(tx: Transaction, group: Group, user: User) -> None:
    """Take a user out of a group; raises NoSuchEntity when it is not in it."""
    if not tx.run("DELETE FROM iam_members WHERE grp = ? AND user = ?", group.id, user.id):
        raise AwsError("NoSuchEntity", f"User {user.name} is not in group {group.name}.")


def groups_of(tx: Transaction, user: str) -> list[Group]:
    """The groups of the user of that id, in order of name."""
    rows = tx.all(
        "SELECT record FROM iam_members JOIN iam_entities ON iam_entities.id = iam_members.grp"
        " WHERE iam_members.user = ? ORDER BY iam_entities.name",
        user,
    )
    return [unpack(record, Group) for (record,) in rows]


def users_of(tx: Transaction, group: str) -> list[User]:
    """The members of the group of that id, in order of name."""
    rows = tx.all(
        "SELECT record FROM iam_members JOIN iam_entities ON iam_entities.id = iam_members.user"
        " WHERE iam_members.grp = ? ORDER BY iam_entities.name",
        group,
    )
    return [unpack(record, User) for (record,) in rows]
