"""Where the server may connect to on somebody's wish: an allow-list that the administrator sets, empty by default.

An entry is a host name, a name with `*.` before it for all below it, an address, or a network. What a host name
resolves to is looked at too: an address of this machine or of its link (where clouds have their metadata) must be
listed by an address or network that is about nothing else, whatever name leads to it; `0.0.0.0/0` is everywhere but
there. So no user's URL reaches what only the server can reach.
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class NotAllowed(Exception):
    """The destination is not on the allow-list; the message names it and the setting."""


class AllowList:
    """What `allowed` lists. Raises ValueError for an entry that is none."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._networks: list[Network] = []
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        for entry in allowed:
            self._add(entry.strip().lower().rstrip("."))

    def _add(self, entry: str) -> None:
        try:
            self._networks.append(ipaddress.ip_network(entry))
        except ValueError:
            name = entry.removeprefix("*.")
            if not name or any(not (c.isalnum() or c in "-._") for c in name) or (name[0].isdigit() and "/" in entry):
                raise ValueError(f"{entry!r} is neither a host name, nor *.NAME, nor an address or network") from None
            if name == entry:
                self._names.add(name)
            else:
                self._suffixes.append("." + name)

    @property
    def lists_networks(self) -> bool:
        """Whether addresses or networks are listed, so that a name alone does not tell."""
        return bool(self._networks)

    def names(self, host: str) -> bool:
        """Whether a host is listed by its name."""
        host = host.lower().rstrip(".")
        return host in self._names or any(host.endswith(suffix) for suffix in self._suffixes)

    def permits(self, host: str, address: Address) -> bool:
        """Whether the server may connect to `address` when it is asked for `host`."""
        address = plain(address)
        listing = [network for network in self._networks if address in network]
        if _near(address):
            return any(_near(network) for network in listing)
        return bool(listing) or self.names(host)

    async def resolve(self, host: str, port: int) -> str:
        """The address to connect to for a host. Raises NotAllowed for one that may not be, OSError for none at all.

        Connect to this very address: a name that is looked up again may lead elsewhere.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for *_, there in found:
            if self.permits(host, ipaddress.ip_address(str(there[0]).partition("%")[0])):
                return str(there[0])
        raise NotAllowed(f"connections to {host} are not allowed: list it in the setting `outbound_allow`")


def plain(address: Address) -> Address:
    """An IPv4 address that is dressed as an IPv6 one, undressed: mapped, compatible, 6to4, or translated by NAT64."""
    if isinstance(address, ipaddress.IPv6Address):
        last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address in _TRANSLATED or (address in _COMPATIBLE and int(last) > 1):  # but ::1 and :: are themselves
            return last
        return address.ipv4_mapped or address.sixtofour or address
    return address


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def _near(where: Address | Network) -> bool:
    """Whether an address is this machine's own or its link's, or no address of a host at all; of a network, whether
    all of its addresses are."""
    return where.is_loopback or where.is_link_local or where.is_unspecified or where.is_multicast
