"""Where events may be sent: the targets that the configuration names, and addresses that the allow-list permits."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from objstore.outbound.addresses import AllowList
from objstore.targets.settings import TargetEntry, named


class Destinations:
    """What a bucket's notification configuration may name beside topics, and where a topic's subscribers may be."""

    def __init__(self, entries: Collection[TargetEntry] = (), outbound: Collection[str] = ()) -> None:
        self._targets = {(entry.id, entry.kind) for entry in entries}
        self._outbound = AllowList(outbound)

    def has(self, arn: str) -> bool:
        """Whether the configuration names a target of that ARN."""
        return named(arn) in self._targets

    def may_reach(self, host: str) -> bool:
        """Whether a host is listed, as far as its name tells; what it resolves to is judged when it is called."""
        try:
            return self._outbound.permits(host, ipaddress.ip_address(host))
        except ValueError:
            return self._outbound.names(host) or self._outbound.lists_networks
