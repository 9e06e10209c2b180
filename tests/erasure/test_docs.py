"""The example in the library's documentation runs as it is printed, and the public surface is what it says."""

import doctest

import erasure


def test_the_example_runs() -> None:
    failed, tried = doctest.testmod(erasure)
    assert tried > 10
    assert failed == 0


def test_every_public_name_is_documented() -> None:
    names = [name for name in erasure.__all__ if callable(getattr(erasure, name)) and name != "Buffer"]
    assert all(getattr(erasure, name).__doc__ for name in names)
