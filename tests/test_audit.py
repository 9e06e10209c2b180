"""The audit of dependencies fails for a known vulnerability, and says so when it could not look."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit import ask, audit

HASH = "--hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274"
VULNERABILITY = {
    "id": "TEST-2026-1",
    "summary": "bad",
    "details": "bad",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "bad", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
            "versions": ["1.0"],
        }
    ],
}


class Database(http.server.BaseHTTPRequestHandler):
    """Knows one package that is bad."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body: dict[str, Any] = {"vulns": [VULNERABILITY]} if asked["package"]["name"] == "bad" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def database() -> Iterator[tuple[str, ...]]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "-s", "osv", "--osv-url", f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


NOWHERE = ("-s", "osv", "--osv-url", "http://127.0.0.1:1/v1/query")


def lock(folder: Path, *names: str) -> Path:
    path = folder / "requirements.lock"
    path.write_text("".join(f"{name}==1.0 {HASH}\n" for name in names))
    return path


def test_a_known_vulnerability_fails(
    tmp_path: Path, database: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(lock(tmp_path, "good", "bad"), [NOWHERE, database]) == 1
    assert "bad 1.0: TEST-2026-1, mended in 2.0" in capsys.readouterr().out


def test_no_vulnerability(tmp_path: Path, database: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(lock(tmp_path, "good"), [database]) == 0
    assert "1 packages looked up, 0 known vulnerabilities" in capsys.readouterr().out


def test_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(lock(tmp_path, "bad"), [NOWHERE, NOWHERE]) == 0
    assert "could be reached" in capsys.readouterr().out


@pytest.mark.parametrize(("known", "status"), [(0, 0), (1, 1)])
def test_what_a_database_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], known: int, status: int
) -> None:
    """All of it: a mirror without a database. A part of it: nobody has looked at that part."""
    told = [{"name": "odd", "skip_reason": "Dependency not found on PyPI"}]
    told += [{"name": "good", "version": "1.0", "vulns": []} for _ in range(known)]  # type: ignore[dict-item]
    answer = type("Done", (), {"stdout": json.dumps({"dependencies": told})})
    monkeypatch.setattr("tests.audit.subprocess.run", lambda *_, **__: answer)
    assert (ask(tmp_path, ()) is None) == (not known)
    assert audit(tmp_path, [()]) == status
    assert ("odd" in capsys.readouterr().out) == bool(known)
