"""Everything that is stored under the master key: who keeps such values adds how they are sealed anew.

A value that is missing here would be lost when the master key changes.
"""

from __future__ import annotations

from typing import Final

from objstore.iam.identities import keys
from objstore.kms import keyring
from objstore.kms.master import Resealer
from objstore.server import credentials

RESEALERS: Final[tuple[Resealer, ...]] = (keyring.reseal, keys.reseal, credentials.reseal)
