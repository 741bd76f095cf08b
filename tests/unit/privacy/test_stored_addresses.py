"""What is stored of an address, and that no text beside it gives the address away."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.privacy import AddressStorage, stored_address, without_address

WHOLE, TRUNCATED, HASHED = AddressStorage


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("203.0.113.0", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("::1:2:3:4:5:6", "0:0:1::/48"),
        ("::1:2:3:4:5:6:7", "0:1:2::/48"),
        ("::2:3:4:5:198.51.100.7", "0:0:2::/48"),
        ("2001::5:6", "2001::/48"),
        ("2001:db8:0:3::", "2001:db8::/48"),
        ("1:0:3::4", "1:0:3::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
    ],
)
def test_a_truncated_address_is_its_network(address: str, network: str) -> None:
    assert stored_address(address, TRUNCATED) == network
    assert stored_address(address, WHOLE) == address
    assert stored_address(address, HASHED) is None


@given(st.ip_addresses())
def test_a_truncated_address_is_the_network_that_it_is_in(address: IPv4Address | IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    bits = 24 if address.version == 4 else 48
    if mapped is None:
        assert stored_address(str(address), TRUNCATED) == str(ip_network((address, bits), strict=False))
    if address.version == 6:
        assert stored_address(address.exploded.upper(), TRUNCATED) == str(ip_network((address, bits), strict=False))


def test_without_an_address_nothing_is_stored() -> None:
    assert [stored_address("", storage) for storage in AddressStorage] == [None, None, None]


@pytest.mark.parametrize(
    ("text", "truncated", "hashed"),
    [
        ("https://m.example/?i=203.0.113.7&x=1", "https://m.example/?i=203.0.113.0&x=1", "https://m.example/?i=&x=1"),
        ("203.0.113.7", "203.0.113.0", ""),
        ("a=203.0.113.7&b=203.0.113.7.", "a=203.0.113.0&b=203.0.113.0.", "a=&b=."),
        # Longer addresses, and numbers that only look like a part of it.
        *(
            (text, text, text)
            for text in ("203.0.113.77", "1203.0.113.7", "203.0.113.7.9", "9.203.0.113.7", "203.0.113.8")
        ),
    ],
)
def test_a_text_has_what_is_stored_in_place_of_the_address(text: str, truncated: str, hashed: str) -> None:
    assert without_address(text, "203.0.113.7", TRUNCATED) == truncated
    assert without_address(text, "203.0.113.7", HASHED) == hashed
    assert without_address(text, "203.0.113.7", WHOLE) == text


def test_an_address_is_found_percent_encoded() -> None:
    address = "2001:db8:1:2::7"
    text = "https://m.example/?i=2001%3Adb8%3A1%3A2%3A%3A7&j=2001%3adb8%3a1%3a2%3a%3a7&k=2001:db8:1:2::7"
    assert (
        without_address(text, address, TRUNCATED)
        == "https://m.example/?i=2001%3Adb8%3A1%3A%3A&j=2001%3Adb8%3A1%3A%3A&k=2001:db8:1::"
    )


@given(st.ip_addresses().map(str), st.text(max_size=20), st.text(max_size=20))
def test_no_part_of_a_query_gives_an_address_away(address: str, before: str, after: str) -> None:
    text = f"{before}&ip={address}&{after}"
    for storage in (TRUNCATED, HASHED):
        kept = without_address(text, address, storage)
        if (stored_address(address, storage) or "").partition("/")[0] != address:
            assert f"ip={address}&" not in kept
        assert kept.startswith(f"{before}&ip=")
