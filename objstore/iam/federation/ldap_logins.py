"""What comes of a login at an LDAP server."""

from __future__ import annotations

from dataclasses import dataclass


class LdapError(Exception):
    """The directory could not be asked, or is not configured as it must be; the message is for the log."""


class LoginRefused(Exception):
    """There is no such user, more than one, or the password is wrong: which of them is nobody's business."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who logged in: the entry, the names of its groups, both as `normal` writes them, and what it calls itself."""

    dn: str
    groups: tuple[str, ...]
    username: str
