"""The routes that need no token: whether the process is alive, whether it can do its work, and its metrics."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

import falcon
import psycopg
from redis import Redis
from redis.exceptions import RedisError

from admin_api.http import Shown, operation
from admin_api.outgoing import load_backlog
from admin_api.runtime import LEDGER_FIGURES, Measurements, Pool, load_outbox_length
from admin_api.spool import load_ledger
from config.database import SchemaError, require_schema


class Alive(Shown):
    """The process answers."""

    status: Literal["alive"]


class Readiness(Shown):
    """Whether requests can be served, and the state of PostgreSQL and Redis."""

    status: Literal["ready", "not ready"]
    database: Literal["up", "away", "old-schema"]
    redis: Literal["up", "away"]
    """Redis is not required: without it changes are stored, and they are published when it is back."""


class Livez:
    """Says whether the process answers at all."""

    @operation("Ask whether the process answers", open=True)
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Alive:
        """The answer is always 200."""
        return Alive(status="alive")


class Readyz:
    """Says whether requests can be served: PostgreSQL answers and has this release's schema."""

    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis

    @operation(
        "Ask whether requests can be served", open=True, statuses=(HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Readiness:
        """The answer is 200 or 503, with the state of each server."""
        database = self._database_state()
        ready = database == "up"
        resp.status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Readiness(status="ready" if ready else "not ready", database=database, redis=self._redis_state())

    def _database_state(self) -> Literal["up", "away", "old-schema"]:
        try:
            with self._pool.connection() as database:
                require_schema(database)
        except SchemaError:
            return "old-schema"
        except psycopg.Error:
            return "away"
        return "up"

    def _redis_state(self) -> Literal["up", "away"]:
        try:
            self._redis.ping()
        except RedisError:
            return "away"
        return "up"


class Metrics:
    """The answer is Prometheus text. Without PostgreSQL it still has what the process itself knows."""

    def __init__(self, pool: Pool, redis: Redis, measurements: Measurements) -> None:
        self._pool = pool
        self._redis = redis
        self._measurements = measurements

    @operation("Get Prometheus metrics", open=True, produces="text/plain")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """The values are measured when they are asked for."""
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
