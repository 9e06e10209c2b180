"""Who a key speaks for, and what they may do: what each request asks, answered from memory.

What was read of the catalog is kept until the counter of changes moves (see `generation`), which is looked at once for
each request: a point read. Secrets that were opened are kept in memory with it, some thousands at most.
"""

from __future__ import annotations

import hmac
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from objstore.aws.errors import AwsError
from objstore.aws.principal import Credential, Principal, Session
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import accounts, entities, generation, keys, managed, principals, sessions
from objstore.iam.identities.grants import NOTHING, grants_of
from objstore.iam.identities.records import AccessKey, KeyUse, Role, User
from objstore.iam.identities.sessions import Origin, Record
from objstore.iam.policy import Grants
from objstore.iam.users import Users
from objstore.kms.master import MasterKey
from objstore.store.types import Owner

if TYPE_CHECKING:
    from objstore.catalog.catalog import Catalog

T = TypeVar("T")

MOST_KEPT: Final = 10_000
_FLUSH_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


class Identities:
    """Identities of one process. `clock` gives Unix seconds."""

    def __init__(
        self, catalog: Catalog, master: MasterKey, users: Users, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._catalog = catalog
        self.master = master
        self.users = users
        self.clock = clock
        self._generation = -1
        self._credentials: dict[str, tuple[Credential, float | None]] = {}
        self._sessions: dict[str, tuple[Credential, float, str]] = {}
        self.tokens = sessions.Tokens(master)
        self._grants: dict[str, Grants] = {}
        self._uses: dict[str, KeyUse] = {}
        self._flushed = clock()
        users.elsewhere = self

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a transaction function that changes identities; whoever looks after it sees the change."""

        def run(tx: Transaction) -> T:
            result = function(tx)
            generation.advance(tx)
            return result

        return await self._catalog.write(run)

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads."""
        return self._catalog.read(function)

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return int(self.clock() * 1_000_000)

    # keys

    def credential(self, access_key: str) -> Credential | None:
        """The key, its secret and whom it speaks for; None for a key that is unknown, inactive or past its end, and for
        one of a user who is suspended. Raises AccountProblem where the account is."""
        self._follow()
        found = self.users.credential(access_key)
        if found is not None:
            return found
        kept = self._credentials.get(access_key)
        if kept is None:
            kept = self._catalog.read(lambda tx: self._read_credential(tx, access_key))
            if kept is None:
                return None
            _keep(self._credentials, access_key, kept)
        credential, end = kept
        return credential if end is None or self.clock() < end else None

    def end_of(self, access_key: str) -> float | None:
        """When a key of the catalog ends, in Unix seconds; None for one that does not."""
        key = self._catalog.read(lambda tx: keys.find(tx, access_key))
        return None if key is None else _end(key)

    def _read_credential(self, tx: Transaction, access_key: str) -> tuple[Credential, float | None] | None:
        key = keys.find(tx, access_key)
        if key is None or not key.active:
            return None
        principal = principals.of_key(tx, self.users, key)
        if principal is None:
            return None
        return Credential(key.id, keys.unseal(self.master, key), principal), _end(key)

    # sessions

    def session(self, access_key: str, token: str) -> Credential | None:
        """The session of an access key and its token. Raises InvalidToken for one that is none or whose role, user or
        key is gone, ExpiredToken past its end, AccountProblem where the account is suspended."""
        self._follow()
        kept = self._sessions.get(access_key)
        if kept is None or not hmac.compare_digest(kept[2].encode(), token.encode("utf-8", "replace")):
            record = self.tokens.open(access_key, token)
            self._require_current(record.expires)
            found = self._catalog.read(lambda tx: self._session_principal(tx, record))
            if found is None:
                raise AwsError("InvalidToken")
            principal, end = replace(found[0], access_key=access_key), min(float(record.expires), found[1] or math.inf)
            kept = Credential(access_key, self.tokens.secret(access_key), principal), end, token
            _keep(self._sessions, access_key, kept)
        self._require_current(kept[1])
        return kept[0]

    def _require_current(self, expires: float) -> None:
        if self.clock() >= expires:
            raise AwsError("ExpiredToken")

    def _session_principal(self, tx: Transaction, record: Record) -> tuple[Principal, float | None] | None:
        """Whom a session speaks for, and the end of what it came from, where that has one."""
        session = Session(
            record.issued,
            record.expires,
            record.name,
            narrowing(tx, record),
            record.keys,
            record.source_identity,
            record.federated,
            transitive=record.transitive,
            groups=record.groups,
        )
        match record.origin:
            case Origin.ROLE:
                role = entities.by_id(tx, Role, record.subject)
                if role is None:
                    return None
                return principals.of_role(tx, self.users, role, session, record.tags, record.maker), None
            case Origin.KEY:
                base = self.users.credential(record.subject)
                found = (base, None) if base is not None else self._read_credential(tx, record.subject)
                return None if found is None else (_of_key(found[0].principal, session), found[1])
            case Origin.ACCOUNT:
                root = principals.of_root(tx, self.users, record.account)
                return replace(root, session=session, is_root=root.is_root and session.policies is None), None
            case Origin.LDAP:
                return principals.of_login(tx, self.users, record.account, record.subject, session), None

    # policies

    def grants(self, principal: Principal) -> Grants:
        """The policies in force for a caller, as `credential` last found the catalog; remembered by its access key."""
        if principal.anonymous or principal.access_key is None:
            return self.grants_now(principal)
        found = self._grants.get(principal.access_key)
        if found is None:
            found = self.grants_now(principal)
            _keep(self._grants, principal.access_key, found)
        return found

    def grants_now(self, principal: Principal) -> Grants:
        """The same for whoever does not ask in person, such as a principal whose rights are explained."""
        if principal.anonymous:
            return NOTHING
        administers = self.users.administers(principal)
        return self.read(lambda tx: grants_of(tx, principal, administers=administers))

    def _follow(self) -> None:
        current = self._catalog.read(generation.current)
        if current != self._generation:
            self._credentials.clear()
            self._sessions.clear()
            self._grants.clear()
            self._generation = current

    # when keys were used

    def used(self, access_key: str, service: str, region: str) -> None:
        """Note that a key of the catalog was used now; entered with the next `flush`."""
        if access_key in self._credentials:
            self._uses[access_key] = KeyUse(self.now_us(), service, region)

    async def flush(self, *, at_once: bool = False) -> None:
        """Enter when keys were last used, a minute's worth in one transaction that changes no identity."""
        if not self._uses or (not at_once and self.clock() - self._flushed < _FLUSH_SECONDS):
            return
        self._flushed = self.clock()
        uses, self._uses = self._uses, {}
        try:
            await self._catalog.write(lambda tx: keys.enter_uses(tx, uses))
        except CatalogError as error:
            self._uses = uses | self._uses
            log.info("uses of access keys wait to be entered: %s", error)

    def last_use(self, access_key: str) -> KeyUse | None:
        """When a key was last used; what this process has not entered yet goes first."""
        return self._uses.get(access_key) or self.read(lambda tx: keys.last_use(tx, access_key))

    # accounts

    def by_id(self, canonical_id: str) -> Owner | None:
        """The account of a canonical id in the catalog, or the user of a unique id, to whom Ceph grants as well."""
        return self.read(lambda tx: _grantee(tx, canonical_id))

    def by_email(self, email: str) -> Owner | None:
        """The owner of an email address, among the accounts of the catalog."""
        found = self.read(lambda tx: accounts.by_email(tx, email))
        return Owner(found.canonical, found.name) if found is not None else None

    def account_of(self, canonical_id: str) -> str | None:
        """The id of the account that owns as that canonical user id; None when there is none."""
        known = self.users.account_of(canonical_id)
        if known is not None:
            return known
        found = self.read(lambda tx: accounts.by_canonical(tx, canonical_id))
        return found.id if found is not None else None

    def account_owner(self, account: str) -> Owner:
        """Whom what an account makes belongs to. Raises AccountProblem for one that is suspended or not there."""
        return self.read(lambda tx: principals.owner(tx, self.users, account))

    def account_created_us(self, account: str) -> int:
        """When an account was made; 0 for one of the configuration."""
        found = self.read(lambda tx: accounts.find(tx, account))
        return found.created_us if found is not None else 0

    def is_account(self, account: str) -> bool:
        """Whether there is an account of that id."""
        return self.users.account_root(account) is not None or bool(self.read(lambda tx: accounts.find(tx, account)))


def narrowing(tx: Transaction, record: Record) -> tuple[str, ...] | None:
    """The documents that narrow a session; a managed policy among them that is gone allows nothing."""
    if record.policies is None and not record.arns:
        return None
    found = (managed.document_of(tx, arn) for arn in record.arns)
    return (*(record.policies or ()), *(document for document in found if document is not None))


def _of_key(principal: Principal, session: Session) -> Principal:
    """A session of who has a key; of one that is narrowed itself it stays so."""
    own = principal.session
    return replace(principal, session=session if own is None else replace(session, policies=own.policies))


def _grantee(tx: Transaction, unique: str) -> Owner | None:
    account = accounts.by_canonical(tx, unique)
    if account is not None:
        return Owner(account.canonical, account.name)
    user = entities.by_id(tx, User, unique)
    return Owner(user.id, user.name) if user is not None else None


def _end(key: AccessKey) -> float | None:
    return key.service.expires_us / 1_000_000 if key.service is not None and key.service.expires_us else None


def _keep(kept: dict[str, Any], name: str, value: Any) -> None:
    """Remember, and forget what was remembered first where there is too much."""
    while len(kept) >= MOST_KEPT:
        del kept[next(iter(kept))]
    kept[name] = value
