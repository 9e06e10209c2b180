"""Who asks, and with which key. A `Principal` walks with a request from the signature to the access check; a
`Credential` joins one access key and its secret to the principal it speaks for. The secret is never shown in a repr,
an error or a log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: canonical user id, display name and ARN; `access_key` is the key it signed with."""

    id: str
    name: str
    arn: str
    access_key: str | None = None
    is_root: bool = False
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """One access key, its secret, and the principal it speaks for."""

    access_key: str
    secret: str = field(repr=False)
    principal: Principal


Credentials: TypeAlias = Callable[[str], Credential | None]
"""Looks an access key id up; None when nobody has it."""

ANONYMOUS = Principal(
    id="65a011a29cdf8ec533ec3d1ccaae921c",  # the canonical user id that AWS shows for a caller without a signature
    name="",
    arn="*",
    anonymous=True,
)
