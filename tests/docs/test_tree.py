"""ARCHITECTURE.md knows the house: every package is in its tree, in the order in which imports may go."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREE = re.findall(r"(?m)^    ( *)([a-z0-9_]+)/ ", (ROOT / "ARCHITECTURE.md").read_text())


def packages() -> set[str]:
    """Every folder with Python files in it, below `objstore` and `erasure`, by its own name."""
    folders = {path.parent for top in ("objstore", "erasure") for path in (ROOT / top).rglob("*.py")}
    return {folder.name for folder in folders} - {"objstore"}


def test_every_package_is_in_the_tree() -> None:
    assert packages() - {name for _, name in TREE} == set()


def test_the_tree_names_nothing_that_is_not_there() -> None:
    assert {name for _, name in TREE} - packages() == set()


def test_the_tree_is_in_the_order_that_imports_are_held_to() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [name.rpartition(".")[2] for layer in contract["layers"] for name in re.findall(r"[\w.]+", layer)]
    assert [name for indent, name in TREE if not indent] == [name for name in layers if name in packages()]
