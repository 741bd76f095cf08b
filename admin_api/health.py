"""The routes that need no token: is the process alive, can it do its work, and its metrics."""

from __future__ import annotations

from typing import Any

import falcon
import psycopg
from redis import Redis
from redis.exceptions import RedisError

from admin_api.outgoing import load_backlog
from admin_api.runtime import LEDGER_FIGURES, Measurements, Pool, load_outbox_length
from admin_api.spool import load_ledger
from config.database import SchemaError, require_schema


class Livez:
    """Whether the process answers at all."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Always 200."""
        resp.media = {"status": "alive"}


class Readyz:
    """Whether requests can be served: PostgreSQL answers and has this release's schema.

    Redis is shown and not required: without it changes are stored, and published when it is back.
    """

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """200 or 503, with the state of each."""
        database = self._database_state()
        resp.media = {
            "status": "ready" if database == "up" else "not ready",
            "database": database,
            "redis": self._redis_state(),
        }
        resp.status = falcon.HTTP_OK if database == "up" else falcon.HTTP_SERVICE_UNAVAILABLE

    def _database_state(self) -> str:
        try:
            with self._pool.connection() as database:
                require_schema(database)
        except SchemaError:
            return "old-schema"
        except psycopg.Error:
            return "away"
        return "up"

    def _redis_state(self) -> str:
        try:
            self._redis.ping()
        except RedisError:
            return "away"
        return "up"


class Metrics:
    """Prometheus text. Without PostgreSQL it still tells what the process itself knows."""

    def __init__(self, pool: Pool, redis: Redis, measurements: Measurements) -> None:
        self._pool = pool
        self._redis = redis
        self._measurements = measurements

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Measure now and show everything."""
        measurements = self._measurements
        try:
            with self._pool.connection() as database:
                measurements.outbox_length.set(load_outbox_length(database))
                backlog = load_backlog(database)
                measurements.deliveries_overdue.set(backlog.overdue)
                measurements.outgoing_suspended.set(backlog.suspended)
                ledger: dict[str, Any] = load_ledger(database, self._redis, wait_s=0)
        except psycopg.Error:
            measurements.database_up.set(0)
        else:
            measurements.database_up.set(1)
            for figure in LEDGER_FIGURES:
                measurements.ledger.labels("clicks", figure).set(ledger[figure])
                measurements.ledger.labels("postbacks", figure).set(ledger["postbacks"][figure])
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"
        resp.data = measurements.text()
