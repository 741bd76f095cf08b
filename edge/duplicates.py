"""The early answer to repeated postbacks: a marker in Redis. PostgreSQL is the judge; without Redis nothing is lost
or wrong.

A marker only ever changes the status code of the answer: the postback is spooled and judged either way.
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from time import monotonic
from typing import Any

from redis import Redis, RedisError

from tracking.events import REPEAT_WINDOW_S, REPEATABLE_EVENTS

_log = logging.getLogger(__name__)
_MARKER_TTL_S = 7 * 86_400
# SECURITY: a Redis that hangs must not hold up a redirect served by the same process, so it is asked again only later.
_TIMEOUT_S = 0.1
_PAUSE_S = 2.0


class DuplicateMarkers:
    """Remembers postbacks by account, click, event and order."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry_on_timeout=False, retry=None
        )
        self._paused_until = 0.0

    def seen(self, account: int | None, fields: dict[str, Any]) -> bool:
        """Return whether the same postback was marked before, marking it now. False whenever Redis cannot say."""
        if monotonic() < self._paused_until:
            return False
        key, content, ttl_s = _marker(account, fields)
        try:
            before = self._redis.set(key, content, ex=ttl_s, get=True)
        except RedisError as error:
            self._paused_until = monotonic() + _PAUSE_S
            _log.warning("Redis is away, duplicates are found by the worker alone: %s", error)
            return False
        return isinstance(before, bytes) and before.decode() == content


def _marker(account: int | None, fields: dict[str, Any]) -> tuple[str, str, int]:
    """Return the key of what a postback is about, its content, and for how long a repeat of it is one."""
    event, order_id = fields["event"], fields["order_id"]
    content = f"{fields['status']}|{fields['payout_minor']}|{fields['currency']}"
    about = f"{account or 0}|{fields['click_id']}|{event}|{order_id or ''}"
    ttl_s = _MARKER_TTL_S
    if order_id is None and event in REPEATABLE_EVENTS:
        about += f"|{content}"
        ttl_s = REPEAT_WINDOW_S
    return (f"waypost:seen:{blake2b(about.encode(), digest_size=16).hexdigest()}", content, ttl_s)
