"""From records to principals: whom a key or a session speaks for, read in one look at the catalog.

Whoever may not come in is told as AWS tells: an inactive key like an unknown one, a suspended account by its own code.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.principal import Kind, Principal, Session
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import accounts, entities, names
from objstore.iam.identities.records import AccessKey, Account, Role, Tags, User
from objstore.iam.users import Users
from objstore.store.types import Owner

# Owns what sessions make that nobody of the account without a number began: logins by web identity and LDAP.
_NOBODY: Final = Owner("objstore-shared", "")


def owner(tx: Transaction, users: Users, account: str) -> Owner:
    """The owner of what an account makes. Raises AccountProblem for a suspended account, and for one that is gone."""
    root = users.account_root(account)
    if root is not None:
        return Owner(root.id, root.name)
    if account == names.SHARED:
        return _NOBODY
    found = accounts.find(tx, account)
    if found is None or found.suspended:
        raise AwsError("AccountProblem")
    return _owner(found)


def of_root(tx: Transaction, users: Users, account: str) -> Principal:
    """The root user of an account. Raises AccountProblem."""
    root = users.account_root(account)
    if root is not None:
        return root
    one = owner(tx, users, account)
    return Principal(one.id, one.name, names.root_arn(account), account=account, user_id=account)


def of_user(tx: Transaction, users: Users, user: User) -> Principal:
    """A user, in whose account's name it acts. Raises AccountProblem."""
    one = owner(tx, users, user.account)
    return Principal(
        one.id,
        one.name,
        names.arn(user),
        kind=Kind.USER,
        account=user.account,
        user_id=user.id,
        username=user.name,
        tags=user.tags,
    )


def of_role(
    tx: Transaction, users: Users, role: Role, session: Session, tags: Tags = (), made_by: Owner | None = None
) -> Principal:
    """A session of a role. What it makes belongs to the role's account, or where that has no number to `made_by`."""
    one = owner(tx, users, role.account)
    if role.account == names.SHARED and made_by is not None:
        one = made_by
    return Principal(
        one.id,
        one.name,
        names.session_arn(role, session.name),
        kind=Kind.ROLE,
        account=role.account,
        user_id=f"{role.id}:{session.name}",
        role_arn=names.arn(role),
        tags=joined(role.tags, tags),
        session=session,
    )


def of_login(tx: Transaction, users: Users, account: str, dn: str, session: Session) -> Principal:
    """A login by LDAP, which acts in the name of an account. Raises AccountProblem."""
    one = owner(tx, users, account)
    return Principal(
        one.id,
        one.name,
        f"arn:aws:sts::{account}:federated-user/{session.name}",
        kind=Kind.FEDERATED,
        account=account,
        user_id=f"{account}:{dn}",
        session=session,
    )


def of_key(tx: Transaction, users: Users, key: AccessKey) -> Principal | None:
    """Whom an access key speaks for; None when its user is gone or suspended. Raises AccountProblem."""
    if key.owner:
        user = entities.by_id(tx, User, key.owner)
        if user is None or user.suspended:
            return None
        principal = of_user(tx, users, user)
    else:
        principal = of_root(tx, users, key.account)
    principal = replace(principal, access_key=key.id)
    if key.service is None:
        return principal
    if key.service.policy is None:
        return replace(principal, session=Session(name=key.service.name, temporary=False))
    session = Session(name=key.service.name, policies=(key.service.policy,), temporary=False)
    return replace(principal, session=session, is_root=False)  # root narrowed is root of its account only


def joined(of_role: Tags, of_session: Tags) -> Tags:
    """Tags of a role and of its session, of which the latter count where both have one."""
    replaced = {name.lower() for name, _ in of_session}
    return (*(tag for tag in of_role if tag[0].lower() not in replaced), *of_session)


def _owner(account: Account) -> Owner:
    return Owner(account.canonical, account.name)
