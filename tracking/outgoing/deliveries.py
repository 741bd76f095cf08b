"""Deliveries: their states, how an attempt can fail, and when the next one is made. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

# The schedule that Standard Webhooks 1.0.0 gives as its example: ten attempts, the last after 75 h 35 min 5 s.
DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX = len(DELAYS_S) + 1
# Each delay is up to so much shorter or longer, so that what failed together does not come back together.
JITTER = 0.1
RETRY_AFTER_MAX_S = 86_400
SUSPEND_AFTER_S = 5 * 86_400
# When an attempt that nobody reported the end of is made again. Longer than an attempt can take, a slow resolver
# (30 s) and the largest OUTGOING_TIMEOUT_S (60 s) included.
LEASE_S = 120


class DeliveryState(StrEnum):
    """pending → delivered | failed; a replay makes either pending again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class OutgoingState(StrEnum):
    """Of an outgoing postback. Suspended by Waypost, for five days of failure; the others are the operator's."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    SUSPENDED = "suspended"


class AttemptError(StrEnum):
    """Why an attempt was not answered with 2xx."""

    BAD_URL = "bad-url"
    ADDRESS_REFUSED = "address-refused"
    NAME_NOT_RESOLVED = "name-not-resolved"
    CONNECT_FAILED = "connect-failed"
    TLS_FAILED = "tls-failed"
    TIMED_OUT = "timed-out"
    CONNECTION_LOST = "connection-lost"
    BAD_RESPONSE = "bad-response"
    REDIRECTED = "redirected"
    STATUS = "status-not-2xx"
    GONE = "gone"
    INTERNAL = "attempt-failed"


def retry_delay_s(tries: int, chance: float, retry_after_s: float | None = None) -> float | None:
    """Return after how long to try again, `tries` attempts of this round having failed; None when that was the last.

    `chance`, from 0 to 1, is where in the jitter it falls. What the partner asked for is kept to, up to a day; it
    never makes the next attempt earlier.
    """
    if tries > len(DELAYS_S):
        return None
    delay_s = DELAYS_S[tries - 1] * (1 - JITTER + 2 * JITTER * chance)
    return delay_s if retry_after_s is None else max(delay_s, min(retry_after_s, RETRY_AFTER_MAX_S))


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, None when there is none that can be read."""
    if not text:
        return None
    trimmed = text.strip()
    if trimmed.isascii() and trimmed.isdigit():
        return float(trimmed[:12])
    try:
        moment = parsedate_to_datetime(trimmed)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
