"""Which of the catalog's mirrors is believed, when they are compared."""

from __future__ import annotations

import pytest

from objstore.catalog.views import Look, odd_ones

A, B = {"usage": b"a", "objects": b"o"}, {"usage": b"b", "objects": b"o"}
DAMAGED = Look({}, ["cannot be read"])


@pytest.mark.parametrize(
    ("looks", "odd"),
    [
        ([Look(A, []), Look(A, []), Look(A, [])], {}),
        ([Look(A, []), Look(B, []), Look(A, [])], {"1": ["usage"]}),
        ([Look(B, []), Look(A, []), Look(A, [])], {"0": ["usage"]}),
        ([Look(A, []), Look(B, [])], {"1": ["usage"]}),
        ([DAMAGED, Look(A, []), DAMAGED], {}),
        ([Look(B, ["a row is damaged"]), Look(A, []), Look(B, ["a row is damaged"])], {}),
        ([DAMAGED, DAMAGED], {}),
    ],
    ids=["equal", "one", "leader", "tie", "most-damaged", "damaged-alike", "all-damaged"],
)
def test_most_of_those_in_which_nothing_is_wrong_are_believed(looks: list[Look], odd: dict[str, list[str]]) -> None:
    """However many are damaged: they would take the one that is whole with them."""
    assert odd_ones({str(number): one for number, one in enumerate(looks)}) == odd
