"""The tables, as a list of migrations.

Names and keys are bytes, so that order is UTF-8 byte order on every engine. `PRAGMA user_version` counts the migrations
a mirror has had. A release adds to the end of MIGRATIONS and never edits what was released.

`objects` holds a row only for a key whose current version is a real object: a listing costs what its page holds.
`versions` holds noncurrent versions and delete markers. `ord` grows with every version of a key. Ids of `buckets` are
never given twice (AUTOINCREMENT). Rows of `payloads` are added and deleted, never changed: the redo log counts on it.
`moved` says where an append is now that records name by the place at which it was written; while that is garbage, too.
`blobs.settling` is when a blob was sealed of which something may still be published, in microseconds since 1970. A
shard that was `remade` has only what was published by then.
`blob_counts` says how many blobs with a row of `extents` there are of each parity, so that nobody has to count them.
`garbage.since` is when the reaper first saw it, NULL until then: a transaction does not know when it becomes visible.
`leftovers` are what a drive that was away still holds of garbage: a range of a shard file, all of it where span is 0.
`mirror` and `redo` belong to the engine: where this mirror stands, and its latest transactions as packed statements.
`chain` is a hash over all transactions so far, `logged` their bytes: two mirrors of one chain have one history.
"""

from __future__ import annotations

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE mirror (
            one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL, seq INTEGER NOT NULL, chain BLOB NOT NULL,
            logged INTEGER NOT NULL, members TEXT NOT NULL
        ) STRICT""",
        """CREATE TABLE redo (
            seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, chain BLOB NOT NULL, logged INTEGER NOT NULL,
            statements BLOB NOT NULL
        ) STRICT""",
        """CREATE TABLE buckets (
            id INTEGER PRIMARY KEY AUTOINCREMENT, name BLOB NOT NULL UNIQUE, owner BLOB NOT NULL, record BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX buckets_owner ON buckets (owner, name)",
        """CREATE TABLE objects (
            bucket INTEGER NOT NULL, key BLOB NOT NULL, ord INTEGER NOT NULL, era INTEGER NOT NULL DEFAULT 0,
            record BLOB NOT NULL,
            PRIMARY KEY (bucket, key)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE versions (
            bucket INTEGER NOT NULL, key BLOB NOT NULL, ord INTEGER NOT NULL, is_null INTEGER NOT NULL DEFAULT 0,
            record BLOB NOT NULL,
            PRIMARY KEY (bucket, key, ord DESC)
        ) STRICT, WITHOUT ROWID""",
        # Snapshots of buckets, and what was current for them: see store/snapshots.py.
        """CREATE TABLE snapshots (
            bucket INTEGER NOT NULL, era INTEGER NOT NULL, name TEXT NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (bucket, era)
        ) STRICT, WITHOUT ROWID""",
        "CREATE UNIQUE INDEX snapshots_name ON snapshots (bucket, name)",
        """CREATE TABLE retained (
            bucket INTEGER NOT NULL, key BLOB NOT NULL, from_era INTEGER NOT NULL, until_era INTEGER NOT NULL,
            ord INTEGER NOT NULL, size INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (bucket, key, from_era)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE snapshot_purges (
            bucket INTEGER PRIMARY KEY, key BLOB NOT NULL, from_era INTEGER NOT NULL
        ) STRICT""",
        "CREATE INDEX versions_null ON versions (bucket, key) WHERE is_null = 1",
        "CREATE TABLE payloads (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
        """CREATE TABLE uploads (
            bucket INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (bucket, key, id)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE parts (
            upload BLOB NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL,
            PRIMARY KEY (upload, number)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE blobs (
            id BLOB NOT NULL PRIMARY KEY, record BLOB NOT NULL, sealed INTEGER NOT NULL DEFAULT 0,
            instance BLOB NOT NULL, length INTEGER NOT NULL DEFAULT 0, parity INTEGER NOT NULL, settling INTEGER
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX blobs_open ON blobs (instance) WHERE sealed = 0",
        "CREATE INDEX blobs_settling ON blobs (settling) WHERE settling IS NOT NULL",
        "CREATE TABLE blob_counts (parity INTEGER PRIMARY KEY, blobs INTEGER NOT NULL) STRICT",
        """CREATE TABLE shards (
            blob BLOB NOT NULL, idx INTEGER NOT NULL, drive BLOB NOT NULL, missing INTEGER,
            remade INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (blob, idx)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX shards_drive ON shards (drive)",
        "CREATE INDEX shards_missing ON shards (blob, idx) WHERE missing IS NOT NULL",
        """CREATE TABLE extents (
            blob BLOB NOT NULL, offset INTEGER NOT NULL, span INTEGER NOT NULL, head INTEGER NOT NULL,
            size INTEGER NOT NULL, refs INTEGER NOT NULL,
            PRIMARY KEY (blob, offset)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE moved (
            blob BLOB NOT NULL, offset INTEGER NOT NULL, to_blob BLOB NOT NULL, to_offset INTEGER NOT NULL,
            head INTEGER NOT NULL,
            PRIMARY KEY (blob, offset)
        ) STRICT, WITHOUT ROWID""",
        "CREATE UNIQUE INDEX moved_to ON moved (to_blob, to_offset)",
        """CREATE TABLE garbage (
            blob BLOB NOT NULL, offset INTEGER NOT NULL, span INTEGER NOT NULL, since INTEGER,
            PRIMARY KEY (blob, offset)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX garbage_since ON garbage (since)",
        """CREATE TABLE leftovers (
            drive BLOB NOT NULL, blob BLOB NOT NULL, idx INTEGER NOT NULL, offset INTEGER NOT NULL,
            span INTEGER NOT NULL,
            PRIMARY KEY (drive, blob, idx, offset)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE usage (
            bucket INTEGER PRIMARY KEY, objects INTEGER NOT NULL DEFAULT 0, versions INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0
        ) STRICT""",
        # `bucket` 0 for accounts and users; `at_*`: up to which version it is counted, NULL when all is.
        """CREATE TABLE quotas (
            scope TEXT NOT NULL, bucket INTEGER NOT NULL, name BLOB NOT NULL, max_objects INTEGER, max_bytes INTEGER,
            objects INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
            at_bucket INTEGER, at_key BLOB, at_ord INTEGER,
            PRIMARY KEY (scope, bucket, name)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE renames (
            bucket INTEGER NOT NULL, token TEXT NOT NULL, digest BLOB NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (bucket, token)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX renames_at ON renames (at)",
        """CREATE TABLE lifecycle (
            bucket INTEGER NOT NULL, key BLOB NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (bucket, key)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX lifecycle_due ON lifecycle (due)",
        "CREATE TABLE lifecycle_walks (bucket INTEGER PRIMARY KEY, after BLOB NOT NULL) STRICT",
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, record BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX outbox_target ON outbox (target, id)",
        "CREATE TABLE topics (arn TEXT PRIMARY KEY, account TEXT NOT NULL, record BLOB NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE INDEX topics_account ON topics (account, arn)",
        """CREATE TABLE subscriptions (
            arn TEXT PRIMARY KEY, topic TEXT NOT NULL, account TEXT NOT NULL, record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX subscriptions_topic ON subscriptions (topic, arn)",
        "CREATE INDEX subscriptions_account ON subscriptions (account, arn)",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB) STRICT, WITHOUT ROWID",
        "CREATE TABLE kms_keys (name BLOB PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID",
        # Of the catalog itself, by the time (microseconds since 1970) at which they were taken.
        "CREATE TABLE catalog_snapshots (taken INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT",
        "CREATE TABLE drives (id TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT, WITHOUT ROWID",
        # Lists of buckets that are made again and again; `due` is in microseconds, NULL while none is wanted.
        """CREATE TABLE inventories (
            bucket INTEGER NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL, due INTEGER, last BLOB,
            PRIMARY KEY (bucket, id)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX inventories_due ON inventories (due) WHERE due IS NOT NULL",
        # Lines of access logs that wait to be delivered, packed; `size` is that of the lines.
        """CREATE TABLE access_records (
            id INTEGER PRIMARY KEY AUTOINCREMENT, target BLOB NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL,
            lines BLOB NOT NULL
        ) STRICT""",
        "CREATE INDEX access_records_target ON access_records (target, at, size)",
        # Of iam/: `name` is folded as names are compared; `holder` is the id of a user, group or role.
        """CREATE TABLE iam_accounts (
            id TEXT PRIMARY KEY, canonical TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, email TEXT NOT NULL,
            record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX iam_accounts_email ON iam_accounts (email)",
        """CREATE TABLE iam_entities (
            account TEXT NOT NULL, kind TEXT NOT NULL, name BLOB NOT NULL, id TEXT NOT NULL UNIQUE, path TEXT NOT NULL,
            record BLOB NOT NULL,
            PRIMARY KEY (account, kind, name)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE iam_members (grp TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (grp, user))
        STRICT, WITHOUT ROWID""",
        "CREATE INDEX iam_members_user ON iam_members (user)",
        """CREATE TABLE iam_inline (
            holder TEXT NOT NULL, name BLOB NOT NULL, document TEXT NOT NULL, PRIMARY KEY (holder, name)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE iam_attached (holder TEXT NOT NULL, policy TEXT NOT NULL, PRIMARY KEY (holder, policy))
        STRICT, WITHOUT ROWID""",
        "CREATE INDEX iam_attached_policy ON iam_attached (policy)",
        "CREATE TABLE iam_bounded (holder TEXT PRIMARY KEY, policy TEXT NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE INDEX iam_bounded_policy ON iam_bounded (policy)",
        """CREATE TABLE iam_policy_versions (
            policy TEXT NOT NULL, number INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (policy, number)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE iam_keys (
            id TEXT PRIMARY KEY, account TEXT NOT NULL, owner TEXT NOT NULL, record BLOB NOT NULL
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX iam_keys_owner ON iam_keys (account, owner)",
        """CREATE TABLE iam_key_uses (
            id TEXT PRIMARY KEY, at INTEGER NOT NULL, service TEXT NOT NULL, region TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE iam_generation (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL)
        STRICT""",
    ),
)

VERSION = len(MIGRATIONS)
