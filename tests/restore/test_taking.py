"""Snapshots of the catalog are taken by themselves, beside writers, and old ones go."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from tests.faults.cluster import CLI_ENVIRONMENT, Load, command, sql
from tests.front.wire import until
from tests.harness import serving
from tests.restore.losing import snapshot


def test_as_configured_while_clients_write(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("reap_grace = 0.0\n[catalog_snapshots]\ninterval = 0.3\nhourly = 1\ndaily = 1\n")
    with serving(tmp_path / "pool", arguments=("--config", str(config))) as server:
        server.client().create_bucket(Bucket="load")
        with Load(server, "load") as load:
            seen: set[int] = set()

            def several() -> bool:
                seen.update(row[0] for row in sql(server, "SELECT taken FROM catalog_snapshots"))
                return len(seen) >= 4

            until(several, "four snapshots", 30)
            load.progress(5)
        assert load.failed_writes == []
        listed = command(
            *("admin", "--endpoint", server.endpoint, "catalog", "snapshots", "--json"), environment=CLI_ENVIRONMENT
        )
        assert 1 <= len(json.loads(listed.stdout)) <= 3, "those of earlier are given up, but at the turn of an hour"

        def files() -> int:
            """Shard files of blobs that are a snapshot of the catalog; some are unlinked while they are counted."""
            count = 0
            for path in (path for drive in server.drives for path in drive.glob("shards/*/*")):
                with contextlib.suppress(FileNotFoundError):
                    count += b"catalog" in path.read_bytes()[4_096:4_200]
            return count

        until(lambda: files() <= 4 * 4, "bytes of old snapshots are given back", 30)


def test_a_new_key_is_in_a_snapshot_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "pool") as server:
        options = ("admin", "--endpoint", server.endpoint)
        first = snapshot(server)["taken_us"]
        made = command(*options, "kms", "key", "create", "fresh", environment=CLI_ENVIRONMENT)
        assert made.returncode == 0, made.stderr
        until(lambda: sql(server, "SELECT max(taken) FROM catalog_snapshots")[0][0] > first, "another snapshot")
