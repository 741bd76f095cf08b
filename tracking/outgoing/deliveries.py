"""The states of a delivery, how an attempt can fail, and when the next one is made. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

# The schedule that Standard Webhooks 1.0.0 gives as its example: ten attempts, the last after 75 h 35 min 5 s.
DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX = len(DELAYS_S) + 1
# Each delay is at random up to so much shorter or longer, so that deliveries that failed together do not return
# together.
JITTER = 0.1
RETRY_AFTER_MAX_S = 86_400
SUSPEND_AFTER_S = 5 * 86_400
# An attempt whose end was not recorded is made again after this. It is longer than any attempt takes: 30 s for a slow
# resolver, and the largest OUTGOING_TIMEOUT_S, 60 s.
LEASE_S = 120


class DeliveryState(StrEnum):
    """pending → delivered | failed. A replay makes either of them pending again."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class OutgoingState(StrEnum):
    """The state of an outgoing postback. Waypost suspends it after five days of failures; an operator sets the
    others.
    """

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
    """Return the seconds until the next attempt after `tries` failed ones, None if there is no other attempt.

    `chance`, from 0 to 1, picks the jitter. A longer pause that the partner asks for is kept, up to a day.
    """
    if tries > len(DELAYS_S):
        return None
    delay_s = DELAYS_S[tries - 1] * (1 - JITTER + 2 * JITTER * chance)
    return delay_s if retry_after_s is None else max(delay_s, min(retry_after_s, RETRY_AFTER_MAX_S))


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, None if there is none or it is malformed."""
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
