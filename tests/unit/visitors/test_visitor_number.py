"""The number of a visitor: the same for the same visitor, in one range for an address, and secret."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.visitors import address_range, canonical_address, is_local, visitor_key, visitor_number
from worker.spool import canonical_ip

KEY = visitor_key(bytes(range(32)))
# Stored clicks have numbers made like this; another way to make them would make every visitor new.
STORED = 6967212239024637304
LOCAL = [
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
]
texts = st.text(st.characters(max_codepoint=255), max_size=60)


@given(texts.filter(bool), texts)
def test_a_number_fits_the_column_and_the_range_of_its_address(address: str, agent: str) -> None:
    number = visitor_number(address, agent, KEY)
    low, high = address_range(address, KEY)
    assert number is not None
    assert -(2**63) <= low <= number <= high < 2**63
    assert number == visitor_number(address, agent, KEY)


def test_the_numbers_are_those_that_are_stored() -> None:
    assert visitor_number("192.0.2.7", "agent", KEY) == STORED
    assert visitor_number("192.0.2.7", "agent", visitor_key(bytes(32))) != STORED
    assert visitor_number("192.0.2.8", "agent", KEY) != STORED


def test_visitors_of_an_address_differ_in_the_low_bits_alone() -> None:
    one, other = (visitor_number("192.0.2.7", agent, KEY) or 0 for agent in ("one", "other"))
    assert one != other
    assert one >> 32 == other >> 32


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
        ("fe80::1", "fe80::1%eth0"),
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("192.0.2.7", "::ffff:c000:207"),
    ],
)
def test_an_address_has_one_number_however_it_is_written(one: str, other: str) -> None:
    assert address_range(one, KEY) == address_range(other, KEY)


def test_without_an_address_nobody_knows_the_visitor() -> None:
    assert visitor_number("", "agent", KEY) is None


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.31.255.255", True),
        ("172.32.0.1", False),
        ("192.168.0.9", True),
        ("::ffff:192.168.0.9", True),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
        ("198.51.100.7", False),
        ("", False),
        ("unknown", False),
    ],
)
def test_an_address_of_a_local_network_is_a_proxys_and_no_visitors(address: str, local: bool) -> None:
    assert is_local(canonical_address(address)) is local


@given(st.ip_addresses())
def test_a_local_address_is_known_by_its_text(address: IPv4Address | IPv6Address) -> None:
    assert is_local(str(address)) is any(address in network for network in LOCAL if network.version == address.version)


@pytest.mark.parametrize("network", LOCAL)
def test_the_ends_of_local_networks_are_local_and_what_is_beyond_is_not(network: IPv4Network | IPv6Network) -> None:
    ends = (network[0], network[-1])
    assert all(is_local(canonical_address(str(end))) for end in ends)
    for beyond in (int(ends[0]) - 1, int(ends[1]) + 1):
        # Beside ::1 is what is no address of anybody.
        if 1 < beyond < 2**network.max_prefixlen and network != LOCAL[-1]:
            assert not is_local(str(type(ends[0])(beyond)))


@given(st.ip_addresses().map(str) | st.sampled_from(["::1.2.3.4", "::ffff:1.2.3.4", "2001:DB8::1", "::", "1::"]))
def test_the_worker_writes_an_address_in_the_same_way(address: str) -> None:
    assert canonical_ip(address) == canonical_address(address)
