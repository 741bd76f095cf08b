"""Decides to which addresses an outgoing request may go: public ones, and networks that the operator allows. Pure.

SECURITY: whoever writes a partner's URL must not reach the operator's own network by it. An address that is not known
to be public is refused, and an IPv4 address inside an IPv6 address is checked as an IPv4 address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from tracking.runtime import FieldError, WaypostError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Source: IANA's registry of special-purpose IPv4 addresses, with multicast and reserved space.
_SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # A public number, but on Azure it is a service of the platform that the host runs on.
        "168.63.129.16/32",
    )
)
_GLOBAL_IPV6 = IPv6Network("2000::/3")
# Source: IANA's registry of special-purpose IPv6 addresses, as far as it lies in 2000::/3: protocol assignments with
# Teredo, documentation, 6to4, AS112.
_SPECIAL_IPV6 = tuple(
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# A translator in the local network turns these into IPv4 addresses (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")
# An address with one of these before its last 32 bits tunnels to the IPv4 address in those bits (ISATAP, RFC 5214).
_ISATAP = (0x00005EFE, 0x02005EFE)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")


class AddressError(WaypostError):
    """An address that outgoing requests may not go to."""

    code = "address-refused"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list such as `10.0.0.0/8, fd00::/8`. Raises ValueError."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def check_address(address: Address, allowed: Sequence[Network] = ()) -> None:
    """Raise AddressError unless `address` is public or in an allowed network."""
    plain = _unwrap(address)
    if any(each in network for network in allowed for each in (address, plain) if each.version == network.version):
        return
    if not _is_public(plain):
        shown = f"{address}" if plain == address else f"{address}, which is {plain},"
        raise AddressError(f"{shown} is not a public address; OUTGOING_ALLOWED_NETWORKS may allow its network")


def check_host(host: str, allowed: Sequence[Network], field: str) -> None:
    """Raise FieldError if a URL's host is known not to be public without looking its name up."""
    name = host.rstrip(".").lower()
    try:
        address = parse_host_address(name)
        if name == "localhost" or name.endswith(".localhost"):
            address = IPv4Address("127.0.0.1")
        if address is not None:
            check_address(address, allowed)
    except AddressError as error:
        raise FieldError(field, f"{field} leads to {host}: {error.message}", code=error.code) from error


def parse_host_address(host: str) -> Address | None:
    """Return the address that a host is, as resolvers read it; None if it is a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1. Raises AddressError for an IPv6 address with a zone, and
    for a host that ends in a number and is not an address.
    """
    bare = host.removeprefix("[").removesuffix("]")
    if ":" in bare:
        if "%" in bare:
            raise AddressError("an address with a zone is not a public address; leave the zone out")
        try:
            return IPv6Address(bare)
        except ValueError as error:
            raise AddressError(f"{bare[:80]} is not an IPv6 address") from error
    parts = bare.rstrip(".").split(".")
    if not _NUMBER.fullmatch(parts[-1]):
        return None
    address = _numbers_address(parts)
    if address is None:
        raise AddressError(f"{bare[:80]} ends in a number and is no IPv4 address")
    return address


def parse_resolved_address(text: str) -> Address:
    """Return an address that the system's resolver gave. Raises AddressError if it has a zone."""
    if "%" in text:
        raise AddressError(f"{text} is an address of the local link")
    return ip_address(text)


def _numbers_address(parts: list[str]) -> IPv4Address | None:
    """Return the address of one to four numbers. The last one fills the bytes that the others leave, as in
    inet_aton.
    """
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    values = [_number(part) for part in parts]
    if None in values:
        return None
    numbers = [value for value in values if value is not None]
    *high, low = numbers
    if any(number > 255 for number in high) or low >= 256 ** (5 - len(numbers)):
        return None
    return IPv4Address(sum(number << (24 - 8 * place) for place, number in enumerate(high)) + low)


def _number(text: str) -> int | None:
    try:
        if text[:2] in ("0x", "0X"):
            return int(text[2:] or "0", 16)
        return int(text, 8) if len(text) > 1 and text[0] == "0" else int(text)
    except ValueError:
        return None


def _unwrap(address: Address) -> Address:
    """Return the IPv4 address to which a mapped, translated or tunnelled IPv6 address leads, else the address
    itself.
    """
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    inner = IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _NAT64:
        return inner
    # The tunnel counts only if it leads to an address that is not public. Otherwise the prefix decides.
    is_tunnel = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    return inner if is_tunnel and not _is_public(inner) else address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _SPECIAL_IPV6)
