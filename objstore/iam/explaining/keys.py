"""Condition keys of a request that nobody sent: what was given of it, and what is known without it.

Time, the owner and the tags of what is asked for, and who asks are known; addresses and headers are only where somebody
gave them, and a policy that looks at others is said to have done so.
"""

from __future__ import annotations

from collections.abc import Mapping

from objstore.iam.conditions import is_of_request
from objstore.iam.policy import Keys, Values


class KnownKeys:
    """Keys by lower-case name: `given` first, then what `derived` knows without a request."""

    def __init__(self, given: Mapping[str, Values], derived: Keys) -> None:
        self._given, self._derived = given, derived

    def get(self, name: str, /) -> Values | None:
        """The values of a key; None where it is not there, or nobody can know."""
        found = self._given.get(name)
        if found is not None:
            return found
        return None if is_of_request(name) else self._derived.get(name)
