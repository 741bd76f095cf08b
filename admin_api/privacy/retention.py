"""What is kept for how long: each class of data with its days, its oldest, its size and what is dropped next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString

import falcon

from admin_api.http import Shown, operation
from admin_api.runtime import Database, Pool
from config.settings import RetentionDays
from config.tables import retention
from tracking.privacy import RetentionClass

# The size of a partition with its indexes. The rows are PostgreSQL's own estimate, since counting reads everything.
_PARTITIONS: LiteralString = """
    select parts.partition_name, nullif(begins_at, '-infinity') as begins_at, ends_at,
        pg_total_relation_size(c.oid) as bytes, greatest(c.reltuples, 0)::bigint as rows
    from partitions_of(%s) parts
        join pg_class c on c.relname = parts.partition_name and c.relnamespace = current_schema()::regnamespace
    where not detaching order by ends_at
"""
_DROPPED: LiteralString = """
    select class, count(*) as partitions, sum(rows)::bigint as rows, max(dropped_at) as last_at
    from retention_drops where dropped_at is not null group by class
"""
_PLAIN: Mapping[RetentionClass, tuple[LiteralString, LiteralString, LiteralString]] = {
    # The table, the condition of rows that have an age at all, and the column of their age.
    RetentionClass.ISSUES: ("issues", "state = 'resolved'", "resolved_at"),
    RetentionClass.RECONCILIATIONS: ("reconciliations", "true", "created_at"),
    RetentionClass.POISON: ("poison_records", "true", "stored_at"),
}


class Kept(Shown):
    """One class of data."""

    name: RetentionClass
    days: int
    """For how many days it is kept; 0 means for ever."""
    partitions: int
    """How many partitions there are that hold rows or may get some; 0 for a class that is deleted row by row."""
    rows: int
    """About how many rows there are: PostgreSQL's own estimate for a class with partitions."""
    bytes: int
    """How much of the disk it takes, indexes included."""
    oldest_at: datetime | None
    """The beginning of the oldest partition, or the time of the oldest row. Null if there is none, or if the oldest
    partition holds all that was stored before there were partitions."""
    next_drop: str | None
    """The partition that is dropped next; null if it is kept for ever or deleted row by row."""
    next_drop_at: datetime | None
    """When the partition or the oldest row is due."""
    dropped_partitions: int
    """How many partitions were dropped so far."""
    dropped_rows: int
    """How many rows they had."""
    last_dropped_at: datetime | None


class RetentionShown(Shown):
    """What is kept for how long."""

    classes: list[Kept]


class Retention:
    """Retention as a resource."""

    def __init__(self, pool: Pool, days: RetentionDays) -> None:
        self._pool = pool
        self._days = days

    @operation("Show what is kept for how long")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> RetentionShown:
        """Conversions, entries, payouts and daily counts are in no class: they are kept for ever."""
        with self._pool.connection() as database:
            dropped = {row["class"]: row for row in database.execute(_DROPPED).fetchall()}
            classes = [self._kept(database, kind, dropped.get(kind)) for kind in RetentionClass]
        return RetentionShown(classes=classes)

    def _kept(self, database: Database, kind: RetentionClass, dropped: Mapping[str, Any] | None) -> Kept:
        days = self._days[kind]
        table = retention.PARTITIONED.get(kind)
        found = _of_table(database, kind, days) if table is None else _of_partitions(database, table, days)
        return Kept.of(
            found,
            name=kind,
            days=days,
            dropped_partitions=dropped["partitions"] if dropped else 0,
            dropped_rows=dropped["rows"] if dropped else 0,
            last_dropped_at=dropped["last_at"] if dropped else None,
        )


def _of_partitions(database: Database, table: str, days: int) -> dict[str, Any]:
    parts = database.execute(_PARTITIONS, [table]).fetchall()
    oldest = parts[0] if parts else None
    is_next = oldest is not None and days > 0
    return {
        "partitions": len(parts),
        "rows": sum(part["rows"] for part in parts),
        "bytes": sum(part["bytes"] for part in parts),
        "oldest_at": oldest["begins_at"] if oldest else None,
        "next_drop": oldest["partition_name"] if oldest and is_next else None,
        "next_drop_at": oldest["ends_at"] + timedelta(days=days) if oldest and is_next else None,
    }


def _of_table(database: Database, kind: RetentionClass, days: int) -> dict[str, Any]:
    table, has_age, moment = _PLAIN[kind]
    query: LiteralString = (
        f"select count(*) as rows, min({moment}) filter (where {has_age}) as oldest_at,"  # noqa: S608
        f" pg_total_relation_size('{table}') as bytes from {table}"
    )
    row = database.execute(query).fetchone()
    assert row is not None
    oldest_at = row["oldest_at"]
    due_at = oldest_at + timedelta(days=days) if oldest_at is not None and days > 0 else None
    return {**row, "partitions": 0, "next_drop": None, "next_drop_at": due_at}
