"""What every request handler is given beside the request: the store, the identities, and where this server stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from objstore.iam.destinations import Destinations
from objstore.store.lifecycle.rules import DAY

if TYPE_CHECKING:
    from objstore.aws.attempts import Attempts
    from objstore.iam.federation.federation import Federation
    from objstore.iam.identities.resolver import Identities
    from objstore.iam.users import Users
    from objstore.kms.envelopes import Envelopes
    from objstore.store.redundancy import Redundancy
    from objstore.store.store import Store
    from objstore.store.types import Version


@dataclass(frozen=True, slots=True)
class Context:
    """One for each worker process."""

    store: Store
    users: Users
    region: str = "us-east-1"
    object_ownership: str = ""  # of new buckets whose maker asks for none; "" leaves them without ownership controls
    envelopes: Envelopes = None  # type: ignore[assignment]  # tests without encryption leave it out
    keys_over_http: str = "loopback"  # from where customers' keys are taken without TLS: never, loopback, always
    identities: Identities = None  # type: ignore[assignment]  # tests of S3 alone leave it out
    lifecycle_day: float = DAY  # seconds
    events: Destinations = field(default_factory=Destinations)
    federation: Federation = None  # type: ignore[assignment]
    attempts: Attempts | None = None  # bounds wrong passwords, as it bounds wrong signatures
    redundancy: Callable[[Version], Redundancy] | None = None  # how safe the bytes of a whole version are now
