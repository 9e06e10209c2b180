# ruff: noqa: E501 - what is replaced is as long as it is
"""The bugs. Each replaces one place of a file, which must be there exactly once, and names who should notice."""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """`old` in `file` becomes `new`; `tests` are what pytest is given."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


DURABLE = "tests/faults/test_power_loss.py::test_an_acknowledged_write_is_durable_at_once"
HEALED = "tests/faults/test_power_loss.py::test_a_healed_shard_is_durable"
STOPPED = "tests/faults/test_power_loss.py::test_a_power_loss_after_a_clean_stop_leaves_the_catalog_whole"
STARTED = "tests/faults/test_power_loss.py::test_a_first_start_that_is_cut_short_is_finished"
LOST = "tests/faults/test_power_loss.py::test_losing_power_while_a_member_is_replaced"

STEADY = "tests/catalog/test_steady.py"

DRIVES = (
    Bug(
        "an append is acknowledged without a sync of its file",
        "objstore/drives/shardfiles.py",
        "                self._system.fdatasync(file.fd)\n",
        "                pass\n",
        (DURABLE,),
    ),
    Bug(
        "the folder of a new shard file is not synced",
        "objstore/drives/shardfiles.py",
        "                self._system.fsync(fd)\n                self._sync_shard_folder(path)\n",
        "                self._system.fsync(fd)\n",
        (DURABLE,),
    ),
    Bug(
        "the parent of a new shard folder is not synced",
        "objstore/drives/shardfiles.py",
        '            self._sync_folder(f"{self._root}/{SHARDS}")\n',
        "",
        (DURABLE,),
    ),
    Bug(
        "a stream is finished without a sync",
        "objstore/drives/shardfiles.py",
        "        self._system.ftruncate(file.fd, length)\n        if self._strict:\n            self._system.fsync(file.fd)\n",
        "        self._system.ftruncate(file.fd, length)\n",
        (DURABLE,),
    ),
    Bug(
        "a healed shard gets its name without a sync of the folder",
        "objstore/drives/shardfiles.py",
        "        self._system.rename(self.path(temporary), path)\n        if self._strict:\n            self._sync_shard_folder(path)\n",
        "        self._system.rename(self.path(temporary), path)\n",
        (HEALED,),
    ),
    Bug(
        "the error of a sync is swallowed",
        "objstore/drives/appends.py",
        "            _fail(by_file[key], explain(error, key))\n",
        "            explain(error, key)\n",
        ("tests/drives/test_faults.py",),
    ),
    Bug(
        "the error of a write is swallowed",
        "objstore/drives/appends.py",
        "            _fail(some, explain(error, key))\n",
        "            explain(error, key)\n",
        ("tests/drives/test_faults.py",),
    ),
    Bug(
        "a short write is not continued",
        "objstore/drives/shardfiles.py",
        "        while written < left:\n",
        "        while written < 0:\n",
        ("tests/drives/test_shards.py", "tests/drives/test_appends.py"),
    ),
    Bug(
        "an append to a file that was unlinked succeeds",
        "objstore/drives/shardfiles.py",
        "        if self._system.fstat(file.fd).st_nlink == 0:\n            self.forget(key)\n            raise FileNotFoundError(",
        "        if False:\n            self.forget(key)\n            raise FileNotFoundError(",
        ("tests/drives/test_faults.py",),
    ),
    Bug(
        "an append counts on a folder that is not the drive any more",
        "objstore/drives/drive.py",
        "        appends.perform(self.system, self._files, jobs, self.explain)\n        try:\n            self.confirm()\n",
        "        appends.perform(self.system, self._files, jobs, self.explain)\n        try:\n            pass\n",
        ("tests/drives/test_faults.py",),
    ),
    Bug(
        "a small file is replaced without a sync",
        "objstore/drives/format.py",
        "        system.fsync(fd)\n    finally:\n        os.close(fd)\n    system.rename(beside, path)\n",
        "    finally:\n        os.close(fd)\n    system.rename(beside, path)\n",
        (STARTED, LOST),
    ),
    Bug(
        "a small file is replaced without a sync of its folder",
        "objstore/drives/format.py",
        "    system.rename(beside, path)\n    sync_file(path.parent, system)\n",
        "    system.rename(beside, path)\n",
        (STARTED, LOST),
    ),
    Bug(
        "an older ballot replaces a later one",
        "objstore/drives/format.py",
        "(known.epoch > ballot.epoch or",
        "(known.epoch > ballot.epoch + 1 or",
        ("tests/drives/test_format.py",),
    ),
    Bug(
        "half of the drives are a quorum",
        "objstore/drives/pool.py",
        "    return max(drives - parity, drives // 2 + 1)\n",
        "    return max(drives - parity, drives // 2)\n",
        ("tests/drives/test_pool.py",),
    ),
    Bug(
        "a copy of a drive is taken for the drive",
        "objstore/drives/inspection.py",
        "    if twins:\n",
        "    if len(twins) > 1:\n",
        ("tests/drives/test_inspection.py",),
    ),
    Bug(
        "a read gives less than was asked for",
        "objstore/drives/shardfiles.py",
        "        if len(data) < length:\n            raise ShardShort(",
        "        if len(data) < 0:\n            raise ShardShort(",
        ("tests/drives/test_shards.py",),
    ),
)

BLOBS = (
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
        "space that was given back is taken for damage",
        "objstore/store/reports.py",
        "if append_alive(tx, blob, offset) and mark_missing(tx, blob, shard)",
        "if mark_missing(tx, blob, shard)",
        ("tests/store/test_reports.py",),
    ),
    Bug(
        "bytes that were moved are looked for where they were",
        "objstore/blobs/directory.py",
        "            if not self.get(extent.blob).moved:\n                return extent\n",
        "            self.get(extent.blob)\n            return extent\n",
        ("tests/blobs/test_damage.py",),
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
        "space is given back while a read that began before still runs",
        "objstore/jobs/reap.py",
        "    since = now if oldest_read is None else min(",
        "    since = now if oldest_read is None or True else min(",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "a blob is settled as soon as it is sealed",
        "objstore/jobs/reap.py",
        "repair.settling(tx, horizon(now, grace_seconds, None))",
        "repair.settling(tx, now)",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "a blob with nothing alive is unlinked before it is settled",
        "objstore/store/repair.py",
        '    row = tx.one("SELECT sealed AND settling IS NULL FROM blobs WHERE id = ?", blob_id)\n',
        '    row = tx.one("SELECT sealed FROM blobs WHERE id = ?", blob_id)\n',
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "an append is published in a blob that is gone",
        "objstore/store/extents.py",
        "    return not info.sealed if row is None else bool(row[0])\n",
        "    return False\n",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "files of a living writer are taken for orphans",
        "objstore/jobs/seal.py",
        "for blob, index, _, _ in files if not lives(instance_of(blob))]",
        "for blob, index, _, _ in files]",
        ("tests/jobs/test_seal.py",),
    ),
    Bug(
        "a heal counts though bytes were appended meanwhile",
        "objstore/store/repair.py",
        "    if any(append.offset not in offsets for append in appends(tx, blob_id)):\n        return False\n",
        "",
        ("tests/store/test_repair.py",),
    ),
)

CATALOG = (
    Bug(
        "the catalog does not sync its log",
        "objstore/catalog/mirror.py",
        '"full" if strict else "normal"',
        '"normal"',
        (DURABLE,),
    ),
    Bug(
        "relaxed durability lets a power loss damage the catalog",
        "objstore/catalog/mirror.py",
        '"full" if strict else "normal"',
        '"full" if strict else "off"',
        (STOPPED,),
    ),
    Bug(
        "a reader that closes last does not sync",
        "objstore/catalog/readers.py",
        "    connection = connect(path, strict=strict, cache_kib=_CACHE_KIB)\n",
        '    connection = connect(path, strict=strict, cache_kib=_CACHE_KIB)\n    connection.pragma("synchronous", "off")\n',
        (STOPPED,),
    ),
    Bug(
        "a copy of a mirror gets its name before it is synced",
        "objstore/catalog/copying.py",
        "    sync_file(beside, system)\n",
        "",
        (STARTED, LOST),
    ),
    Bug(
        "a member that does not commit is not voted out",
        "objstore/catalog/engine.py",
        "            members.vote_out({mirror.id: failure for mirror, failure in failures.items()})\n        if failures",
        "            pass\n        if failures",
        ("tests/catalog/test_faults.py",),
    ),
    Bug(
        "a leader that does not commit is acknowledged",
        "objstore/catalog/engine.py",
        "            members.vote_out({leader.id: failures[leader]})\n",
        "            pass\n",
        ("tests/catalog/test_faults.py",),
    ),
    Bug(
        "readers hear of a change of a bucket when it is visible already",
        "objstore/catalog/engine.py",
        "    with members.shared.changing(batch.unsteady):\n        _publish(members, leader, others, step)\n",
        "    _publish(members, leader, others, step)\n    with members.shared.changing(batch.unsteady):\n        pass\n",
        (STEADY,),
    ),
    Bug(
        "what is read while a bucket is being changed is kept",
        "objstore/catalog/readers.py",
        " or last.edition != edition or edition % 2:",
        " or last.edition != edition:",
        (STEADY,),
    ),
    Bug(
        "a function is given some of before and some of after a change",
        "objstore/catalog/readers.py",
        "            if turn.edition == self._shared.edition:\n                return result\n",
        "            return result\n",
        (STEADY,),
    ),
    Bug(
        "a function that raised leaves what it wrote",
        "objstore/catalog/session.py",
        '            self._end("ROLLBACK TO call")\n',
        "            self._end()\n",
        ("tests/catalog/test_transactions.py",),
    ),
    Bug(
        "a function that raised is replayed on the other members",
        "objstore/catalog/session.py",
        "            del self.statements[mark:]\n            self.changed = before\n",
        "",
        ("tests/catalog/test_transactions.py",),
    ),
    Bug(
        "a member that stands elsewhere is committed to",
        "objstore/catalog/mirror.py",
        "        if self.connection.changes() != 1:\n            raise OutOfStep(",
        "        if False:\n            raise OutOfStep(",
        ("tests/catalog/test_faults.py",),
    ),
    Bug(
        "a commit counts in a file that is not at the path any more",
        "objstore/catalog/mirror.py",
        "            self.rollback()\n            raise\n        self.check()\n",
        "            self.rollback()\n            raise\n",
        ("tests/catalog/test_faults.py",),
    ),
    Bug(
        "a log is replayed on a mirror of another history",
        "objstore/catalog/replaying.py",
        "    if places[-1].chain != there.chain:",
        "    if False:",
        ("tests/catalog/test_redo.py",),
    ),
    Bug(
        "the epoch of a transaction is not in the chain",
        "objstore/catalog/redo.py",
        ' + epoch.to_bytes(8, "big") + packed)',
        " + packed)",
        ("tests/catalog/test_misread_logs.py",),
    ),
    Bug(
        "a mirror on which a transaction changes other rows is committed to",
        "objstore/catalog/mirror.py",
        "        if (changed := self.connection.total_changes() - total) != step.changed:",
        "        if (changed := 0):",
        ("tests/catalog/test_contradictions.py",),
    ),
    Bug(
        "a leader that most others contradict is believed",
        "objstore/catalog/engine.py",
        "    if voices < agreeing or (",
        "    if voices or (",
        ("tests/catalog/test_contradictions.py",),
    ),
    Bug(
        "of two mirrors that hold something else the leader is believed, whatever its own counts say",
        "objstore/jobs/mirror_checks.py",
        "        return min(drives, key=lambda drive: _faults(by_drive[drive]))",
        "        return drives[0]",
        ("tests/faults/test_stale_pages.py::test_any_page_may_be_an_old_one",),
    ),
    Bug(
        "mirrors that contradict each other are not compared before their day",
        "objstore/server/janitor.py",
        "        if catalog.doubted or (",
        "        if (",
        ("tests/faults/test_damaged_mirrors.py::test_two_mirrors_that_contradict_each_other",),
    ),
    Bug(
        "mirrors are not compared by themselves",
        "objstore/server/janitor.py",
        "        if catalog.doubted or (due and self._node.read_only_reason() is None):",
        "        if catalog.doubted:",
        ("tests/faults/test_damaged_mirrors.py::test_mirrors_are_compared_every_day",),
    ),
    Bug(
        "mirrors are asked at different transactions",
        "objstore/catalog/sampling.py",
        "        if places[0] == places[1]:\n",
        "        if places:\n",
        ("tests/catalog/test_contradictions.py",),
    ),
    Bug(
        "an answer that differs is told nobody",
        "objstore/catalog/sampling.py",
        "            self._shared.doubt()\n",
        "            pass\n",
        ("tests/catalog/test_contradictions.py",),
    ),
    Bug(
        "an object is put over whatever is there",
        "objstore/store/versions.py",
        'era = ?, record = ? WHERE bucket = ? AND key = ? AND ord = ?"',
        'era = ?, record = ? WHERE bucket = ? AND key = ? AND ? > 0"',
        ("tests/faults/test_damaged_mirrors.py::test_two_mirrors_that_contradict_each_other",),
    ),
    Bug(
        "the checksum of a record is not looked at",
        "objstore/catalog/records.py",
        "    if xxh3_64_digest(body) != record[:_CHECKSUM]:\n",
        "    if False:\n",
        ("tests/catalog/test_records.py",),
    ),
    Bug(
        "a ballot is in force with one drive less than the quorum",
        "objstore/catalog/ballots.py",
        ">= write_quorum(len(one.drives), one.parity)",
        "+ 1 >= write_quorum(len(one.drives), one.parity)",
        ("tests/catalog/test_ballots.py",),
    ),
    Bug(
        "another parity takes effect by its own quorum alone",
        "objstore/catalog/ballots.py",
        "changed = (set(new.drives), new.parity) != (set(own.drives), own.parity)",
        "changed = set(new.drives) != set(own.drives)",
        ("tests/catalog/test_electorates.py",),
    ),
    Bug(
        "a drive that lacks its latest shards is believed",
        "objstore/jobs/doubts.py",
        "        if not there:\n",
        "        if False:\n",
        ("tests/faults/test_wrong_drives.py::test_a_drive_with_the_shards_of_another_is_looked_through",),
    ),
    Bug(
        "an old copy of a drive is believed at a start",
        "objstore/jobs/doubts.py",
        "one.ballot.epoch < latest.epoch",
        "one.ballot.epoch > latest.epoch",
        ("tests/faults/test_wrong_drives.py::test_an_old_copy_of_a_drive_is_looked_through",),
    ),
    Bug(
        "an epoch is promised twice",
        "objstore/catalog/ballots.py",
        "_promised(path, system)) >= epoch:\n",
        "_promised(path, system)) > epoch:\n",
        ("tests/catalog/test_ballots.py",),
    ),
    Bug(
        "a start needs one drive too few",
        "objstore/catalog/ballots.py",
        "start_quorum_of(len(electorate.drives), electorate.parity)\n",
        "start_quorum_of(len(electorate.drives), electorate.parity) - 1\n",
        ("tests/catalog/test_ballots.py",),
    ),
    Bug(
        "the member that is furthest behind is the one to follow",
        "objstore/catalog/members.py",
        "        furthest = max(",
        "        furthest = min(",
        ("tests/catalog/test_faults.py",),
    ),
    Bug(
        "the condition of a write is looked at outside of the transaction only",
        "objstore/store/objects.py",
        "    check_write(given, key, there.current)\n    version = versions.put(",
        "    version = versions.put(",
        ("tests/store/test_on_drives.py",),
    ),
    Bug(
        "a copy shares bytes without counting",
        "objstore/store/extents.py",
        '    sql = "UPDATE extents SET refs = refs + 1 WHERE blob = ? AND offset = ?"\n',
        '    sql = "UPDATE extents SET refs = refs + 0 WHERE blob = ? AND offset = ?"\n',
        ("tests/store/test_meaning.py",),
    ),
    Bug(
        "a shard that lacks more is taken to lack less",
        "objstore/store/extents.py",
        "(missing IS NULL OR missing > ?)",
        "(missing IS NULL OR missing < ?)",
        ("tests/store/test_repair.py",),
    ),
    Bug(
        "a blob that died counts for ever as one of its parity",
        "objstore/store/extents.py",
        "SET blobs = blobs - 1 WHERE",
        "SET blobs = blobs - 0 WHERE",
        ("tests/store/test_redundancy.py",),
    ),
    Bug(
        "drives may fail though shards of a blob are missing",
        "objstore/store/redundancy.py",
        "min(blobs.parity - shards)",
        "min(blobs.parity)",
        ("tests/store/test_redundancy.py",),
    ),
    Bug(
        "waiting for another is taken for work",
        "objstore/jobs/pace.py",
        "        self._stop()\n        async with lock:\n            self.begin()\n            yield\n",
        "        async with lock:\n            yield\n",
        ("tests/jobs/test_pace.py",),
    ),
    Bug(
        "usage forgets the bytes",
        "objstore/store/usage.py",
        "bytes = bytes + ? WHERE",
        "bytes = bytes + 0 * ? WHERE",
        ("tests/store/test_meaning.py",),
    ),
)

BUGS = (*DRIVES, *BLOBS, *CATALOG)
