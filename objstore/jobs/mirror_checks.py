"""What is wrong with the catalog's mirrors: the question that a scrub and a verification share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from objstore.catalog import views
from objstore.catalog.catalog import Catalog
from objstore.catalog.views import View


def look_at(found: Sequence[View], progress: Callable[[int], None] = lambda _: None) -> dict[str, list[str]]:
    """What is wrong with mirrors at one position, leader first, by drive: also holding something else than most.

    Blocks, for about a microsecond a row."""
    looks = {view.drive: views.look(view, progress) for view in found}
    wrong = {drive: list(one.problems) for drive, one in looks.items()}
    for drive, tables in views.odd_ones(looks).items():
        wrong[drive].append(f"holds something else in {', '.join(tables)}")
    return {drive: problems for drive, problems in wrong.items() if problems}


def wrong_now(catalog: Catalog) -> dict[str, list[str]]:
    """What is wrong with the mirrors of a running catalog, by drive. Blocks."""
    with catalog.views() as (found, failures):
        wrong = {failure.drive: [failure.reason] for failure in failures}
        return wrong | look_at(found)
