# ruff: noqa: E501 - what is replaced is as long as it is
"""Bugs of `store/`."""

from __future__ import annotations

from tests.faults.mutations.bugs.bug import Bug

BUGS = (
    Bug(
        "what is published after drives have left is taken to be on them",
        "objstore/store/extents.py",
        "    without = [index for index, drive, remade in rows if remade or drive.decode() in gone]\n",
        "    without = [index for index, _, remade in rows if remade]\n",
        ("tests/store/test_repair.py",),
    ),
    Bug(
        "a blob that goes takes the note of another shard with it that a drive still has",
        "objstore/store/repair.py",
        "    leftovers.drop(tx, blob_id)\n    for shard in failed:",
        '    tx.run("DELETE FROM leftovers WHERE blob = ?", blob_id)\n    for shard in failed:',
        ("tests/store/test_repair.py",),
    ),
    Bug(
        "space that was given back is taken for damage",
        "objstore/store/reports.py",
        "if append_alive(tx, blob, offset) and mark_missing(tx, blob, shard)",
        "if mark_missing(tx, blob, shard)",
        ("tests/store/test_reports.py",),
    ),
    Bug(
        "what is deleted is garbage before anybody can know",
        "objstore/store/extents.py",
        "        _condemn(tx, *place, span, None)\n",
        "        _condemn(tx, *place, span, 0)\n",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "what may not have been published is forgotten",
        "objstore/store/content.py",
        "                self._unpublished(written)\n",
        "                pass\n",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "a shard that was healed is taken to have what is published later",
        "objstore/store/repair.py",
        "missing = NULL, remade = 1 WHERE",
        "missing = NULL, remade = 0 WHERE",
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
        "        if row is None and info.sealed:\n            enter(tx, info)\n        elif row is None or row == _SETTLED:\n            raise",
        "        if row is None:\n            enter(tx, info)\n        elif row == _SETTLED:\n            raise",
        ("tests/jobs/test_reap.py",),
    ),
    Bug(
        "a heal by an old list of what is alive counts",
        "objstore/store/repair.py",
        " FROM extents WHERE blob = ?) = (?, ?)",
        " FROM extents WHERE blob = ?) >= (?, ?)",
        ("tests/store/test_repair.py",),
    ),
    Bug(
        "a heal counts though bytes were appended meanwhile",
        "objstore/store/repair.py",
        "    if not set(alive) <= set(offsets):\n        mark_missing",
        "    if not offsets:\n        mark_missing",
        ("tests/store/test_repair.py",),
    ),
    Bug(
        "an object is put over whatever is there",
        "objstore/store/versions.py",
        'era = ?, record = ? WHERE bucket = ? AND key = ? AND ord = ?"',
        'era = ?, record = ? WHERE bucket = ? AND key = ? AND ? > 0"',
        ("tests/faults/test_damaged_mirrors.py::test_two_mirrors_that_contradict_each_other",),
    ),
    Bug(
        "whether several refer to bytes of lower parity is decided before they are copied",
        "objstore/store/extents.py",
        "row is None or (alone and row[0] > 1)",
        "row is None",
        ("tests/jobs/test_restripe.py",),
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
        "a copy shares the bytes of a class that promises less",
        "objstore/store/copying.py",
        "    return version.ord, version.version_id, version.storage_class\n",
        "    return version.ord, version.version_id\n",
        ("tests/store/test_on_drives.py",),
    ),
    Bug(
        "usage forgets the bytes",
        "objstore/store/usage.py",
        "bytes = bytes + ? WHERE",
        "bytes = bytes + 0 * ? WHERE",
        ("tests/store/test_meaning.py",),
    ),
    Bug(
        "a copy looks its source up before it tells that it reads",
        "objstore/store/copying.py",
        '    """As `Store.copy`."""\n    with contextlib.closing(await content.begin_read()):\n',
        '    """As `Store.copy`."""\n    if True:\n',
        ("tests/jobs/test_reap.py",),
    ),
)
