"""No test here cuts the power, so nothing has to reach the platter: syncs are left out and the tests are quick."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
