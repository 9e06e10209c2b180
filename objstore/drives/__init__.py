"""One drive: its identity, its shard files, its health; and the pool of all drives of a deployment.

A drive is a folder, one per disk: `format.json`, `ballot`, `lock`, `shards/xx/BLOB.INDEX`. Drives know nothing of
objects: they append, read and punch files by blob id and shard index, make them durable, and say by typed errors what
went wrong.
"""
