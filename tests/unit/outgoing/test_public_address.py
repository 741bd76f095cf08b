"""Which addresses partners may be reached at: every private, special, mapped or disguised one is refused."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.outgoing import AddressError, check_address, parse_host_address, parse_networks, parse_resolved_address
from tracking.outgoing.public_address import check_host
from tracking.runtime import FieldError

REFUSED_ADDRESSES = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "169.254.0.1", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1"),
    *("192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16", "192.31.196.1", "192.52.193.1"),
    *("192.175.48.1", "::", "::1", "::2", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "::ffff:0:0"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::808:808"),
    *("2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"),
    *("2001::1", "2001:0:7f00:1::1", "2001:10::1", "2001:20::1", "2001:db8::1", "3fff::1"),
    *(
        "100::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:10.0.0.1", "4000::1", "8000::1", "1::1"),
)
REFUSED_HOSTS = (
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "127.0.0.1.", "127.1", "127.0.1", "0", "0.0.0.0"),
    *("2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "0177.0.0.01", "127.0.0.0x1"),
    *("0X7F.0.0.1", "10.1", "167772161", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518"),
    *("192.168.257", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::]"),
    *("[64:ff9b::127.0.0.1]", "1.2.3.4.5", "256.1.1.1", "1.2.3.08", "example.1", "4294967296", "0x100000000", "1..1"),
)
ALLOWED_ADDRESSES = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1"),
    *("169.253.255.255", "192.0.1.1", "198.17.255.255", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1"),
    *("64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2606:4700::5efe:8.8.8.8", "2003::1"),
)


@pytest.mark.parametrize("text", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="not a public address"):
        check_address(ip_address(text))


@pytest.mark.parametrize("text", ALLOWED_ADDRESSES)
def test_a_public_address_is_allowed(text: str) -> None:
    check_address(ip_address(text))


@pytest.mark.parametrize("host", REFUSED_HOSTS)
def test_a_host_that_can_be_known_to_be_private_is_refused_with_the_field_named(host: str) -> None:
    with pytest.raises(FieldError) as refusal:
        check_host(host, (), "url")
    assert (refusal.value.field, refusal.value.code) == ("url", "address-refused")


def test_the_table_of_refused_addresses_is_long_enough() -> None:
    assert len({*REFUSED_ADDRESSES, *REFUSED_HOSTS}) >= 60


@pytest.mark.parametrize(
    "host", ["partner.example", "1.1.1.1", "16843009", "0x1.0x1.0x1.0x1", "[2606:4700::1111]", "a.1b"]
)
def test_a_name_or_a_public_address_passes(host: str) -> None:
    check_host(host, (), "url")


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.0.0.0/8", "::ffff:10.1.2.3"),
        ("10.0.0.0/8", "64:ff9b::10.1.2.3"),
        ("fd00::/8, 127.0.0.0/8", "fd00::7"),
        ("fd00::/8, 127.0.0.0/8", "127.0.0.1"),
        ("2002::/16", "2002:808:808::1"),
    ],
)
def test_a_network_that_the_operator_allows_is_as_good_as_public(allowed: str, address: str) -> None:
    check_address(ip_address(address), parse_networks(allowed))


def test_an_allowed_network_allows_nothing_else() -> None:
    for address in ("11.0.0.1", "10.0.1.1"):
        if address.startswith("10"):
            with pytest.raises(AddressError):
                check_address(ip_address(address), parse_networks("10.0.0.0/24"))
        else:
            check_address(ip_address(address), parse_networks("10.0.0.0/24"))


def test_no_networks_are_none() -> None:
    assert parse_networks("") == parse_networks(" , ") == ()


@given(number=st.integers(0, 2**32 - 1), form=st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_any_way_to_write_an_ipv4_address_as_one_number_is_read_as_that_address(number: int, form: str) -> None:
    assert parse_host_address(form.format(number)) == ip_address(number)


@given(
    parts=st.lists(st.integers(0, 255), min_size=4, max_size=4),
    hexadecimal=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_any_mixture_of_decimal_and_hexadecimal_is_read_as_that_address(
    parts: list[int], hexadecimal: list[bool]
) -> None:
    written = ".".join(hex(part) if is_hex else str(part) for part, is_hex in zip(parts, hexadecimal, strict=True))
    assert str(parse_host_address(written)) == ".".join(map(str, parts))


@given(number=st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_however_it_is_wrapped(number: int) -> None:
    plain = ip_address(number)
    wrapped = (ip_address(f"::ffff:{plain}"), ip_address(f"64:ff9b::{plain}"))
    outcomes = set()
    for address in (plain, *wrapped):
        try:
            check_address(address)
            outcomes.add(True)
        except AddressError:
            outcomes.add(False)
    assert len(outcomes) == 1


def test_a_resolved_address_with_a_zone_is_refused() -> None:
    with pytest.raises(AddressError):
        parse_resolved_address("fe80::1%eth0")
