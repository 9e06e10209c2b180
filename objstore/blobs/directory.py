"""What is known of blobs in this process: a bounded cache over the catalog's lookup.

Nearly everything about a blob is fixed at its birth. What changes is where a shard lies (a heal moves it) and what is
missing. So an entry is used until a shard is not where it should be, and is then looked up again.
"""

from collections import OrderedDict
from collections.abc import Callable

from objstore.blobs.errors import BlobUnknown
from objstore.blobs.types import BlobInfo

CAPACITY = 8192


class Directory:
    """Infos of blobs by id, the most recently used ones. `lookup` asks the catalog and must be a quick point read."""

    def __init__(self, lookup: Callable[[bytes], BlobInfo | None], capacity: int = CAPACITY) -> None:
        self._lookup = lookup
        self._capacity = capacity
        self._known: OrderedDict[bytes, BlobInfo] = OrderedDict()

    def get(self, blob: bytes) -> BlobInfo:
        """The blob's info; raises BlobUnknown."""
        info = self._known.get(blob)
        if info is not None:
            self._known.move_to_end(blob)
            return info
        return self.refresh(blob)

    def refresh(self, blob: bytes) -> BlobInfo:
        """The blob's info as the catalog has it now; what this process wrote but nobody published yet stays as it
        is."""
        info = self._lookup(blob)
        if info is not None:
            self.put(info)
            return info
        try:
            return self._known[blob]
        except KeyError:
            raise BlobUnknown(blob) from None

    def put(self, info: BlobInfo) -> None:
        """Remember what this process knows first-hand."""
        self._known[info.id] = info
        self._known.move_to_end(info.id)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def forget(self, blob: bytes) -> None:
        """The blob is removed."""
        self._known.pop(blob, None)
