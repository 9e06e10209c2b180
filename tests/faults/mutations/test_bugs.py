"""Each deliberate bug still fits the source, changes it into other Python, and names tests that there are."""

from __future__ import annotations

import ast

import pytest

from tests.faults.mutations.__main__ import ROOT
from tests.faults.mutations.bugs import BUGS, Bug


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_it_fits(bug: Bug) -> None:
    source = (ROOT / bug.file).read_text()
    assert source.count(bug.old) == 1
    ast.parse(source.replace(bug.old, bug.new))
    for test in bug.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text() if name else (ROOT / file).exists()


def test_names_are_told_apart() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
