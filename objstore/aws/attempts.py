"""How often a client may fail to prove who it is: a burst, then so many times a second, and SlowDown for the rest.

Two things are counted, each by the network that an attempt comes from: an IPv4 address, or the /64 of an IPv6 address,
which is what one customer has; and the /48 around it, with sixteen times as much, against whoever has many of those.

- All failures. Beyond the limit, a failure is answered with SlowDown instead of with what was wrong. A request that is
  rightly signed is never held up by this.
- Failures with one access key. Beyond the limit, its requests from there are refused unseen: only so is it no longer
  possible to try secrets. Others behind the same address (NAT, a proxy) use other keys, or have used this one rightly
  before; for a network that has, each failure counts a hundredth: a hundred times as many are needed to hold it up.

Nobody is locked out from elsewhere: what one network does with a key holds up no other. Memory is bounded; a network
that is forgotten begins anew. Each process counts for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from types import TracebackType
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.principal import Credential, Credentials, Sessions

FAILURES: Final = frozenset({"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken"})
"""The errors by which a client is told that it did not prove who it is."""

KNOWN_SHARE: Final = 0.01  # of a failure, where the key was used rightly before
WIDE_SHARE: Final = 1 / 16  # of a failure, for the /48
MOST_KEPT: Final = 20_000  # networks with failures, and networks with a key that was used rightly
REMEMBERED: Final = 24 * 3600.0  # seconds for which a right use is remembered
_RENEWED: Final = 600.0  # seconds after which it is noted again
_MESSAGE: Final = "Too many requests from here could not be authenticated. Please reduce your request rate."


@lru_cache(maxsize=8192)
def networks(client: str | None) -> tuple[tuple[str, float], ...]:
    """The networks that a client counts for, and which share of a failure each is charged."""
    try:
        address = ip_address((client or "").partition("%")[0])
    except ValueError:
        return ((client or "", 1.0),)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            near, wide = (str(ip_network((address, bits), strict=False)) for bits in (64, 48))
            return (near, 1.0), (wide, WIDE_SHARE)
        address = address.ipv4_mapped
    return ((str(address), 1.0),)


@dataclass(slots=True)
class _Bucket:
    """Tokens that are left, as of a time."""

    tokens: float
    at: float


class _Buckets:
    """Token buckets by name; those that were charged last are kept."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def wait(self, name: tuple[str, str], share: float, now: float) -> float:
        """Seconds until the bucket has that share of a token; 0 when it has it."""
        bucket = self._buckets.get(name)
        if bucket is None:
            return 0.0
        return max(0.0, (share - self._filled(bucket, now)) / self._rate)

    def charge(self, name: tuple[str, str], share: float, now: float) -> float:
        """Take a share of a token; the seconds by which it came too early, 0 when it was there."""
        bucket = self._buckets.pop(name, None)
        if bucket is None:
            while len(self._buckets) >= MOST_KEPT:
                del self._buckets[next(iter(self._buckets))]
            bucket = _Bucket(self._burst, now)
        self._buckets[name] = bucket
        bucket.tokens, bucket.at = self._filled(bucket, now), now
        if bucket.tokens < share:
            return (share - bucket.tokens) / self._rate
        bucket.tokens -= share
        return 0.0

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.tokens + (now - bucket.at) * self._rate)


class Attempts:
    """All clients of one process. `rate` failures a second, 0 for no limit, and `burst` at once.

    `told` hears of every failure: whether it was beyond the limit, and from where.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        told: Callable[[bool, str], None] = lambda limited, network: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = _Buckets(rate, burst)
        self._keys = _Buckets(rate, burst)
        self._known: dict[tuple[str, str], float] = {}
        self._limited = rate > 0
        self._told = told
        self._clock = clock

    def of(self, client: str | None, credentials: Credentials, sessions: Sessions | None = None) -> Attempt:
        """One request's attempt to prove who it is, as a context: its look-ups are used instead of those given."""
        return Attempt(self, client, credentials, sessions)

    def require(self, client: str | None, key: str) -> None:
        """Raise SlowDown where a secret of `key` may not be tried from there now."""
        if not self._keys:
            return
        now = self._clock()
        for network, share in networks(client):
            wait = self._keys.wait((network, key), share * self._share(network, key, now), now)
            if wait > 0:
                self._told(True, network)
                raise _slow_down(wait)

    def failed(self, client: str | None, key: str | None) -> AwsError | None:
        """Note a failure, with an access key if one was looked up; SlowDown when it is to be answered so."""
        if not self._limited:
            return None
        now, wait = self._clock(), 0.0
        for network, share in networks(client):
            if key is not None:
                self._keys.charge((network, key), share * self._share(network, key, now), now)
            wait = max(wait, self._all.charge((network, ""), share, now))
        self._told(wait > 0, networks(client)[0][0])
        return _slow_down(wait) if wait > 0 else None

    def passed(self, client: str | None, key: str) -> None:
        """Remember that a key was used rightly from there."""
        name = networks(client)[0][0], key
        now = self._clock()
        since = self._known.get(name)
        if since is not None and now - since < _RENEWED:
            return
        self._known.pop(name, None)
        while len(self._known) >= MOST_KEPT:
            del self._known[next(iter(self._known))]
        self._known[name] = now

    def _share(self, network: str, key: str, now: float) -> float:
        since = self._known.get((network, key))
        return KNOWN_SHARE if since is not None and now - since < REMEMBERED else 1.0


class Attempt:
    """See `Attempts.of`."""

    __slots__ = ("_attempts", "_client", "_credentials", "_key", "_sessions")

    def __init__(
        self, attempts: Attempts, client: str | None, credentials: Credentials, sessions: Sessions | None
    ) -> None:
        self._attempts, self._client = attempts, client
        self._credentials, self._sessions = credentials, sessions
        self._key: str | None = None  # the access key, if there is one of that name

    def credentials(self, access_key: str) -> Credential | None:
        """Looks an access key up. Raises SlowDown."""
        self._attempts.require(self._client, access_key)
        found = self._credentials(access_key)
        if found is not None:
            self._key = access_key
        return found

    def sessions(self, access_key: str, token: str) -> Credential | None:
        """Looks a session up. Its token is sealed: it is not guessed, and no key is held up for it."""
        if self._sessions is None:
            raise AwsError("InvalidToken")
        return self._sessions(access_key, token)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            if self._key is not None:
                self._attempts.passed(self._client, self._key)
        elif isinstance(error, AwsError) and error.code in FAILURES:
            slow = self._attempts.failed(self._client, self._key)
            if slow is not None:
                raise slow from None


def _slow_down(wait: float) -> AwsError:
    return AwsError("SlowDown", _MESSAGE, headers={"retry-after": str(max(1, math.ceil(wait)))})
