"""Folds conversions into the roll-ups: their facts as they are now, less the facts that were folded before.

So a postback, an approval, a reversal, a replay or an entry moves the roll-ups by the right difference, in any order,
and however often the conversion was noted.
"""

from __future__ import annotations

from tracking.reports import CONVERSION_MEASURES, GROUPS, conversions_table, events_table
from worker.reports.clicks import Turn
from worker.reports.state import State, alone, load_state
from worker.reports.statements import (
    COLUMNS,
    DAY,
    FOLDED,
    HOUR,
    MAKE_CONVERSIONS,
    fold_conversions,
    forget_empty,
    listed,
)
from worker.runtime import Connection

# PERF: a conversion moves up to two hundred rows of roll-ups, since it counts by two dates; those of a turn share them.
CONVERSIONS_AT_ONCE = 2000
_FACTS = (
    *("conversion_id", "currency", "click_id", "event", "order_id", "clicked_at", "received_at"),
    *COLUMNS,
    *CONVERSION_MEASURES,
)
_NEXT = (
    "select distinct conversion_id from (select conversion_id from report_conversion_queue order by queue_id"
    " limit %(most)s) as waiting"
)
_MAKE_FACTS = "create temp table if not exists current_facts (like report_conversions) on commit delete rows"
_READ_FACTS = (
    f"insert into current_facts ({listed(_FACTS)}) select {listed(_FACTS, 'f')}"  # noqa: S608
    " from unnest(%(ids)s::uuid[]) as q (conversion_id) cross join lateral"
    " (select * from report_conversion_facts v where v.conversion_id = q.conversion_id offset 0) f"
)
_AXES = (("0", "clicked_at"), ("1", "received_at"))
_ADD = (
    "insert into folding_conversions (axis, hour, day, event, currency, "  # noqa: S608
    f"{listed(FOLDED)}, {listed(CONVERSION_MEASURES)}) "
    + " union all ".join(
        f"select {axis}, {HOUR.format(moment=moment)}, {DAY.format(moment=moment)}, event, currency,"  # noqa: S608
        f" {listed(FOLDED)}, {', '.join(f'({sign} * {name})::bigint' for name in CONVERSION_MEASURES)}"
        f" from {table} where {which}"
        for axis, moment in _AXES
        for sign, table, which in (
            ("1", "current_facts", "true"),
            ("-1", "report_conversions", "conversion_id = any(%(ids)s)"),
        )
    )
)
# A row of a currency that has no entries any more would be left; entries are only appended, so there is none but the
# conversion's own currency, when that changes.
_KEEP_FACTS = (
    "delete from report_conversions where conversion_id = any(%(ids)s)",
    f"insert into report_conversions ({listed(_FACTS)}) select {listed(_FACTS)} from current_facts",  # noqa: S608
)
_DONE = "delete from report_conversion_queue where conversion_id = any(%(ids)s)"


def fold_some_conversions(connection: Connection, turn: Turn, most: int = CONVERSIONS_AT_ONCE) -> int | None:
    """Fold the conversions that wait longest, in a transaction of its own; return how many, None if none waits.

    Returns None too while another process folds.
    """
    with alone(connection) as mine:
        if not mine:
            return None
        ids = [row[0] for row in connection.execute(_NEXT, {"most": most})]
        if not ids:
            return None
        state = load_state(connection, turn.settings, turn.now_s)
        values = {"ids": ids, "zone": state.time_zone}
        connection.execute(_MAKE_FACTS)
        connection.execute(MAKE_CONVERSIONS)
        connection.execute(_READ_FACTS, values, prepare=False)
        connection.execute(_ADD, values, prepare=False)
        for statement in (*_KEEP_FACTS, _DONE):
            connection.execute(statement, values)
        add_folding(connection, state)
        return len(ids)


def add_folding(connection: Connection, state: State) -> None:
    """Add what stands in folding_conversions to every roll-up, in the caller's transaction, which is alone."""
    values = {"hours_from": state.hours_from, "built_day": state.built_day}
    for group in GROUPS:
        for by_event in (False, True):
            connection.execute(fold_conversions(group, by_event=by_event), values)
        if group.limited:
            for table in (conversions_table(group), events_table(group)):
                connection.execute(forget_empty(group, table, "folding_conversions"))
