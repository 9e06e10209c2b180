# ruff: noqa: E501 - what is replaced is as long as it is
"""Bugs of `blobs/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "a write counts with one shard too few, where data equals parity",
        "objstore/blobs/geometry.py",
        "layout.data + 1 if layout.data == layout.parity",
        "layout.data if layout.data == layout.parity",
        ("tests/blobs/test_where.py", "tests/blobs/test_failing_writes.py"),
    ),
    Bug(
        "a stream counts with one shard less than the quorum",
        "objstore/blobs/container.py",
        "        if durable < self.quorum:\n",
        "        if durable < self.quorum - 1:\n",
        ("tests/blobs/test_failing_writes.py",),
    ),
    Bug(
        "a packed write counts with one shard less than the quorum",
        "objstore/blobs/packing.py",
        "            if blob.layout.width - len(failures) < blob.quorum:\n",
        "            if blob.layout.width - len(failures) < blob.quorum - 1:\n",
        ("tests/blobs/test_failing_writes.py",),
    ),
    Bug(
        "a batch that failed is missing from its last append on",
        "objstore/blobs/batches.py",
        "            blob.fail(shard, error, batch[0].offset)\n",
        "            blob.fail(shard, error, batch[-1].offset)\n",
        ("tests/blobs/test_failing_writes.py",),
    ),
    Bug(
        "what a drive did not take is not told",
        "objstore/blobs/container.py",
        "self.drive_ids, dict(self.missing), sealed",
        "self.drive_ids, {}, sealed",
        ("tests/blobs/test_failing_writes.py",),
    ),
    Bug(
        "a drive that is late counts as one that wrote",
        "objstore/blobs/quorum.py",
        '        return Late("", f"did not answer within {GRACE:g} s of the others")\n',
        "        return None\n",
        ("tests/blobs/test_failing_writes.py",),
    ),
    Bug(
        "a rebuilt shard is placed though it does not verify",
        "objstore/blobs/rebuild.py",
        "        if problems:\n            raise Unreadable(",
        "        if False:\n            raise Unreadable(",
        ("tests/blobs/test_healing.py",),
    ),
    Bug(
        "damage that a read meets is not reported",
        "objstore/blobs/shards.py",
        "        self._damaged(blob, shard, offset, reason)\n",
        "",
        ("tests/blobs/test_damage.py",),
    ),
    Bug(
        "bytes that were moved are looked for where they were",
        "objstore/blobs/directory.py",
        "            if not self.get(extent.blob).moved:\n                return extent\n",
        "            self.get(extent.blob)\n            return extent\n",
        ("tests/blobs/test_damage.py",),
    ),
    Bug(
        "a reader does not look for drives that have just joined",
        "objstore/blobs/shards.py",
        "            if self.pool.by_id(drive) is None:\n",
        "            if False:\n",
        ("tests/server/test_janitor.py",),
    ),
    Bug(
        "a shard that waits for repair is never read",
        "objstore/blobs/shards.py",
        "        usable = [s for s in range(len(info.drives)) if self.drive(info, s) is not None]\n",
        "        usable = [s for s in range(len(info.drives)) if info.has(s, offset) and self.drive(info, s) is not None]\n",
        ("tests/blobs/test_damage.py",),
    ),
    Bug(
        "a reader trusts shards that are known to lack its bytes",
        "objstore/blobs/types.py",
        "        return self.missing.get(shard, offset + 1) > offset\n",
        "        return self.missing.get(shard, offset + 1) >= 0\n",
        ("tests/blobs/test_failing_writes.py", "tests/blobs/test_healing.py"),
    ),
    Bug(
        "what a drive that is away keeps of a write that was given up is forgotten",
        "objstore/blobs/container.py",
        "        for shard in sorted({*failures, *self.failed}):",
        "        for shard in sorted({*failures, *self.failed} - {*failures}):",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "a record is one at any place",
        "objstore/blobs/records.py",
        "    return xxhash.xxh3_64_intdigest(body, xxhash.xxh3_64_intdigest(_PLACE.pack(blob, offset)))\n",
        "    return xxhash.xxh3_64_intdigest(body)\n",
        ("tests/blobs/test_healing.py",),
    ),
    Bug(
        "new blobs go to a drive that others wait for",
        "objstore/blobs/container.py",
        "        choice = prompt\n",
        "        pass\n",
        ("tests/faults/test_hanging.py",),
    ),
)
