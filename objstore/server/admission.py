"""How many requests a worker serves at once. Each holds memory while it runs: of what is beyond, the client is told to
come again, which SDKs do by themselves, ever more slowly.
"""

from __future__ import annotations

from objstore.aws.errors import AwsError

RETRY_SECONDS = 1


class Admission:
    """Counts the requests that run in this process; `limit` is how many may."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.running = 0

    def refusal(self, *, crowded: bool = False) -> AwsError | None:
        """Why one more request cannot be served now: there are too many, or its connection is one too many."""
        if crowded or self.running >= self._limit:
            return AwsError("SlowDown", headers={"Retry-After": str(RETRY_SECONDS)})
        return None
