"""What PostgreSQL and Redis say of the installation. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any

import orjson
from redis import Redis

from admin_api.outgoing import load_backlog
from admin_api.runtime import Database, Pool, load_publication
from config.configuration import HOSTS_KEY, fetch_meta
from config.database import applied_migrations, migration_files
from config.tables import retention
from tracking.runtime import QueueName

# RQ's keys.
_QUEUE_KEY = "rq:queue:%s"
_FAILED_KEY = "rq:failed:%s"
# A host that has not reported for a day was taken out of service.
HOST_FORGOTTEN_S = 86_400.0
_WAITING = (
    "select (select count(*) from outbox) as outbox,"
    " (select extract(epoch from now() - min(created_at)) from outbox)::float8 as outbox_age_s,"
    " (select count(*) from report_queue) as report_batches,"
    " (select extract(epoch from now() - min(noted_at)) from report_queue)::float8 as report_age_s,"
    " (select extract(epoch from now() - min(noted_at)) from settling)::float8 as settling_age_s,"
    " extract(epoch from clock_timestamp())::float8 as clock"
)
_AHEAD = "select max(ends_at) as until from partitions_of(%s) where not detaching"


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What PostgreSQL says. Ages are seconds, None where nothing waits; `ahead_days` by partitioned table."""

    version: str
    missing_migrations: tuple[str, ...]
    last_migration: str
    epoch: str
    published_version: int
    outbox: int
    outbox_age_s: float | None
    report_batches: int
    report_age_s: float | None
    settling_age_s: float | None
    clock_offset_s: float
    ahead_days: Mapping[str, float]
    overdue: int
    suspended: int


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the agent of a host reported `age_s` seconds ago."""

    age_s: float
    clock_offset_s: float
    oldest_click_s: float | None
    oldest_postback_s: float | None
    epoch: str | None
    version: int
    disk_free_bytes: int
    disk_bytes: int
    spool_max_bytes: int


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What Redis says: jobs that wait and jobs that failed by queue, what is published, and the hosts by number."""

    waiting: Mapping[str, int]
    failed: Mapping[str, int]
    epoch: str | None
    published_version: int
    clock_offset_s: float
    used_bytes: int
    hosts: Mapping[str, HostFacts]


def load_database_facts(pool: Pool) -> DatabaseFacts:
    """Return what PostgreSQL says, within two seconds. Raises psycopg.Error."""
    with pool.connection(timeout=2.0) as database, database.transaction():
        database.execute("set local statement_timeout to '2s'")
        applied = applied_migrations(database)
        files = [path.stem for path in migration_files()]
        publication = load_publication(database)
        before = time()
        waiting = database.execute(_WAITING).fetchone()
        after = time()
        assert waiting is not None
        clock = waiting.pop("clock")
        backlog = load_backlog(database)
        return DatabaseFacts(
            version=database.info.parameter_status("server_version") or "",
            missing_migrations=tuple(name for name in files if name not in applied),
            last_migration=max(applied, default=""),
            epoch=str(publication.epoch),
            published_version=publication.published_version or 0,
            clock_offset_s=round(clock - (before + after) / 2, 4),
            ahead_days={table: _ahead_days(database, table) for table in ("clicks", *retention.BY_MONTH)},
            overdue=backlog.overdue,
            suspended=backlog.suspended,
            **waiting,
        )


def load_database_bytes(pool: Pool) -> int:
    """Return the size of the database on disk. It may take a while with many partitions."""
    with pool.connection(timeout=2.0) as database:
        row = database.execute("select pg_database_size(current_database()) as size").fetchone()
    assert row is not None
    return int(row["size"])


def load_redis_facts(redis: Redis) -> RedisFacts:
    """Return what Redis says. Raises RedisError."""
    pipeline = redis.pipeline(transaction=False)
    for name in QueueName:
        pipeline.llen(_QUEUE_KEY % name.value)
        pipeline.zcard(_FAILED_KEY % name.value)
    pipeline.hgetall(HOSTS_KEY)
    pipeline.info("memory")
    before = time()
    pipeline.time()
    *counts, reported, memory, (seconds, microseconds) = pipeline.execute()
    middle = (before + time()) / 2
    redis_at = float(seconds) + float(microseconds) / 1e6
    meta = fetch_meta(redis)
    hosts = {node.decode(): _host(orjson.loads(data), redis_at) for node, data in reported.items()}
    return RedisFacts(
        waiting=dict(zip(map(str, QueueName), counts[::2], strict=True)),
        failed=dict(zip(map(str, QueueName), counts[1::2], strict=True)),
        epoch=meta.epoch if meta else None,
        published_version=meta.version if meta else 0,
        clock_offset_s=round(redis_at - middle, 4),
        used_bytes=int(memory["used_memory"]),
        hosts={node: host for node, host in sorted(hosts.items()) if host.age_s < HOST_FORGOTTEN_S},
    )


def _host(report: Mapping[str, Any], redis_at: float) -> HostFacts:
    def age_s(stream: str) -> float | None:
        # The record has the host's clock, which may be another than that of Redis.
        at_ms = report["oldest_ms"].get(stream)
        return None if at_ms is None else max(0.0, redis_at + report["clock_offset_s"] - at_ms / 1000)

    return HostFacts(
        age_s=max(0.0, redis_at - report["at"]),
        clock_offset_s=report["clock_offset_s"],
        oldest_click_s=age_s("clicks"),
        oldest_postback_s=age_s("postbacks"),
        epoch=report["epoch"],
        version=report["version"],
        disk_free_bytes=report["disk_free_bytes"],
        disk_bytes=report["disk_bytes"],
        spool_max_bytes=report["spool_max_bytes"],
    )


def _ahead_days(database: Database, table: str) -> float:
    """Return how many days from now on have a partition."""
    row = database.execute(_AHEAD, [table]).fetchone()
    if row is None or row["until"] is None:
        return 0.0
    until: datetime = row["until"]
    return round((until - datetime.now(UTC)).total_seconds() / 86_400, 2)
