"""Everybody who may vouch for others, as the configuration has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from objstore.iam.federation.issuers import Issuers

if TYPE_CHECKING:
    from objstore.iam.federation.ldap import Directory


@dataclass(frozen=True, slots=True)
class Federation:
    """The issuers of web identities, and the directory for logins by LDAP, None where there is none."""

    issuers: Issuers
    directory: Directory | None = None
