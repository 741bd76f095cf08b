"""How many requests a caller may make in a minute, and how every answer says so.

The fields are those of draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy` has the quota `q` and the window `w` in
seconds, `RateLimit` has what remains `r` and the seconds `t` until the quota is whole again. The counts are in this
process, which is the only one that serves the admin API, and begin anew with it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from threading import Lock
from time import monotonic
from typing import NamedTuple

import falcon

from admin_api.http.callers import caller_key
from admin_api.http.errors import TooManyRequestsError

WINDOW_S = 60
# Windows that have ended are removed when there are more callers than this.
_CALLERS_MAX = 1000
_POLICY = '"requests"'


class Quota(NamedTuple):
    """What a caller has left, and the seconds until its window ends. Less than nothing is left of what is refused."""

    remaining: int
    ends_in_s: int


class RateLimit:
    """Falcon middleware that runs after authentication, so that each caller has a quota of its own. 0 is no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = Lock()
        # By caller: when its window ends, and how many requests it has made in it.
        self._windows: dict[str, tuple[float, int]] = {}

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Count the request, say in the answer what is left, or raise TooManyRequestsError."""
        actor = getattr(req.context, "actor", None)
        if actor is None or not self._per_minute:
            return
        left = self.take(caller_key(actor))
        resp.set_header("RateLimit-Policy", f"{_POLICY};q={self._per_minute};w={WINDOW_S}")
        resp.set_header("RateLimit", f"{_POLICY};r={max(left.remaining, 0)};t={left.ends_in_s}")
        if left.remaining < 0:
            raise TooManyRequestsError(
                f"this caller may make {self._per_minute} requests a minute; go on in {left.ends_in_s} s",
                retry_after_s=left.ends_in_s,
            )

    def take(self, caller: str) -> Quota:
        """Count one request of a caller and return what is left of its quota."""
        with self._lock:
            now = self._clock()
            ends_at, made = self._windows.get(caller, (0.0, 0))
            if ends_at <= now:
                self._forget(now)
                ends_at, made = now + WINDOW_S, 0
            self._windows[caller] = ends_at, made + 1
        return Quota(self._per_minute - made - 1, ceil(ends_at - now))

    def _forget(self, now: float) -> None:
        if len(self._windows) > _CALLERS_MAX:
            self._windows = {caller: window for caller, window in self._windows.items() if window[0] > now}
