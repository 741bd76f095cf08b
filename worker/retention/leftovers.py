"""Deletes what is old in tables without partitions, in transactions so small that nobody waits for them. SQL only.

These tables are small. An issue is updated for as long as it happens, and a reconciliation and a replay have rows of
their own: partitions of a time would not hold what belongs together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from tracking.privacy import RetentionClass
from worker.runtime import Connection

DELETED_TOGETHER = 1000


class _Leftover(NamedTuple):
    """The rows of a table that are old: its key, when a row is old, and how many are deleted together."""

    table: str
    key: str
    is_old: str
    together: int = DELETED_TOGETHER


_OLD = "< now() - make_interval(days => %(days)s)"
_LEFTOVERS: Mapping[RetentionClass, _Leftover] = MappingProxyType(
    {
        RetentionClass.ISSUES: _Leftover("issues", "issue_id", f"state = 'resolved' and resolved_at {_OLD}"),
        # Each has up to hundreds of thousands of rows, which go with it.
        RetentionClass.RECONCILIATIONS: _Leftover(
            "reconciliations", "reconciliation_id", f"created_at {_OLD}", together=1
        ),
        RetentionClass.POISON: _Leftover("poison_records", "spool_id, spool_number", f"stored_at {_OLD}"),
        # A replay goes after its judgements, which have partitions.
        RetentionClass.JUDGEMENTS: _Leftover(
            "replays",
            "replay_id",
            f"finished_at is not null and updated_at {_OLD}"
            " and not exists (select from postback_judgements j where j.replay_id = replays.replay_id)",
        ),
    }
)


def delete_old(connection: Connection, kind: RetentionClass, days: int, goes_on: Callable[[], bool]) -> int:
    """Delete the rows of a class that are older than so many days; return how many. 0 days mean for ever."""
    old = _LEFTOVERS.get(kind)
    if days == 0 or old is None:
        return 0
    statement = (
        f"delete from {old.table} where ({old.key}) in (select {old.key} from {old.table} where {old.is_old}"  # noqa: S608
        f" order by {old.key} limit %(limit)s for update skip locked)"
    )
    deleted = 0
    while goes_on():
        count = connection.execute(statement, {"days": days, "limit": old.together}).rowcount
        deleted += count
        if count < old.together:
            break
    return deleted
