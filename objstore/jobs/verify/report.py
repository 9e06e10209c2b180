"""What a verification tells while it runs, and at its end."""

from __future__ import annotations

from typing import Any

import msgspec

MOST = 1_000
"""Findings that a report lists; more are counted."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was found. `kind`: what is concerned.

    drive      a drive that is not there, or whose ballot is damaged
    mirror     a mirror of the catalog that is damaged, differs from the others, or cannot be read
    record, reference, payload, blob, usage, quota     rows of the catalog that do not agree
    missing    a shard that is known to lack bytes, and waits to be healed
    shard      a shard file with something wrong in it
    lost       bytes that cannot be read any more
    away       bytes that cannot be read before drives come back that are not there
    object     an object or version of which bytes are lost or away
    file       a shard file that nothing knows
    """

    kind: str
    where: str
    reason: str


class Progress(msgspec.Struct, frozen=True):
    """How far a verification is: `done` of `total` in the step (mirrors, catalog: rows; shards: bytes of blobs)."""

    step: str
    done: int
    total: int


class Report(msgspec.Struct):
    """The whole of it. `problems` are what is wrong, `notices` what the next start or job puts right by itself."""

    problems: list[Finding] = []
    notices: list[Finding] = []
    unlisted: int = 0
    mirrors: int = 0
    objects: int = 0
    versions: int = 0
    parts: int = 0
    extents: int = 0
    blobs: int = 0
    shards: int = 0
    bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def problem(self, kind: str, where: str, reason: str) -> None:
        self._add(self.problems, Finding(kind, where, reason))

    def notice(self, kind: str, where: str, reason: str) -> None:
        self._add(self.notices, Finding(kind, where, reason))

    def _add(self, findings: list[Finding], finding: Finding) -> None:
        if len(findings) < MOST:
            findings.append(finding)
        else:
            self.unlisted += 1

    def told(self) -> dict[str, Any]:
        """The report for machines."""
        found: dict[str, Any] = {"ok": self.ok, **msgspec.to_builtins(self)}
        return found
