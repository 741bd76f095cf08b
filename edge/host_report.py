"""What the agent reports of its host for GET /v1/health: what waits, the mirror's version, the disk, and the clock.

It connects rooms: the shipper knows what waits, the mirror what is served. Reports are overwritten every second; a
Redis that was flushed has them again at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic, time

import orjson
from redis import Redis

from config.configuration import HOSTS_KEY, MirrorMeta
from config.settings import EdgeSettings

INTERVAL_S = 1.0


class HostReporter:
    """Writes this host's report. `step` does so once a second, in the shipper's thread. Raises RedisError."""

    def __init__(
        self,
        settings: EdgeSettings,
        redis: Redis,
        mirror_meta: Callable[[], MirrorMeta | None],
        oldest: Callable[[], Mapping[str, int | None]],
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._mirror_meta = mirror_meta
        self._oldest = oldest
        self._reported_at = -INTERVAL_S

    def step(self) -> None:
        """Report, if the last report is a second old."""
        if monotonic() - self._reported_at < INTERVAL_S:
            return
        self._reported_at = monotonic()
        offset_s, now = self._clock_offset()
        meta = self._mirror_meta()
        disk = os.statvfs(self._settings.spool_dir)
        report = {
            "at": now,
            "clock_offset_s": offset_s,
            "oldest_ms": dict(self._oldest()),
            "epoch": meta.epoch if meta else None,
            "version": meta.version if meta else 0,
            "disk_free_bytes": disk.f_bavail * disk.f_frsize,
            "disk_bytes": disk.f_blocks * disk.f_frsize,
            "spool_max_bytes": self._settings.spool_max_bytes,
        }
        self._redis.hset(HOSTS_KEY, str(self._settings.node_id), orjson.dumps(report).decode())

    def _clock_offset(self) -> tuple[float, float]:
        """Return how many seconds this host's clock is ahead of Redis's, half of the question's way taken off, and the
        Unix seconds of Redis.
        """
        before = time()
        seconds, microseconds = self._redis.time()
        after = time()
        redis_at = float(seconds) + float(microseconds) / 1e6
        return round((before + after) / 2 - redis_at, 4), redis_at
