"""How many postbacks an account may send in a minute, counted in this process alone.

With n processes on h hosts an account can come to n times h times its limit, when all of them get their share of its
requests: the limit keeps one sender from filling the disk, and no amount depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from threading import Lock
from time import monotonic
from typing import NamedTuple

WINDOW_S = 60
# Of what is refused, so many in a window are stored raw; a flood beyond them is only counted.
SAMPLE_SIZE = 10
# Senders counted apart at once; all others share one count until the window ends.
SENDERS_MAX = 50_000
_NETWORK_BITS_V6 = 64


class RateLimitState(NamedTuple):
    """What is left of a sender's quota after this request, and for how many seconds that must do.

    `is_sample` says that a request beyond the quota is to be stored all the same.
    """

    quota: int
    used: int
    reset_s: int

    @property
    def is_exceeded(self) -> bool:
        """Whether this request is beyond the quota."""
        return self.used > self.quota

    @property
    def is_sample(self) -> bool:
        """Whether this refused request is one of those that are stored."""
        return self.used <= self.quota + SAMPLE_SIZE

    def headers(self) -> dict[str, str]:
        """Return the fields of draft-ietf-httpapi-ratelimit-headers-11, and Retry-After where it is exceeded."""
        left = max(0, self.quota - self.used)
        fields = {
            "RateLimit-Policy": f'"postbacks";q={self.quota};w={WINDOW_S}',
            "RateLimit": f'"postbacks";r={left};t={self.reset_s}',
        }
        return fields | {"Retry-After": str(self.reset_s)} if self.is_exceeded else fields


class RateLimits:
    """Counts requests by sender within windows of a minute. `now_s` is a clock that only goes forward."""

    def __init__(self, quota: int, now_s: Callable[[], float] = monotonic) -> None:
        self._quota = quota
        self._now_s = now_s
        self._lock = Lock()
        self._ends_at = 0.0
        self._used: dict[str, int] = {}

    def consume(self, sender: str, quota: int | None = None) -> RateLimitState:
        """Count one request of a sender, whose quota may be its own."""
        with self._lock:
            now = self._now_s()
            if now >= self._ends_at:
                self._ends_at = now + WINDOW_S
                self._used.clear()
            if sender not in self._used and len(self._used) >= SENDERS_MAX:
                sender = ""
            used = self._used[sender] = self._used.get(sender, 0) + 1
            reset_s = int(self._ends_at - now) + 1
        return RateLimitState(self._quota if quota is None else quota, used, min(reset_s, WINDOW_S))


def sender_of(merchant_id: int | None, address: str) -> str:
    """Return who a request is counted for: its account, or else its address, of IPv6 the network of 64 bits."""
    if merchant_id is not None:
        return f"account {merchant_id}"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown address"
    if parsed.version == 4:
        return str(parsed)
    return f"{int(parsed) >> (128 - _NETWORK_BITS_V6):x}::/{_NETWORK_BITS_V6}"
