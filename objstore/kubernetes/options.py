"""What `objstore operator` is told: on the command line or in the environment."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class OperatorOptions:
    """`namespace` is the operator's own: its Lease is there, and the provisioner's name begins with it."""

    namespace: str
    lease: str = "objstore-operator"
    identity: str = field(default_factory=socket.gethostname)
    health_address: str = "127.0.0.1:8081"
    workers: int = 8
    """Objects of one kind that are reconciled at the same time."""

    image: str = "objstore:latest"
    """The server's image, where an ObjectStore names none."""

    provisioners: tuple[str, ...] = ()
    """Further names by which StorageClasses ask for buckets, beside `<namespace>.objstore.io/bucket`."""

    allow_additional_config: str | None = None
    """The keys of additionalConfig that claims may have, by commas; None for those that do no harm."""

    recheck_s: float = 3600.0
    """Seconds, about, until what claims and users have at their stores is looked at again, in case somebody changed it
    there by hand; 0 for never."""
