"""How a visitor's address is stored: whole, cut to its network, or only as the hash in the visitor number. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import quote

# What is left names a few hundred homes (IPv4), or a site (IPv6).
IPV4_BITS_KEPT = 24
IPV6_BITS_KEPT = 48


class AddressStorage(StrEnum):
    """What is stored of an address. docs/privacy.md has them."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    HASHED = "hashed"


@lru_cache(maxsize=16_384)
def stored_address(address: str, storage: AddressStorage) -> str | None:
    """Return an address as it is stored, as PostgreSQL's inet; None where nothing is. `address` is valid, or empty.

    A truncated address is a network, such as 203.0.113.0/24, so that nobody takes it for the address of a host.
    """
    if not address or storage is AddressStorage.HASHED:
        return None
    if storage is AddressStorage.WHOLE:
        return address
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = IPV4_BITS_KEPT if parsed.version == 4 else IPV6_BITS_KEPT
    return str(ip_network((parsed, bits), strict=False))


def without_address(text: str, address: str, storage: AddressStorage) -> str:
    """Return a text of a request or redirect with what is stored of an address wherever it had the address.

    It finds the address as the record has it, and percent-encoded as a destination's {ip} has it.
    """
    # PERF: hardly any text has it.
    if not address or storage is AddressStorage.WHOLE:
        return text
    if ":" not in address:
        return text if address not in text else _pattern(address).sub(_kept(address, storage), text)
    lowered = text.lower()
    for written in (address, quote(address, safe="")):
        if written.lower() in lowered:
            kept = _kept(address, storage)
            text = _pattern(written).sub(kept if written == address else quote(kept, safe=""), text)
    return text


def _kept(address: str, storage: AddressStorage) -> str:
    return (stored_address(address, storage) or "").partition("/")[0]


@lru_cache(maxsize=1024)
def _pattern(address: str) -> re.Pattern[str]:
    # Not as a part of a longer address.
    return re.compile(rf"(?<![0-9A-Fa-f.:]){re.escape(address)}(?![0-9A-Fa-f:]|\.[0-9])", re.IGNORECASE)
