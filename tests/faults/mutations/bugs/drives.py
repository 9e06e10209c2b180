# ruff: noqa: E501 - what is replaced is as long as it is
"""Bugs of `drives/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug
from tests.faults.mutations.bugs.power_loss import DURABLE, LOST, STARTED

HEALED = "tests/faults/test_power_loss.py::test_a_healed_shard_is_durable"

BUGS = (
    Bug(
        "a folder that hangs is looked at again and again",
        "objstore/drives/pool.py",
        "        if drive.stuck:\n",
        "        if False:\n",
        ("tests/faults/test_hanging.py::test_a_folder_that_hangs_and_is_to_join_is_asked_once",),
    ),
    Bug(
        "an append is acknowledged without a sync of its file",
        "objstore/drives/shardfiles.py",
        "        self._sync(key, file, self._system.fdatasync)\n",
        "",
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
        "        self._system.ftruncate(file.fd, length)\n        self._sync(key, file, self._system.fsync)\n",
        "        self._system.ftruncate(file.fd, length)\n",
        (DURABLE,),
    ),
    Bug(
        "a drive comes back while a call still hangs that may place an older file",
        "objstore/drives/pool.py",
        "        if drive.busy:\n            return False\n",
        "",
        ("tests/drives/test_faults.py",),
    ),
    Bug(
        "what a stream was written through is not kept open",
        "objstore/drives/shardfiles.py",
        "                self._unsynced[key] = file\n",
        "                pass\n",
        ("tests/drives/test_shards.py",),
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
        "a ballot is written before it is known whose folder it is",
        "objstore/drives/drive.py",
        "        self.confirm()\n        return self._durable(key, work, *arguments)\n",
        "        return self._durable(key, work, *arguments)\n",
        ("tests/catalog/test_strangers.py",),
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
    Bug(
        "a copy that takes a drive's place is taken for the drive",
        "objstore/drives/health.py",
        "if known is not None and identity[:2] != known[:2]:",
        "if False:",
        ("tests/drives/test_pool.py",),
    ),
    Bug(
        "files that other processes removed stay open",
        "objstore/drives/shardfiles.py",
        "        if time.monotonic() < self._sweep_due:\n",
        "        if True:\n",
        ("tests/drives/test_shards.py",),
    ),
    Bug(
        "what another process found faulty is believed to be well while it answers looks",
        "objstore/drives/health.py",
        "            if doubted or self.state",
        "            if self.state",
        ("tests/server/test_faults.py",),
    ),
)
