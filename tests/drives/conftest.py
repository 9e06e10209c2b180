"""A drive of each test's own, with a system between it and its disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from objstore.drives.drive import Drive
from tests.drives.faults import FaultySystem, new_drive


@pytest.fixture
def system() -> FaultySystem:
    return FaultySystem()


@pytest.fixture
def drive(tmp_path: Path, system: FaultySystem) -> Iterator[Drive]:
    made = new_drive(tmp_path / "drive", system)
    yield made
    made.close()
