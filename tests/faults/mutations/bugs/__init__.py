"""The bugs, a table for each room. Each replaces one place of a file, which must be there exactly once, and names who
should notice."""

from __future__ import annotations

from tests.faults.mutations.bugs import blobs, catalog, drives, erasure, jobs, s3, server, store
from tests.faults.mutations.bugs.bug import Bug

BUGS: tuple[Bug, ...] = (
    *erasure.BUGS,
    *drives.BUGS,
    *blobs.BUGS,
    *catalog.BUGS,
    *store.BUGS,
    *jobs.BUGS,
    *s3.BUGS,
    *server.BUGS,
)
