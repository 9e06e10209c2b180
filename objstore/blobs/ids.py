"""Names of blobs: 16 bytes = 6 of time (milliseconds, big endian) + 4 of the instance + 6 random.

An *instance* is one life of one worker process. Its tag in the id lets a start seal and collect what the instances of
earlier lives left open, without asking anybody; the time makes ids sort by age.
"""

import os
import time

ID_BYTES = 16
INSTANCE_BYTES = 4


def new_instance() -> bytes:
    """A tag for this process life."""
    return os.urandom(INSTANCE_BYTES)


def new_blob_id(instance: bytes) -> bytes:
    """A fresh id of a blob written by `instance`."""
    assert len(instance) == INSTANCE_BYTES, "an instance tag has four bytes"
    return int(time.time() * 1000).to_bytes(6, "big") + instance + os.urandom(6)


def instance_of(blob_id: bytes) -> bytes:
    """The tag of the instance that made this blob."""
    return blob_id[6:10]


def created_ms(blob_id: bytes) -> int:
    """Milliseconds since 1970 at which the blob was named."""
    return int.from_bytes(blob_id[:6], "big")
