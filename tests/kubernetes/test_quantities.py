"""Kubernetes quantities as whole numbers: what Go's resource.Quantity says of them, exactly."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.kubernetes.quantities import MOST, PATTERN, QuantityError, parse

SCALES = {
    **{suffix: 1000**power for power, suffix in enumerate(["", "k", "M", "G", "T", "P", "E"])},
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", 1)},
    **{suffix: Fraction(1, 1000**power) for power, suffix in enumerate("mun", 1)},
}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1000", 1000), ("2G", 2_000_000_000), ("1Ti", 1_099_511_627_776), ("100k", 100_000), ("0", 0)),
        *(("1.5Gi", 1_610_612_736), (".5Ki", 512), ("5.", 5), ("+7", 7), ("-1", -1), ("1e3", 1000), ("1E3", 1000)),
        *(("1E", 10**18), ("1Ei", 2**60), ("12e-1", 2), ("100m", 1), ("-100m", -1), ("1n", 1), ("0n", 0)),
        *(("1e+2", 100), ("8Ei", MOST), ("9223372036854775807", MOST), ("9223372036854775808", MOST), ("-10E", -MOST)),
        *(("1e99999999999999999999", MOST), ("1e-99999999999999999999", 1), ("0e99999999999999999999", 0)),
    ],
)
def test_known_quantities(text: str, number: int) -> None:
    assert parse(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "+", "-", "k", "1K", "1ki", "1i", "1 G", " 1", "1\n", "1.1.1", "1e", "1e-", "1e1k", "--1", "٣"),
        *("0x10", "1GiB", "one", "1,5G", "1e1.5", "1_000", "NaN", "inf", "1" * 257),
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="is no quantity"):
        parse(text)


@given(st.integers(0, 10**21), st.sampled_from(sorted(SCALES)))
def test_a_number_and_a_suffix_are_multiplied(number: int, suffix: str) -> None:
    assert parse(f"{number}{suffix}") == min(ceil(number * SCALES[suffix]), MOST)


@given(st.decimals(0, 10**6, places=9), st.sampled_from(sorted(SCALES)))
def test_fractions_are_rounded_up_and_lose_nothing_before(number: object, suffix: str) -> None:
    text = f"{number:f}"
    assert parse(f"{text}{suffix}") == min(ceil(Fraction(text) * SCALES[suffix]), MOST)
    assert parse(f"-{text}{suffix}") == -parse(f"{text}{suffix}")


@given(st.integers(0, 10**12), st.integers(-40, 40))
def test_exponents(number: int, power: int) -> None:
    assert parse(f"{number}e{power}") == min(ceil(number * Fraction(10) ** power), MOST)


@given(st.from_regex(PATTERN.rstrip("$") + r"\Z"))
def test_what_schemas_let_through_is_a_quantity(text: str) -> None:
    if len(text) <= 256:
        assert parse(text) >= 0


@given(st.text(max_size=20))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        parse(text)
    except QuantityError:
        return
    assert re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+|[numkKMGTPEi]*)", text)
