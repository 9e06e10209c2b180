"""docs/durability.md names tests that there are, and no more deliberate bugs than there are."""

from __future__ import annotations

import re

from tests.faults.mutations.__main__ import ROOT
from tests.faults.mutations.bugs import BUGS

PAGE = (ROOT / "docs" / "durability.md").read_text()


def test_every_test_that_it_names_is_there() -> None:
    named = set(re.findall(r"`(tests/[^`]*)`", PAGE))
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_it_says_how_many_bugs_are_put_in() -> None:
    (said,) = re.findall(r"puts more than (\d+) deliberate bugs", PAGE)
    assert len(BUGS) > int(said)
