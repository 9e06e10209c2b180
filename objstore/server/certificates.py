"""The certificate of TLS, read again when its files change: whoever renews it need not start the server again.

Connections that are open keep what they were made with. Files that do not belong together, as between the writing of
one and of the other, are looked at again and change nothing meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

LOOK_S: Final = 2.0

Seen = tuple[tuple[int, int, int], ...]
"""Of each file: its inode, size, and time of change in nanoseconds."""

_log = logging.getLogger(__name__)


class Certificate(NamedTuple):
    """Where chain and private key are, in PEM."""

    chain: str
    key: str

    def check(self) -> None:
        """Raise OSError, of which ssl.SSLError is one, where TLS could not be spoken with them."""
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key)

    def seen(self) -> Seen:
        """What changes when a file is written or another takes its place. Raises OSError."""
        found = (Path(path).stat() for path in self)
        return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


async def follow(certificate: Certificate, context: ssl.SSLContext) -> None:
    """Load the certificate into `context`, which a server uses, whenever it is another one; for ever."""
    known: Seen | None = None  # what is in the context may be older than the files are when this begins
    problem = ""
    while True:
        await asyncio.sleep(LOOK_S)
        seen = await _quietly(certificate.seen)
        if seen == known or seen is None:
            continue
        try:
            await asyncio.to_thread(certificate.check)  # apart, for a failure would leave half of it in the context
            context.load_cert_chain(certificate.chain, certificate.key)
        except OSError as error:
            told = f"certificate {certificate.chain}: {error.strerror or error}: the one before is kept in use"
            if told != problem:
                _log.warning("%s", told)
            problem = told
        else:
            if known is not None:
                _log.info("certificate %s: read again", certificate.chain)
            known, problem = seen, ""


async def _quietly(look: Callable[[], Seen]) -> Seen | None:
    try:
        return await asyncio.to_thread(look)
    except OSError:
        return None
