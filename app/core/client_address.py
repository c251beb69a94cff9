"""The client address of a request, taken from X-Forwarded-For where trusted proxies set it."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from app.core.networks import Network

# Entries of X-Forwarded-For that are examined, from the right; no deployment has so many proxies.
MAX_HOPS: Final = 16


def client_address(peer: str, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The address of the client: that of the TCP peer, or one that trusted proxies have recorded.

    peer: the address of the TCP connection's other end.
    forwarded_for: the value of X-Forwarded-For.
    trusted: the networks of trusted proxies.

    Each proxy appends the address of its own peer, so the header is read from the right: the first
    address that is not in `trusted` is the client's. An entry that is not a valid address ends the
    search; the proxy that wrote it then counts as the client. An IPv4-mapped IPv6 address is
    returned as IPv4.
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
    """Whether an address is in one of the networks; False for a text that is not an address."""
    parsed = _parse(address)
    return parsed is not None and _is_in(parsed, networks)


def client_network(address: str) -> str:
    """The key that limits per address count on: an IPv4 address, or the /64 of an IPv6 address.

    An IPv6 customer has at least a /64, and could use a new address of it for every request.
    """
    if ":" not in address:
        return address
    parsed = _parse(address)
    if parsed is None or parsed.version == 4:
        return _plain(address)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def _plain(address: str) -> str:
    # Only an IPv6 address can be written in several ways; IPv4, the usual case, is not parsed.
    if ":" not in address:
        return address
    parsed = _parse(address)
    return address if parsed is None else str(parsed)


def _parse_entry(entry: str) -> IPv4Address | IPv6Address | None:
    """The address in an entry of X-Forwarded-For, which may have a port: `1.2.3.4:5`, `[::1]:5`."""
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
        # The zone of a link-local address (`%eth0`) names an interface of this host, not the peer.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
