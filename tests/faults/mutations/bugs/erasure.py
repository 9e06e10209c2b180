"""Bugs of `erasure/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "the hash of a frame is not looked at",
        "erasure/frames.py",
        "        if view[position:start] != frame_hash(payload, blob_id, index, at):\n",
        "        if view[position:start] == b'':\n",
        ("tests/erasure/test_bitrot.py",),
    ),
    Bug(
        "the hash of a frame does not say where it belongs",
        "erasure/frames.py",
        "_PLACE.pack(blob_id, index, offset)",
        "_PLACE.pack(blob_id, index, 0)",
        ("tests/erasure/test_bitrot.py",),
    ),
)
