"""Every target, by name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    bodies,
    connections,
    documents,
    forms,
    grammars,
    policies,
    queries,
    requests,
    signatures,
    tokens,
)

TARGETS: dict[str, Target] = {
    one.TARGET.name: one.TARGET
    for one in (
        *(signatures, bodies, documents, forms, grammars),
        *(policies, tokens, queries, connections, requests),
    )
}
