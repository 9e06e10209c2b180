"""Conditions, as Kubernetes' own kinds have them: one aspect each, with the time at which it last changed.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from objstore.kubernetes.kinds import Body


class Condition(NamedTuple):
    """One aspect; `holds` is None where it is not known. `reason` is one CamelCase word."""

    type: str
    holds: bool | None
    reason: str
    message: str


def written(before: Iterable[Body], now: Sequence[Condition], generation: int) -> list[dict[str, Any]]:
    """The conditions of `now` for a status: a time of transition stays where the condition holds, or does not, as it
    did."""
    known = {one["type"]: one for one in before}
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = []
    for one in now:
        status = {True: "True", False: "False", None: "Unknown"}[one.holds]
        last = known.get(one.type, {})
        made.append(
            {
                "type": one.type,
                "status": status,
                "reason": one.reason,
                "message": one.message[:32_768],
                "observedGeneration": generation,
                "lastTransitionTime": last["lastTransitionTime"] if last.get("status") == status else stamp,
            }
        )
    return made
