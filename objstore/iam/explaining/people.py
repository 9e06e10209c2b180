"""Who there is to ask about: one principal by its name, and everybody.

A name is an ARN of a root user, a user, a role or a session of one; an access key; or `anonymous`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.principal import ANONYMOUS, Principal, Session
from objstore.catalog.transaction import Transaction
from objstore.iam.context import Context
from objstore.iam.identities import accounts, entities, keys, names, principals
from objstore.iam.identities.records import Role, User

NOBODY: Final = "anonymous"
_PAGE: Final = 1000
# A session of a role that nobody has assumed.
_SESSION: Final = "anybody"


def named(context: Context, name: str) -> Principal:
    """The principal of a name. Raises NoSuchEntity; AccountProblem where its account is suspended."""
    if name == NOBODY:
        return ANONYMOUS
    found = next((one for one in context.users.everybody() if name in (one.arn, one.access_key)), None)
    if found is None:
        found = context.identities.read(lambda tx: _in_catalog(tx, context, name))
    if found is None:
        raise AwsError("NoSuchEntity", f"There is no principal {name}: give an ARN, an access key, or {NOBODY}.")
    return found


def _in_catalog(tx: Transaction, context: Context, name: str) -> Principal | None:
    key = keys.find(tx, name)
    if key is not None:
        return principals.of_key(tx, context.users, key)
    parts = names.split(name)
    if parts is None:
        return None
    account, kind, path, last = parts
    if kind == "root" and accounts.find(tx, account) is not None:
        return principals.of_root(tx, context.users, account)
    if kind == "user":
        user = entities.find(tx, User, account, last)
        return principals.of_user(tx, context.users, user) if user is not None else None
    if kind == "role":
        role = entities.find(tx, Role, account, last)
        return of_role(tx, context, role) if role is not None else None
    if kind == "assumed-role":
        role = entities.find(tx, Role, account, path.strip("/"))
        return of_role(tx, context, role, last) if role is not None else None
    return None


def of_role(tx: Transaction, context: Context, role: Role, session: str = _SESSION) -> Principal:
    """Whoever assumes a role, without a session policy. Raises AccountProblem."""
    return principals.of_role(tx, context.users, role, Session(name=session))


def everybody(context: Context) -> Iterator[Principal]:
    """The anonymous, root users, users with their service accounts, and roles. Who is suspended is left out."""
    configured = list(context.users.everybody())
    yield ANONYMOUS
    yield from configured
    known = {one.account for one in configured} | {names.SHARED}
    for account in [*sorted(known), *context.identities.read(lambda tx: _others(tx, known))]:
        root = account not in known
        yield from context.identities.read(lambda tx, a=account, r=root: list(_of_account(tx, context, a, root=r)))  # type: ignore[misc]


def _others(tx: Transaction, known: set[str]) -> list[str]:
    """Accounts of the catalog beside the known ones."""
    found: list[str] = []
    after = None
    while True:
        page = accounts.page(tx, after, _PAGE)
        found += [account.id for account in page.items if not account.suspended and account.id not in known]
        if page.next is None:
            return found
        after = page.next


def _of_account(tx: Transaction, context: Context, account: str, *, root: bool) -> Iterator[Principal]:
    if root:
        yield principals.of_root(tx, context.users, account)
    yield from _of_keys(tx, context, account, "")
    for user in entities.every(tx, User, account):
        if not user.suspended:
            yield principals.of_user(tx, context.users, user)
            yield from _of_keys(tx, context, account, user.id)
    for role in entities.every(tx, Role, account):
        yield of_role(tx, context, role)


def _of_keys(tx: Transaction, context: Context, account: str, owner: str) -> Iterator[Principal]:
    """The service accounts that a policy of their own narrows."""
    for key in keys.of_owner(tx, account, owner):
        if key.active and key.service is not None and key.service.policy is not None:
            found = principals.of_key(tx, context.users, key)
            if found is not None:
                yield found
