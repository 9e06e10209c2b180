"""What is known of blobs in this process: a bounded cache over the catalog's lookup.

Nearly everything about a blob is fixed at its birth. What changes is where a shard lies (a heal moves it) and what is
missing. So an entry is used until a shard is not where it should be, and is then looked up again. Appends may have been
moved to another blob, the last ones of a blob that is gone too: then it is asked where an extent is now.
"""

from collections import OrderedDict
from collections.abc import Callable

from objstore.blobs.errors import BlobUnknown
from objstore.blobs.types import BlobInfo, Extent

CAPACITY = 8192


class Directory:
    """Infos of blobs by id, the most recently used ones. `lookup` asks the catalog for a blob, `moved` where the bytes
    of an extent are that were moved; both must be quick point reads."""

    def __init__(
        self,
        lookup: Callable[[bytes], BlobInfo | None],
        moved: Callable[[Extent], Extent | None] = lambda _: None,
        capacity: int = CAPACITY,
    ) -> None:
        self._lookup = lookup
        self._moved = moved
        self._capacity = capacity
        self._known: OrderedDict[bytes, BlobInfo] = OrderedDict()

    def get(self, blob: bytes) -> BlobInfo:
        """The blob's info; raises BlobUnknown."""
        info = self._known.get(blob)
        if info is not None:
            self._known.move_to_end(blob)
            return info
        return self.refresh(blob)

    def find(self, extent: Extent) -> Extent:
        """The extent in a blob that is known: itself, or where its bytes were moved. Raises BlobUnknown."""
        try:
            if not self.get(extent.blob).moved:
                return extent
        except BlobUnknown:
            if (moved := self.elsewhere(extent)) is None:
                raise
            return moved
        return self.elsewhere(extent) or extent

    def elsewhere(self, extent: Extent) -> Extent | None:
        """The extent where its bytes were moved; None when they were not."""
        return self._moved(extent)

    def refresh(self, blob: bytes) -> BlobInfo:
        """The blob's info as the catalog has it now. Raises BlobUnknown."""
        info = self._lookup(blob)
        if info is None:
            self.forget(blob)
            raise BlobUnknown(blob)
        self.put(info)
        return info

    def put(self, info: BlobInfo) -> None:
        """Remember what this process knows first-hand."""
        self._known[info.id] = info
        self._known.move_to_end(info.id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def forget(self, blob: bytes) -> None:
        """The blob is removed."""
        self._known.pop(blob, None)
