"""Bugs of `s3/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "a read goes on with what it looked up before it was told",
        "objstore/s3/objects_get.py",
        "        if not look_again(call, context):\n",
        "        if False:\n",
        ("tests/faults/test_reads.py",),
    ),
    Bug(
        "what is not any more what a caller may read is read nevertheless",
        "objstore/s3/objects_get.py",
        "            await authorise(call, context)",
        "            pass",
        ("tests/faults/test_reads.py",),
    ),
)
