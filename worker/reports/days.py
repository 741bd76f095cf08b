"""Adds days that are over to the blocks of 4, 16 and 64 days, and deletes hours that are older than they are kept.

PERF: clicks come for today almost alone. So a fold writes one row of an hour and one of a day for a key, and the three
larger blocks get the whole day at once.
"""

from __future__ import annotations

from tracking.reports import GROUPS
from worker.reports.clicks import Turn
from worker.reports.state import alone, first_hour, load_state
from worker.reports.statements import build_levels, tables
from worker.runtime import Connection, log

# A day is over for so long before it is added: most of what comes for it comes before.
OVER_S = 600.0
HOURS_AT_ONCE = 50_000
_OLD = "select exists (select from report_queue where spool_id is null)"
_NEXT_DAY = (
    "select min(block) from (select min(block) as block from report_clicks_total where level = 1 and block >= %(day)s"
    " union all select min(block) from report_conversions_total where level = 1 and block >= %(day)s) as days"
)
_SET_BUILT = "update report_state set built_day = %s"
_SET_HOURS = "update report_state set hours_from = %s"
_HOUR_TABLES = tuple(table for group in GROUPS if group.hours for table, _, _ in tables(group))
_DROP_HOURS = (
    "delete from {table} where ctid = any(array(select ctid from {table} where level = 0 and block < %(hour)s"
    " limit %(most)s))"
)


def build_day(connection: Connection, turn: Turn) -> int | None:
    """Add the earliest day that is over to the larger blocks; return 1, or None if there is none."""
    with alone(connection) as mine:
        if not mine:
            return None
        state = load_state(connection, turn.settings, turn.now_s)
        today = state.day_at(turn.now_s - OVER_S)
        if state.built_day >= today or (connection.execute(_OLD).fetchone() or [False])[0]:
            return None
        row = connection.execute(_NEXT_DAY, {"day": state.built_day}).fetchone()
        day = today if row is None or row[0] is None else min(row[0], today)
        if day == today:
            connection.execute(_SET_BUILT, [today])
            return None
        for group in GROUPS:
            for table, keys, measures in tables(group):
                connection.execute(build_levels(table, keys, measures), {"day": day, "sign": 1})
        connection.execute(_SET_BUILT, [day + 1])
        log("report-day-built", day=day)
        return 1


def drop_hours(connection: Connection, turn: Turn) -> int | None:
    """Delete hours that are too old; return how many rows, None if there are none."""
    with alone(connection) as mine:
        if not mine:
            return None
        state = load_state(connection, turn.settings, turn.now_s)
        hour = max(first_hour(turn.settings, turn.now_s), state.hours_from)
        connection.execute(_SET_HOURS, [hour])
        values = {"hour": hour, "most": HOURS_AT_ONCE}
        dropped = sum(connection.execute(_DROP_HOURS.format(table=table), values).rowcount for table in _HOUR_TABLES)
        return dropped or None
