"""Numbers of things as people write them."""

from __future__ import annotations

import pytest

from objstore.counting import are, number_of


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 drives are"), (1, "1 drive is"), (2, "2 drives are"), (1_024, "1,024 drives are")]
)
def test_one_is_told_from_many(number: int, told: str) -> None:
    assert f"{number_of(number, 'drive')} {are(number)}" == told


def test_a_plural_may_be_of_its_own() -> None:
    assert number_of(1, "object or part", "objects or parts") == "1 object or part"
    assert number_of(3, "object or part", "objects or parts") == "3 objects or parts"
