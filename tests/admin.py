"""`objstore admin` as an administrator types it, against a server under test; in this process, to be quick."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any
from unittest import mock

from objstore.cli.main import main
from tests import leaks
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

ENVIRONMENT = {"OBJSTORE_ROOT_USER": ROOT_USER, "OBJSTORE_ROOT_PASSWORD": ROOT_PASSWORD, "COLUMNS": "240"}


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def run(server: Running, *words: str, stdin: str = "") -> Done:
    """One command, whatever becomes of it."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict("os.environ", ENVIRONMENT),
        mock.patch("sys.stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = main(["admin", "--endpoint", server.endpoint, *words])
    return Done(status, out.getvalue(), err.getvalue())


def admin(server: Running, *words: str, stdin: str = "") -> Any:
    """The answer, by `--json`, of a command that succeeds."""
    done = run(server, *words, "--json", stdin=stdin)
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    leaks.note_answer(answer)
    return answer
