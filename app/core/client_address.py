"""The address of the client of a request, which trusted proxies forward in X-Forwarded-For."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from app.core.settings import Network

# Entries of X-Forwarded-For that are read, from the right; no chain of trusted proxies is as long.
MAX_HOPS: Final = 16


def client_address(peer: str, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The address of the client: that of the peer, or the one that trusted proxies forward.

    peer: the address of the TCP connection's other end. forwarded_for: the value of
    X-Forwarded-For. trusted: the networks of the proxies.

    Each proxy appends the address that called it. So the header is read from the right, as long as
    the writer of an entry is trusted: the first address that is not in `trusted` is the client's.
    If an entry is not a valid address, the writer of it counts as the client. An IPv4-mapped IPv6
    address is returned as IPv4.
    """
    if not trusted or forwarded_for is None:
        return _plain(peer)
    address = _parse(peer)
    if address is None:
        return peer
    entries = forwarded_for.decode("latin-1").rsplit(",", MAX_HOPS)
    while entries and _is_in(address, trusted):
        previous = _parse_entry(entries.pop())
        if previous is None:
            break
        address = previous
    return str(address)


def in_networks(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks; False for an invalid address."""
    parsed = _parse(address)
    return parsed is not None and _is_in(parsed, networks)


def failure_address(address: str) -> str:
    """The key that failures of a client are counted by: its IPv4 address, or its IPv6 /64 network.

    A customer with IPv6 has at least a /64, and could use a new address of it for each attempt.
    """
    if ":" not in address:
        return address
    parsed = _parse(address)
    if parsed is None or parsed.version == 4:
        return _plain(address)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def _plain(address: str) -> str:
    # Only IPv6 addresses can be written in several ways; an IPv4 address need not be parsed.
    if ":" not in address:
        return address
    parsed = _parse(address)
    return address if parsed is None else str(parsed)


def _parse_entry(entry: str) -> IPv4Address | IPv6Address | None:
    """An entry of X-Forwarded-For; some proxies add the port, `1.2.3.4:5` or `[::1]:5`."""
    text = entry.strip(" \t")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _parse(text)


# Cached, because few clients and fewer proxies send most of the requests.
@lru_cache(maxsize=4096)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # The zone of a link-local address names an interface of this machine, not of the peer.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
