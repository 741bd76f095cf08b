"""The number that stands for a visitor: keyed hashes of an address and of a user agent. Pure.

It stays when the address is cut or dropped. SECURITY: without a key of click ids, nobody can find the address from the
number. Who has the key can test whether a number belongs to an address.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address
from typing import NewType

from tracking.visitors.limits import HEADER_CHARACTERS_MAX

VisitorKey = NewType("VisitorKey", bytes)
_PURPOSE = b"visitor"
_BITS = 32
_SIGN = 1 << 63
# The beginnings of addresses of local networks. What IPv6 has of them is told by four digits.
_LOCAL_IPV4 = ("127.", "10.", "192.168.", "169.254.", *(f"172.{number}." for number in range(16, 32)))
_LOCAL_IPV6 = re.compile(r"::1$|(f[cd]..|fe[89ab].):")


@lru_cache(maxsize=16)
def visitor_key(click_id_key: bytes) -> VisitorKey:
    """Return the key of visitor numbers that is derived from a key of click ids.

    New clicks use that of the first key, which also mints click ids. After the first key changed, every visitor is new
    once.
    """
    return VisitorKey(blake2b(_PURPOSE, key=click_id_key, digest_size=32).digest())


def visitor_number(address: str, user_agent: str, key: VisitorKey) -> int | None:
    """Return the number of a visitor, which fits a signed 64-bit integer; None without an address.

    The address is the high 32 bits, the agent the low ones. `user_agent` is latin-1 of bytes, as in the click record.
    """
    return address_number(canonical_address(address), key) + agent_number(user_agent, key) if address else None


def address_range(address: str, key: VisitorKey) -> tuple[int, int]:
    """Return the lowest and the highest number that visitors of an address can have.

    One address in four thousand million shares the range with another one.
    """
    low = address_number(canonical_address(address), key)
    return low, low + (1 << _BITS) - 1


def is_local(address: str) -> bool:
    """Return whether a canonical address is of a local network or of this machine: a proxy's, and no visitor's."""
    return _LOCAL_IPV6.match(address) is not None if ":" in address else address.startswith(_LOCAL_IPV4)


def address_number(address: str, key: VisitorKey) -> int:
    """Return the lowest number that a visitor of a canonical address can have.

    PERF: it does not make the address canonical, since Python takes 20 microseconds for one of IPv6, and most visitors
    of a phone network have one of their own.
    """
    number = _bits(address, key) << _BITS
    return number - (1 << 64) if number & _SIGN else number


def agent_number(user_agent: str, key: VisitorKey) -> int:
    """Return what a user agent adds to the number of its address. Its first characters count."""
    return _bits(user_agent[:HEADER_CHARACTERS_MAX], key)


def canonical_address(address: str) -> str:
    """Return the one way to write an address, without a zone; a text that is none as it is."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    # A server that listens on `::` sees visitors of IPv4 as ::ffff:192.0.2.7.
    return str(parsed.ipv4_mapped or parsed)


def _bits(text: str, key: VisitorKey) -> int:
    return int.from_bytes(blake2b(text.encode("latin-1", "replace"), key=key, digest_size=_BITS // 8).digest())
