"""Networks of client addresses, in the one form in which they are compared."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
# Bits before the IPv4 address in an IPv4-mapped one (RFC 4291, section 2.5.5.2).
MAPPED_BITS: Final = 96


def parse_network(text: str, *, strict: bool = True) -> Network:
    """The network that a text in CIDR notation names.

    A network of IPv4-mapped addresses (`::ffff:10.0.0.0/104`) is returned as IPv4, as the addresses
    of clients are. strict: refuse an address with bits outside of the mask. Raises ValueError.
    """
    network = ip_network(text, strict=strict)
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), network.prefixlen - MAPPED_BITS))
    return network
