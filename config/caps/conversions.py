"""How many conversions were counted for the caps on conversions. A worker counts and publishes; agents and the admin
read.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from redis import Redis

from config.caps.keys import CONVERSIONS_KEY, CONVERSIONS_VERSION_KEY


class ConversionCounts(NamedTuple):
    """By cap: the period's start in Unix seconds, the conversions in it, and whether the cap is reached."""

    by_cap: dict[int, tuple[int, int, bool]]

    def is_reached(self, cap_id: int, start_s: int) -> bool:
        """Whether the cap is reached in the period that begins at `start_s`."""
        counted_start_s, _, reached = self.by_cap.get(cap_id, (0, 0, False))
        return reached and counted_start_s == start_s


def publish_conversions(redis: Redis, by_cap: Mapping[int, tuple[int, int, bool]]) -> None:
    """Publish the counts of all caps on conversions. Raises RedisError."""
    data = orjson.dumps({str(cap_id): counted for cap_id, counted in by_cap.items()})
    if redis.get(CONVERSIONS_KEY) == data:
        return
    pipeline = redis.pipeline(transaction=True)
    pipeline.set(CONVERSIONS_KEY, data)
    pipeline.set(CONVERSIONS_VERSION_KEY, secrets.token_hex(8))
    pipeline.execute()


def load_conversions(redis: Redis) -> ConversionCounts | None:
    """Return the counts that were published last, None if Redis has none. Raises RedisError."""
    data = redis.get(CONVERSIONS_KEY)
    if not isinstance(data, bytes):
        return None
    return ConversionCounts({int(cap_id): tuple(counted) for cap_id, counted in orjson.loads(data).items()})
