"""Connections to PostgreSQL and Redis, and the error to raise when there is no connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tracking.runtime import WaypostError

Row = dict[str, Any]
Database = Connection[Row]

CONNECT_TIMEOUT_S = 5
REDIS_TIMEOUT_S = 5
SERVER_VERSION_MIN = 15_00_00


class UnreachableError(WaypostError):
    """A server cannot be used. The message names the setting and never shows a password."""

    code = "unreachable"


def connect_database(database_url: str) -> Database:
    """Return one connection in autocommit, or raise UnreachableError."""
    try:
        place = _place(conninfo_to_dict(database_url))
    except psycopg.Error:
        raise UnreachableError(
            "DATABASE_URL is not a PostgreSQL URL; write it as postgresql://user:password@host:port/name"
        ) from None
    try:
        database = psycopg.connect(
            database_url, autocommit=True, row_factory=dict_row, connect_timeout=CONNECT_TIMEOUT_S
        )
    except psycopg.Error as error:
        # SECURITY: the reason is the last line of the server's or system's message, which never repeats the password.
        reason = str(error).strip().splitlines()[-1].strip()
        raise UnreachableError(
            f"PostgreSQL at {place} cannot be reached ({reason}); start it or set DATABASE_URL to one that runs"
        ) from None
    if database.info.server_version < SERVER_VERSION_MIN:
        database.close()
        raise UnreachableError(f"PostgreSQL at {place} is older than 15; set DATABASE_URL to a newer one")
    return database


def connect_redis(url: str) -> Redis:
    """Return a client that gives up soon and never retries by itself: only the caller knows what repeating means."""
    try:
        return Redis.from_url(
            url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise UnreachableError("REDIS_URL is not a Redis URL; write it as redis://:password@host:port/0") from None


def _place(conninfo: Mapping[str, object]) -> str:
    host = conninfo.get("host") or conninfo.get("hostaddr") or "the local socket"
    return f"{host}:{conninfo.get('port') or 5432}, database {conninfo.get('dbname') or conninfo.get('user') or ''}"
