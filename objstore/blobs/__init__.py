"""Blobs: where bytes are. Erasure-coded containers over many drives, written once, that know nothing of S3.

A blob has a layout, `data + parity` drives and one shard file on each. Small and middling writes are packed into the
open blob of this process, many in one batch; a large one has a blob of its own. What is written is found again by an
*extent*, and the catalog, which is not known here, says what is alive: `Blobs` is given a lookup and tells what it
finds damaged.
"""

from objstore.blobs.blobs import Blobs

__all__ = ["Blobs"]
