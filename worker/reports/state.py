"""The one row of report_state, and the lock under which roll-ups change. SQL only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import psycopg

from config.settings import ReportSettings
from tracking.reports import number_of_day
from worker.runtime import Connection, log

HOUR_S = 3600
DAY_HOURS = 24
# RACE: both locks are taken before the first query, so that everything sees the moment after them. The first keeps out
# other folds. The second waits for moves of links that are not committed, and holds up new ones: whose a click is must
# not change between this snapshot and this commit. Batches and reports wait for neither. A change of many links may be
# long; then the fold is left to its next turn, since other moves wait behind a lock that waits.
_ALONE = (
    "set transaction isolation level repeatable read",
    "set local lock_timeout = '1s'",
    "lock table report_state in exclusive mode nowait",
    "lock table link_history in share mode",
    "set local lock_timeout to default",
    # PERF: a fold's tables are small and new, so plans with compiling or parallel workers cost more than they save.
    "set local jit = off",
    "set local max_parallel_workers_per_gather = 0",
    "set local work_mem = '64MB'",
)
_LOAD = "select time_zone, built_day, hours_from from report_state"
_BEGIN = "update report_state set time_zone = %s, hours_from = %s"


class State(NamedTuple):
    """The zone of the days, the first day that is in no block of several days, and the first hour that is kept."""

    time_zone: str
    built_day: int
    hours_from: int

    def values(self) -> dict[str, Any]:
        """Return it as the parameters of statements."""
        return {"zone": self.time_zone, "built_day": self.built_day, "hours_from": self.hours_from}

    def day_at(self, unix_s: float) -> int:
        """Return the number of the day at a moment."""
        return number_of_day(datetime.fromtimestamp(unix_s, UTC).astimezone(ZoneInfo(self.time_zone)).date())


@contextmanager
def alone(connection: Connection) -> Iterator[bool]:
    """Be the only one that changes roll-ups, in one snapshot, until the block ends.

    Yields False, in a transaction that is rolled back, while somebody else does or a change of many links goes on.
    """
    with connection.transaction() as transaction:
        try:
            for statement in _ALONE:
                connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            yield False
            raise psycopg.Rollback(transaction) from None
        yield True


def load_state(connection: Connection, settings: ReportSettings, now_s: float) -> State:
    """Return the state in the caller's transaction; before the first fold it begins with what the settings say."""
    row = connection.execute(_LOAD).fetchone()
    assert row is not None
    if row[0] is not None:
        return State(*row)
    begun = State(settings.time_zone, row[1], first_hour(settings, now_s))
    connection.execute(_BEGIN, [begun.time_zone, begun.hours_from])
    log("reports-begun", time_zone=begun.time_zone)
    return begun


def first_hour(settings: ReportSettings, now_s: float) -> int:
    """Return the first hour that is kept, in hours since 1970."""
    return int(now_s) // HOUR_S - settings.hours_days * DAY_HOURS
