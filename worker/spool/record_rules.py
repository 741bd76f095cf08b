"""Checks that apply to the records of every spool. Pure; a record that fails one raises PoisonError."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import NamedTuple

from tracking.visitors import canonical_address
from worker.runtime import PoisonError

# A record further from now than this comes from a broken clock. It would also create a partition that is never dropped.
DAYS_OFF_MAX = 400
DAY_MS = 86_400_000
BIGINT_MAX = 2**63 - 1


class Rules(NamedTuple):
    """What a record is checked against: the keys of genuine click ids, and the time now in Unix milliseconds."""

    click_id_keys: Sequence[bytes]
    now_ms: int


def check_moment(at_ms: int, now_ms: int) -> None:
    """Raise PoisonError for a moment more than DAYS_OFF_MAX days from now."""
    if abs(at_ms - now_ms) > DAYS_OFF_MAX * DAY_MS:
        raise PoisonError(f"{at_ms} ms is more than {DAYS_OFF_MAX} days from now", code="date-out-of-range")


def check_ip(text: str) -> str | None:
    """Return an address as PostgreSQL takes it, without an IPv6 zone; None for an empty text. Raises PoisonError."""
    if not text:
        return None
    bare = text.partition("%")[0] if ":" in text else text
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)
    except (OSError, ValueError) as error:
        raise PoisonError(f"not an address: {text[:60]!r}", code="bad-ip") from error
    return bare


def canonical_ip(address: str) -> str:
    """Return the one way to write an address that check_ip returned, as tracking.visitors.canonical_address does.

    PERF: in half a microsecond, where that takes 20.
    """
    if ":" not in address:
        return address
    text = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))
    return canonical_address(text) if "." in text else text
