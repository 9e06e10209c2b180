"""Lists in pages: `MaxItems` and `Marker`, which is the last name of the page before.

https://docs.aws.amazon.com/IAM/latest/UserGuide/iam-query-api-pagination.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from objstore.aws.operation import Call
from objstore.iam.identities.entities import Listing

T = TypeVar("T")

DEFAULT: Final = 100
MEMBERS: Final = frozenset({"Marker", "MaxItems"})


def limit(call: Call) -> int:
    """How many items a page may have."""
    return int(call.get("MaxItems") or DEFAULT)


def after(call: Call) -> str | None:
    """The name behind which the page begins."""
    marker = call.get("Marker")
    return str(marker) if marker is not None else None


def page(call: Call, items: Iterable[T], name: Callable[[T], str]) -> Listing[T]:
    """The page asked for of a list that is at hand, in order of name."""
    ordered = sorted(items, key=name)
    start = after(call)
    rest = [one for one in ordered if start is None or name(one) > start]
    most = limit(call)
    return Listing(rest[:most], name(rest[most - 1]) if len(rest) > most else None)


def members(member: str, listing: Listing[T], show: Callable[[T], Any]) -> dict[str, Any]:
    """A page as the members of an answer."""
    shown: dict[str, Any] = {member: [show(one) for one in listing.items], "IsTruncated": listing.next is not None}
    if listing.next is not None:
        shown["Marker"] = listing.next
    return shown


def plain(value: str) -> str:
    """For lists of names: an item is its own name, and is shown as it is."""
    return value


def listed(call: Call, member: str, items: Sequence[str]) -> dict[str, Any]:
    """A page of names."""
    return members(member, page(call, items, plain), plain)
