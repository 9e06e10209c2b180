"""Transcripts of the `aws` program: commands of one of its services as they are typed, and what each answered.

The commands of a transcript run in one process: starting the program takes longer than all it does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.clients.conftest import find
from tests.harness import Running

REFUSED = "!"

_RUNNER = """
import contextlib, io, json, sys
from awscli.clidriver import create_clidriver
told, driver = [], create_clidriver()
for command in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = driver.main([*command, "--output", "json"])
    told.append((status, out.getvalue(), err.getvalue()))
json.dump(told, sys.stdout)
"""


class Transcript:
    """Runs the commands of one service; as root, or with the credentials of `environment`."""

    def __init__(
        self, server: Running, folder: Path, service: str, environment: Mapping[str, str] | None = None
    ) -> None:
        find("aws")
        self._server, self._folder, self._service = server, folder, service
        self._environment = dict(environment or {})

    def run(self, *lines: tuple[str, ...]) -> list[Any]:
        """What each line was answered. One that begins with `!CODE` is to be refused with that code, and gives what
        was said instead."""
        commands = [[self._service, *(line[1:] if line[0].startswith(REFUSED) else line)] for line in lines]
        done = subprocess.run(
            [sys.executable, "-c", _RUNNER],
            input=json.dumps(commands),
            env=self._server.aws_environment() | {"HOME": str(self._folder)} | self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        answers: list[Any] = []
        for line, (status, printed, failed) in zip(lines, json.loads(done.stdout), strict=True):
            if line[0].startswith(REFUSED):
                assert status != 0 and f"({line[0].removeprefix(REFUSED)})" in failed, (line, printed, failed)
                answers.append(failed)
            else:
                assert status == 0, (line, failed)
                answers.append(json.loads(printed) if printed.strip() else None)
        return answers
