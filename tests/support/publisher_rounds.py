"""Rounds of the publisher, and what must come of them: seen from the database, from Redis, and from a follower."""

from __future__ import annotations

from redis import Redis

from admin_api.configuration.compilation import stream_served
from admin_api.configuration.publisher import publish_round
from admin_api.runtime import Database, Measurements
from admin_client import published
from config.configuration import fetch_changes, fetch_meta


def settle(database: Database, redis: Redis) -> None:
    """Run rounds until nothing is pending."""
    while publish_round(database, redis, Measurements()):
        pass


def expected(database: Database) -> dict[str, bytes]:
    """Return what the database says should be served."""
    with database.transaction():
        return dict(stream_served(database))


class Follower:
    """Follows the stream as an agent must: applies what continues its version, starts over at anything else."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._resync()

    def _resync(self) -> None:
        meta = fetch_meta(self._redis)
        assert meta is not None
        self.epoch, self.version, self._last_id = meta
        self.served: dict[str, bytes] = published(self._redis)

    def catch_up(self) -> dict[str, bytes]:
        """Return what an edge serves after all that was published until now."""
        meta = fetch_meta(self._redis)
        assert meta is not None
        if meta.epoch != self.epoch:
            self._resync()
        while sets := fetch_changes(self._redis, self._last_id, 1):
            for change_set in sets:
                if (change_set.epoch, change_set.previous) != (self.epoch, self.version):
                    self._resync()
                    break
                self.version, self._last_id = change_set.version, change_set.stream_id
                for key, value in change_set.changes.items():
                    if value is None:
                        self.served.pop(key, None)
                    else:
                        self.served[key] = value
        return self.served
