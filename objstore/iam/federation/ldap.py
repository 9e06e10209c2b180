"""Logins at an LDAP server: find the user, bind as the user, read its groups.

A search account finds the entry of the name that was given; the password is then tried by a bind as that entry, so the
store never sees what the directory keeps of it. Names go into filters escaped. Every step has a deadline, and so many
run at once and no more. The library blocks, so this runs on threads; it takes long to import, so this module is only
imported where there is a directory.
https://datatracker.ietf.org/doc/html/rfc4513
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidDnError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from objstore.iam.federation.ldap_logins import LdapError, Login, LoginRefused
from objstore.iam.federation.ldap_settings import LdapSettings

SECONDS: Final = 5  # for each step
MOST_AT_ONCE: Final = 8
MOST_GROUPS: Final = 200


def normal(dn: str) -> str:
    """A distinguished name as it is compared: attribute types and values in lower case, no blanks between parts.

    Raises ValueError for what is none.
    """
    try:
        parts = parse_dn(dn, escape=False, strip=True)
    except LDAPInvalidDnError as error:
        raise ValueError(f"{dn!r} is no distinguished name: {error}") from None
    if not parts:
        raise ValueError("an empty distinguished name names nobody")
    return ",".join(f"{kind.lower()}={value.lower()}" for kind, value, _ in parts)


class Directory:
    """The LDAP server of the configuration. Raises ValueError for settings that contradict themselves."""

    def __init__(self, settings: LdapSettings) -> None:
        self.settings = settings
        settings.check()
        url = urlsplit(settings.url)
        secure = url.scheme == "ldaps"
        tls = None
        if secure or settings.starttls:
            tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=settings.ca_file)
        self._server = ldap3.Server(
            url.hostname, port=url.port, use_ssl=secure, tls=tls, connect_timeout=SECONDS, get_info=ldap3.NONE
        )
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def login(self, username: str, password: str) -> Login:
        """Who logs in with that name and password. Raises LoginRefused, LdapError."""
        if not username or not password or "\0" in password:
            raise LoginRefused  # a bind without a password succeeds as nobody
        async with self._slots:
            return await asyncio.to_thread(self._login, username, password)

    def _login(self, username: str, password: str) -> Login:
        try:
            with self._searching() as searching:
                dn = self._user(searching, username)
                with self._bound(dn, password):
                    pass
                return Login(normal(dn), self._groups(searching, dn), username)
        except LDAPException as error:
            raise LdapError(f"{type(error).__name__}: {error}") from None

    @contextmanager
    def _searching(self) -> Iterator[Any]:
        try:
            bound = self._bound(self.settings.bind_dn, self.settings.bind_password)
            searching = bound.__enter__()
        except LoginRefused:
            raise LdapError("the search account of the settings may not bind") from None
        try:
            yield searching
        finally:
            bound.__exit__(None, None, None)

    @contextmanager
    def _bound(self, dn: str, password: str) -> Iterator[Any]:
        connection = ldap3.Connection(
            self._server,
            user=dn or None,
            password=password or None,
            authentication=ldap3.SIMPLE if dn else ldap3.ANONYMOUS,
            receive_timeout=SECONDS,
            auto_referrals=False,
            read_only=True,
        )
        try:
            connection.open()
            if self.settings.starttls and not connection.start_tls():
                raise LdapError("the server does not start TLS")
            if not connection.bind():
                code = connection.result["description"]
                raise LoginRefused if code in ("invalidCredentials", "noSuchObject") else LdapError(f"bind: {code}")
            yield connection
        finally:
            connection.unbind()

    def _user(self, searching: Any, username: str) -> str:
        chosen = self.settings.user_filter.replace("%s", escape_filter_chars(username))
        searching.search(self.settings.user_base, chosen, attributes=ldap3.NO_ATTRIBUTES, size_limit=2)
        found = [entry["dn"] for entry in searching.response or () if entry["type"] == "searchResEntry"]
        if len(found) != 1:
            raise LoginRefused
        return str(found[0])

    def _groups(self, searching: Any, dn: str) -> tuple[str, ...]:
        if not self.settings.group_base:
            return ()
        chosen = self.settings.group_filter.replace("%d", escape_filter_chars(dn))
        searching.search(self.settings.group_base, chosen, attributes=ldap3.NO_ATTRIBUTES, size_limit=MOST_GROUPS)
        return tuple(
            sorted(normal(entry["dn"]) for entry in searching.response or () if entry["type"] == "searchResEntry")
        )
