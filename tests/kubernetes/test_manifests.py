"""What an installer applies is true: the definitions are those of the types."""

from __future__ import annotations

import pytest

from tests.kubernetes import crds


@pytest.mark.parametrize("name", sorted(crds.definitions()))
def test_the_definitions_are_those_of_the_types(name: str) -> None:
    written = (crds.FOLDER / name).read_text()
    assert written == crds.text(crds.definitions()[name]), "run: python -m tests.kubernetes.crds --write"
