"""Drops the partitions whose every row is older than its class is kept.

It is decided in a row of retention_drops, detached concurrently, and then counted and dropped. A process that is killed
in between leaves the row, and the next run goes on with it.
RACE: neither step waits with a lock that storing needs. To detach concurrently takes no lock that inserts or reads wait
for; what is dropped is a table of its own by then. A record that comes for the time of a dropped partition gets a new
partition, which is dropped with the next run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import LiteralString, NamedTuple

from psycopg import errors, sql

from config.tables import retention
from tracking.privacy import RetentionClass
from worker.runtime import Connection, log

# To detach waits for every transaction that began before it and has looked at the table, such as a long report.
DETACH_TIMEOUT_S = 45
# The count is only shown to the operator.
COUNT_TIMEOUT_MS = 20_000
_COUNT: LiteralString = "select count(*) from {}"
_ESTIMATE = "select greatest(reltuples, 0)::bigint from pg_class where oid = quote_ident(%s)::regclass"
_OPEN = "select drop_id, partition_name from retention_drops where class = %s and dropped_at is null order by drop_id"
_DECIDE = (
    "insert into retention_drops (class, partition_name, begins_at, ends_at) values (%s, %s, %s, %s) returning drop_id"
)
_THERE = "select to_regclass(quote_ident(%s)) is not null"
_DROPPED = (
    "update retention_drops set dropped_at = now(), rows = coalesce(%s, rows, 0), bytes = coalesce(%s, bytes, 0)"
    " where drop_id = %s"
)


class _Drop(NamedTuple):
    """A partition that is to be dropped."""

    drop_id: int
    table: str
    partition: str


def drop_due(connection: Connection, kind: RetentionClass, days: int, goes_on: Callable[[], bool]) -> int:
    """Drop what is due of a class, and what an earlier run left; return how many partitions are gone.

    Stops without an error when a partition cannot be detached now: the next run tries again.
    """
    table = retention.PARTITIONED[kind]
    dropped = 0
    while goes_on():
        found = _next(connection, kind, table, days)
        if found is None:
            break
        try:
            _detach(connection, found)
        except (errors.QueryCanceled, errors.LockNotAvailable) as error:
            log("partition-not-detached", logging.WARNING, partition=found.partition, error=error)
            break
        _drop(connection, found)
        dropped += 1
    return dropped


def is_due(ends_at: datetime, days: int, now: datetime) -> bool:
    """Whether everything in a partition, which ends before `ends_at`, is older than so many days."""
    return days > 0 and ends_at + timedelta(days=days) <= now


def _next(connection: Connection, kind: RetentionClass, table: str, days: int) -> _Drop | None:
    """Return the partition to drop next: one that was decided before, else the oldest that is due."""
    row = connection.execute(_OPEN, [kind]).fetchone()
    if row is not None:
        return _Drop(row[0], table, row[1])
    now = datetime.now(UTC)
    for name, begins_at, ends_at, _ in connection.execute(retention.PARTITIONS, [table]):
        if is_due(ends_at, days, now):
            row = connection.execute(_DECIDE, [kind, name, begins_at, ends_at]).fetchone()
            return None if row is None else _Drop(row[0], table, name)
    return None


def _detach(connection: Connection, drop: _Drop) -> None:
    states = {row[0]: row[3] for row in connection.execute(retention.PARTITIONS, [drop.table])}
    if drop.partition not in states:
        return
    # An interrupted detach must be finished. Either kind runs outside of a transaction.
    how = "finalize" if states[drop.partition] else "concurrently"
    statement = sql.SQL(f"alter table {{}} detach partition {{}} {how}")
    connection.execute(f"set statement_timeout = '{DETACH_TIMEOUT_S}s'")
    try:
        connection.execute(statement.format(sql.Identifier(drop.table), sql.Identifier(drop.partition)))
    finally:
        connection.execute("reset statement_timeout")


def _drop(connection: Connection, drop: _Drop) -> None:
    rows = size = None
    with connection.transaction():
        there = connection.execute(_THERE, [drop.partition]).fetchone()
        if there is not None and there[0]:
            rows = _count(connection, drop.partition)
            measured = connection.execute("select pg_total_relation_size(quote_ident(%s)::regclass)", [drop.partition])
            (size,) = measured.fetchone() or (None,)
            connection.execute(sql.SQL("drop table {}").format(sql.Identifier(drop.partition)))
        connection.execute(_DROPPED, [rows, size, drop.drop_id])
    log("partition-dropped", partition=drop.partition, rows=rows, bytes=size)


def _count(connection: Connection, partition: str) -> int:
    """Return how many rows a table has; of one that takes too long to count, PostgreSQL's estimate."""
    try:
        with connection.transaction():
            connection.execute(f"set local statement_timeout = {COUNT_TIMEOUT_MS}")
            row = connection.execute(sql.SQL(_COUNT).format(sql.Identifier(partition))).fetchone()
    except errors.QueryCanceled:
        row = connection.execute(_ESTIMATE, [partition]).fetchone()
    # A subtransaction that ends well keeps what it set.
    connection.execute("reset statement_timeout")
    return 0 if row is None else int(row[0])
