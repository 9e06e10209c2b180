"""Which bucket a host names: `photos.s3.example.com` is bucket `photos` when `s3.example.com` is one of our domains.

Every other host (an IP address, `localhost`, a domain itself) leaves the bucket to the path.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""

from collections.abc import Iterable


class Domains:
    """The domains under which buckets have hosts of their own. Where one ends in another, the longer one counts."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        cleaned = {name.strip().strip(".").lower() for name in names} - {""}
        self._names = sorted(cleaned, key=len, reverse=True)
        self._suffixes = tuple("." + name for name in self._names)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._names)

    def bucket_of(self, host: str) -> str | None:
        """The bucket that the value of a Host header names, None when it names none."""
        if not self._suffixes:
            return None
        name = without_port(host).lower().rstrip(".")
        if name in self._names or not name.endswith(self._suffixes):
            return None
        suffix = next(suffix for suffix in self._suffixes if name.endswith(suffix))
        return name[: -len(suffix)]


def without_port(host: str) -> str:
    """A host without its port; an IPv6 address keeps its brackets."""
    head, colon, port = host.rpartition(":")
    return head if colon and port.isdigit() and not (head.count(":") and not head.startswith("[")) else host
