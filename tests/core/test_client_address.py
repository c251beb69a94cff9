"""The client address: X-Forwarded-For counts only as far as trusted proxies have written it."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.client_address import MAX_HOPS, client_address, client_network, in_networks

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.7/32"))

addresses = st.ip_addresses().map(str)
untrusted = st.ip_addresses(network="198.51.100.0/24").map(str)
proxies = st.ip_addresses(network="10.0.0.0/8").map(str)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"  203.0.113.9\t", "203.0.113.9"),
        # The client has written the first entry itself.
        ("10.0.0.1", b"1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"1.1.1.1, 203.0.113.9, 192.0.2.7, fd00::2", "203.0.113.9"),
        ("10.0.0.1", b"1.1.1.1, 203.0.113.9, 192.0.2.8, fd00::2", "192.0.2.8"),
        # The header of a peer that is not a trusted proxy is ignored.
        ("203.0.113.9", b"1.1.1.1", "203.0.113.9"),
        ("203.0.113.9", b"10.0.0.1", "203.0.113.9"),
        # A request from inside: all addresses are trusted.
        ("10.0.0.1", b"10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # An entry that is not an address ends the search at the proxy that wrote it.
        ("10.0.0.1", b"1.1.1.1, unknown", "10.0.0.1"),
        ("10.0.0.1", b"1.1.1.1, , 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"1.1.1.1, \xff, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", b"1.1.1.1, 010.0.0.4", "10.0.0.1"),
        # With a port.
        ("10.0.0.1", b"203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", b"[2001:db8::1]", "2001:db8::1"),
        # An address has one form.
        ("10.0.0.1", b"2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", b"::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", b"203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        # A Unix socket has no address.
        ("", b"1.1.1.1", ""),
    ],
)
def test_the_client_is_the_peer_of_the_first_trusted_proxy(
    peer: str, forwarded_for: bytes | None, client: str
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == client


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("testclient", "testclient"),
        (":socket", ":socket"),
    ],
)
def test_without_trusted_proxies_the_header_is_ignored(peer: str, client: str) -> None:
    assert client_address(peer, b"1.1.1.1", ()) == client


def test_the_number_of_examined_entries_is_bounded() -> None:
    hops = ["203.0.113.9"] + ["10.0.0.2"] * MAX_HOPS
    assert client_address("10.0.0.1", ", ".join(hops).encode(), TRUSTED) == "203.0.113.9"
    hops.append("10.0.0.3")
    assert client_address("10.0.0.1", ", ".join(hops).encode(), TRUSTED) == "10.0.0.2"


@given(forged=st.binary(max_size=200), client=untrusted, chain=st.lists(proxies, max_size=5))
def test_a_client_cannot_change_its_own_address(
    forged: bytes, client: str, chain: list[str]
) -> None:
    header = b", ".join([forged, *(hop.encode() for hop in [client, *chain])])
    assert client_address("10.0.0.1", header, TRUSTED) == client


@given(peer=addresses, header=st.binary())
def test_the_result_is_an_address_for_any_header(peer: str, header: bytes) -> None:
    client = client_address(peer, header, TRUSTED)
    assert str(ip_address(client)) == client


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("fd00::1", True),
        ("fe00::1", False),
        ("192.0.2.7", True),
        ("192.0.2.6", False),
        ("", False),
        ("10.1.2", False),
        ("testclient", False),
    ],
)
def test_an_address_is_in_one_of_the_networks(address: str, inside: bool) -> None:
    assert in_networks(address, TRUSTED) is inside
    assert in_networks(address, ()) is False


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_limits_count_on_an_ipv4_address_or_a_64_of_ipv6(address: str, counted: str) -> None:
    assert client_network(address) == counted
