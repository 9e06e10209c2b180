"""Bugs of `jobs/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "a drive takes shards before it has its vote",
        "objstore/jobs/membership.py",
        "        slot.draining = all(drive not in one.drives for one in ballot.electorates)\n",
        "",
        ("tests/faults/test_joining.py::test_a_drive_takes_nothing_before_it_has_its_vote",),
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
        "settling.due(tx, horizon(now, grace_seconds, None))",
        "settling.due(tx, now)",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "space is given back of a shard that is just being made",
        "objstore/jobs/reap.py",
        "    async with placing or asyncio.Lock():\n",
        "    async with asyncio.Lock():\n",
        ("tests/jobs/test_heal.py",),
    ),
    Bug(
        "a shard is placed on another drive before that can be known",
        "objstore/jobs/heal.py",
        "    if drive != info.drives[missing.shard]:\n",
        "    if drive == info.drives[missing.shard]:\n",
        ("tests/jobs/test_heal.py",),
    ),
    Bug(
        "a shard is exchanged in its place before that can be known",
        "objstore/jobs/heal.py",
        "    elif info.missing[missing.shard]:  # of",
        "    elif not info.missing[missing.shard]:  # of",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "an old copy of a drive keeps what was given back since",
        "objstore/jobs/census.py",
        "await here.punch(blob, index, dead)",
        "await here.punch(blob, index, dead[:0])",
        ("tests/jobs/test_census.py",),
    ),
    Bug(
        "files of a living writer are taken for orphans",
        "objstore/jobs/seal.py",
        "for blob, _ in files} if lives(instance)}",
        "for blob, _ in files} if not lives(instance)}",
        ("tests/jobs/test_seal.py",),
    ),
    Bug(
        "something is removed for good while the outcome of a commit is not known",
        "objstore/catalog/catalog.py",
        "        await self.settled()\n",
        "",
        ("tests/catalog/test_lost_drives.py",),
    ),
    Bug(
        "what may be removed for good is asked of one mirror",
        "objstore/catalog/catalog.py",
        "        agreed = set.intersection(*answers)\n",
        "        agreed = answers[0]\n",
        ("tests/faults/test_stale_pages.py::test_nothing_is_removed_because_of_an_old_page",),
    ),
    Bug(
        "what was moved and may not have been published is forgotten",
        "objstore/jobs/compact.py",
        "        blobs.unpublished(written)\n",
        "",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "of two mirrors that hold something else the leader is believed, whatever its own counts say",
        "objstore/jobs/mirror_checks.py",
        "        return min(drives, key=lambda drive: _faults(by_drive[drive]))",
        "        return drives[0]",
        ("tests/faults/test_stale_pages.py::test_any_page_may_be_an_old_one",),
    ),
    Bug(
        "a snapshot of the catalog that is written anew is packed, where a restore does not look",
        "objstore/jobs/compact.py",
        "alone=catalog_snapshots.is_snapshot(record)",
        "alone=False",
        ("tests/restore/test_later.py",),
    ),
    Bug(
        "a return is taken for one that was looked through before it was seen away",
        "objstore/jobs/census.py",
        "turn <= known",
        "turn == 0",
        ("tests/server/test_returns.py",),
    ),
    Bug(
        "a drive that lacks its latest shards is believed",
        "objstore/jobs/doubts.py",
        "        if not there:\n",
        "        if False:\n",
        ("tests/faults/test_wrong_drives.py::test_a_drive_with_the_shards_of_another_is_looked_through",),
    ),
    Bug(
        "an old copy of a drive that was in use is believed at a start",
        "objstore/jobs/doubts.py",
        "return file.read(len(MAGIC)) == MAGIC",
        "return True",
        ("tests/faults/test_told.py::test_an_old_copy_of_a_drive_that_was_in_use_is_looked_through_at_a_start",),
    ),
    Bug(
        "an old copy of a drive is believed at a start",
        "objstore/jobs/doubts.py",
        "one.ballot.epoch < latest.epoch",
        "one.ballot.epoch > latest.epoch",
        ("tests/faults/test_wrong_drives.py::test_an_old_copy_of_a_drive_is_looked_through",),
    ),
    Bug(
        "waiting for another is taken for work",
        "objstore/jobs/pace.py",
        "        self._stop()\n        async with lock:\n            self.begin()\n            yield\n",
        "        async with lock:\n            yield\n",
        ("tests/jobs/test_pace.py",),
    ),
)
