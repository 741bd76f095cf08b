"""Limits how many postbacks a sender may send in a minute, counted by each process alone.

With n processes on each of h hosts, a sender can reach n times h times its limit. That is enough to keep one sender
from filling the disk, which is all that the limit is for.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from threading import Lock
from time import monotonic
from typing import NamedTuple

WINDOW_S = 60
# So many of a sender's refused postbacks are stored in each window. The others are only counted.
SAMPLE_SIZE = 10
# So many senders have a count of their own. All others share one until the window ends.
SENDERS_MAX = 50_000
_NETWORK_BITS_V6 = 64


class RateLimitState(NamedTuple):
    """A sender's quota, how much of it is used with this request, and in how many seconds it is reset."""

    quota: int
    used: int
    reset_s: int

    @property
    def is_exceeded(self) -> bool:
        """Whether this request is beyond the quota."""
        return self.used > self.quota

    @property
    def is_sample(self) -> bool:
        """Whether this request is recorded even if it is refused."""
        return self.used <= self.quota + SAMPLE_SIZE

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-11, with Retry-After if the quota is exceeded."""
        left = max(0, self.quota - self.used)
        fields = {
            "RateLimit-Policy": f'"postbacks";q={self.quota};w={WINDOW_S}',
            "RateLimit": f'"postbacks";r={left};t={self.reset_s}',
        }
        return fields | {"Retry-After": str(self.reset_s)} if self.is_exceeded else fields


class RateLimits:
    """Counts requests by sender in windows of a minute. `now_s` is a clock that never goes back."""

    def __init__(self, quota: int, now_s: Callable[[], float] = monotonic) -> None:
        self._quota = quota
        self._now_s = now_s
        self._lock = Lock()
        self._ends_at = 0.0
        self._used: dict[str, int] = {}

    def consume(self, sender: str, quota: int | None = None) -> RateLimitState:
        """Count one request of a sender. `quota` is the sender's own, if it has one."""
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
    """Return the sender that a request counts for: its account, else its address, or its /64 network with IPv6."""
    if merchant_id is not None:
        return f"account {merchant_id}"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown address"
    if parsed.version == 4:
        return str(parsed)
    return f"{int(parsed) >> (128 - _NETWORK_BITS_V6):x}::/{_NETWORK_BITS_V6}"
