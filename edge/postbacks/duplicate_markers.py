"""Markers in Redis that let the edge answer a repeated postback with 409.

A marker only changes the status code of the answer. Every postback is spooled, and the worker decides what counts, so
nothing is lost or counted twice without Redis.
"""

from __future__ import annotations

import logging
from collections.abc import Set
from hashlib import blake2b
from time import monotonic
from typing import Any

from redis import Redis, RedisError

from edge.postbacks.nonce_store import NONCE_TTL_S
from tracking.conversions import REPEAT_WINDOW_S, REPEATABLE_EVENTS

_log = logging.getLogger(__name__)
_MARKER_TTL_S = 7 * 86_400
# SECURITY: whoever has one click id can send any number of order ids without a token. Each makes a key of 170 bytes in
# a Redis that evicts none. At the rate that one address may send, those of a week take 100 GB, those of ten minutes 100
# MB.
_ANONYMOUS_TTL_S = 600
# SECURITY: a Redis that hangs must not hold up the redirects of the same process. It is asked again only after a pause
# of twenty times as long as it took, which may be longer than the timeout if its name does not resolve.
_TIMEOUT_S = 0.1
_PAUSE_S = 2.0
_PAUSE_FACTOR = 20


class DuplicateMarkers:
    """Marks postbacks by account, click, event and order, and signed ones by their id too."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, retry_on_timeout=False, retry=None
        )
        self._paused_until = 0.0

    def check_and_mark(
        self, account: int | None, fields: dict[str, Any], repeatable: Set[str] = REPEATABLE_EVENTS
    ) -> bool:
        """Mark a postback, and return whether the same one was marked before. False if Redis does not answer."""
        key, content, ttl_s = _marker(account, fields, repeatable)
        return self._before(key, content, ttl_s) == content

    def check_and_mark_nonce(self, account: int, nonce: str) -> bool:
        """Mark an id of an account, and return whether it was marked before. False if Redis does not answer."""
        return self._before(_nonce_key(account, nonce), "1", NONCE_TTL_S) is not None

    def forget_nonce(self, account: int, nonce: str) -> None:
        """Remove the marker of an id whose postback could not be recorded and will be sent again."""
        begun = monotonic()
        if begun < self._paused_until:
            return
        try:
            self._redis.delete(_nonce_key(account, nonce))
        except RedisError as error:
            self._pause(error, begun)

    def _before(self, key: str, content: str, ttl_s: int) -> str | None:
        """Write a marker and return its content before; None if there was none or Redis does not answer."""
        begun = monotonic()
        if begun < self._paused_until:
            return None
        try:
            before = self._redis.set(key, content, ex=ttl_s, get=True)
        except RedisError as error:
            self._pause(error, begun)
            return None
        return before.decode() if isinstance(before, bytes) else None

    def _pause(self, error: RedisError, begun: float) -> None:
        now = monotonic()
        self._paused_until = now + max(_PAUSE_S, _PAUSE_FACTOR * (now - begun))
        _log.warning("Redis is away, duplicates are found by the worker alone: %s", error)


def _nonce_key(account: int, nonce: str) -> str:
    return f"waypost:nonce:{account}:{blake2b(nonce.encode(), digest_size=16).hexdigest()}"


def _marker(account: int | None, fields: dict[str, Any], repeatable: Set[str]) -> tuple[str, str, int]:
    """Return a marker's key, its content, and for how many seconds a postback of the same content is a repetition."""
    event, order_id = fields["event"], fields["order_id"]
    content = f"{fields['status']}|{fields['payout_minor']}|{fields['currency']}"
    about = f"{account or 0}|{fields['click_id']}|{event}|{order_id or ''}"
    ttl_s = _ANONYMOUS_TTL_S if account is None else _MARKER_TTL_S
    if order_id is None and event in repeatable:
        about += f"|{content}"
        ttl_s = REPEAT_WINDOW_S
    return (f"waypost:seen:{blake2b(about.encode(), digest_size=16).hexdigest()}", content, ttl_s)
