"""How the configuration tells of an LDAP server."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec


class LdapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[ldap]` table of the configuration file. In filters `%s` is the name given, `%d` the user's entry."""

    url: str
    user_base: str
    user_filter: str = "(&(objectClass=inetOrgPerson)(uid=%s))"
    group_base: str = ""
    group_filter: str = "(&(objectClass=groupOfNames)(member=%d))"
    bind_dn: str = ""
    bind_password: str = ""
    starttls: bool = False
    ca_file: str | None = None
    account: str = "000000000000"

    def __repr__(self) -> str:
        return f"LdapSettings(url={self.url!r}, user_base={self.user_base!r})"

    def check(self) -> None:
        """Raises ValueError for what cannot be."""
        url = urlsplit(self.url)
        if url.scheme not in ("ldap", "ldaps") or not url.hostname:
            raise ValueError("ldap.url is ldap://HOST[:PORT] or ldaps://HOST[:PORT]")
        if "%s" not in self.user_filter or (self.group_base and "%d" not in self.group_filter):
            raise ValueError("ldap.user_filter needs %s for the name given, ldap.group_filter %d for the user's entry")
        if bool(self.bind_dn) != bool(self.bind_password):
            raise ValueError("ldap.bind_dn and bind_password (or OBJSTORE_LDAP_BIND_PASSWORD) go together")
