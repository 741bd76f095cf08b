"""How a visitor's address is stored: whole, cut to its network, or only as the hash in the visitor number. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from urllib.parse import quote

# What is left names a few hundred homes (IPv4), or a site (IPv6).
IPV4_BITS_KEPT = 24
IPV6_BITS_KEPT = 48
_GROUPS = 8
_GROUPS_KEPT = IPV6_BITS_KEPT // 16


class AddressStorage(StrEnum):
    """What is stored of an address. docs/privacy.md has them."""

    WHOLE = "whole"
    TRUNCATED = "truncated"
    HASHED = "hashed"


def stored_address(address: str, storage: AddressStorage) -> str | None:
    """Return an address as it is stored, as PostgreSQL's inet; None where nothing is. `address` is valid, or empty.

    A truncated address is a network, such as 203.0.113.0/24, so that nobody takes it for the address of a host.
    """
    if not address or storage is AddressStorage.HASHED:
        return None
    if storage is AddressStorage.WHOLE:
        return address
    return _ipv6_network(address) if ":" in address else _ipv4_network(address)


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
    wanted = address.lower()
    # PERF: most texts have neither. quote() takes 3 microseconds.
    if wanted not in lowered and wanted.replace(":", "%3a") not in lowered:
        return text
    for written in (address, quote(address, safe="")):
        if written.lower() in lowered:
            kept = _kept(address, storage)
            text = _pattern(written).sub(kept if written == address else quote(kept, safe=""), text)
    return text


def _ipv4_network(address: str) -> str:
    return f"{address.rpartition('.')[0]}.0/{IPV4_BITS_KEPT}"


def _ipv6_network(address: str) -> str:
    """Return the network of an address of IPv6. PERF: by its text, since ipaddress takes 30 microseconds."""
    bare = address.partition("%")[0].lower()
    if bare.startswith("::ffff:") and "." in bare:
        return _ipv4_network(bare.rpartition(":")[2])
    begin, gap, end = bare.partition("::")
    groups = begin.split(":") if begin else []
    if gap and len(groups) < _GROUPS_KEPT:
        after = end.split(":") if end else []
        # Four numbers with dots are two groups.
        groups += ["0"] * (_GROUPS - len(groups) - len(after) - ("." in end)) + after
    kept = [f"{int(group, 16):x}" for group in groups[:_GROUPS_KEPT]]
    while kept and kept[-1] == "0":
        kept.pop()
    return f"{':'.join(kept)}::/{IPV6_BITS_KEPT}"


def _kept(address: str, storage: AddressStorage) -> str:
    return (stored_address(address, storage) or "").partition("/")[0]


@lru_cache(maxsize=1024)
def _pattern(address: str) -> re.Pattern[str]:
    # Not as a part of a longer address.
    return re.compile(rf"(?<![0-9A-Fa-f.:]){re.escape(address)}(?![0-9A-Fa-f:]|\.[0-9])", re.IGNORECASE)
