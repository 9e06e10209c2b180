"""Wildcards: the same answer as a plain reference, and in time that no pattern can make explode."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.iam.policy.patterns import Wild, arn_matcher, joined, matcher, tokens

ALPHABET = "ab:/é\n"
PATTERNS = st.text("*?" + ALPHABET, max_size=12)
TEXTS = st.text("*?" + ALPHABET, max_size=12)


def reference(pattern: str, text: str) -> bool:
    """By definition: `*` is any text, `?` any character."""

    @cache
    def matches(at: int, start: int) -> bool:
        if at == len(pattern):
            return start == len(text)
        if pattern[at] == "*":
            return any(matches(at + 1, end) for end in range(start, len(text) + 1))
        return start < len(text) and pattern[at] in ("?", text[start]) and matches(at + 1, start + 1)

    return matches(0, 0)


@given(PATTERNS, TEXTS)
def test_a_pattern_matches_what_the_reference_does(pattern: str, text: str) -> None:
    assert matcher(tokens(pattern))(text) is reference(pattern, text)


@given(TEXTS)
def test_a_literal_matches_itself_alone(text: str) -> None:
    literal = matcher(joined((text,)))
    assert literal(text)
    assert not literal(text + "x")


@given(PATTERNS, TEXTS)
def test_wildcards_of_an_arn_stay_in_their_field(pattern: str, text: str) -> None:
    fields, given_fields = pattern.split(":", 5), text.split(":", 5)
    if pattern.replace("*", "") == "" and pattern:
        expected = True
    else:
        expected = len(fields) == len(given_fields) == 6 and all(map(reference, fields, given_fields))
    assert arn_matcher(tokens(pattern))(text) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "*a" * 5_000 + "b",
        "a*" * 5_000 + "b",
        "*?" * 1_000 + "b",
        "?" * 10_000 + "*",
        "*" * 20_000 + "b",
        "*aaaaaaaab" * 1_000,
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """Each of these takes exponential time, or days, where a matcher tries again what it tried before."""
    assert not matcher(tokens(pattern))("a" * 1_024)
    assert not arn_matcher(tokens("arn:aws:s3:::" + pattern))("arn:aws:s3:::" + "a" * 1_024)


def test_runs_of_stars_are_one() -> None:
    assert tokens("a**b***") == ("a", Wild.ANY, "b", Wild.ANY)
