"""Where a request comes from, as far as the proxies in front of the gateway can be believed."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from app.core.settings import Network

# A longer chain of trusted proxies than anybody has; what is further left is not looked at.
MAX_HOPS: Final = 16


def client_address(peer: str, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The address of the client: the peer's own, or what trusted proxies say of it.

    peer: the address of the TCP connection's other end; forwarded_for: the value of
    X-Forwarded-For. The header is read from the right, since each proxy appends whom it was called
    by, and for as long as the one who wrote an entry is trusted: the first address that is not in
    `trusted` is the client's. An entry that is no address ends the walk as well, and whoever wrote
    it counts as the client. An IPv4-mapped IPv6 address is given as IPv4.
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
    """Whether an address lies in one of the networks; what is no address lies in none."""
    parsed = _parse(address)
    return parsed is not None and _is_in(parsed, networks)


def failure_address(address: str) -> str:
    """What failures of an address are counted on: an IPv4 address, or the /64 of an IPv6 one.

    One IPv6 customer holds at least a /64 and may take a new address for every try.
    """
    if ":" not in address:
        return address
    parsed = _parse(address)
    if parsed is None or parsed.version == 4:
        return _plain(address)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))


def _plain(address: str) -> str:
    # Only an IPv6 address may have two forms; the usual peer is left as it came.
    if ":" not in address:
        return address
    parsed = _parse(address)
    return address if parsed is None else str(parsed)


def _parse_entry(entry: str) -> IPv4Address | IPv6Address | None:
    """An entry of X-Forwarded-For; some proxies write the port too, `1.2.3.4:5` or `[::1]:5`."""
    text = entry.strip(" \t")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _parse(text)


# Few clients and fewer proxies send most of the requests.
@lru_cache(maxsize=4096)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # The zone of a link-local address names an interface of ours; it says nothing of the peer.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def _is_in(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
