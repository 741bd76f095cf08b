"""Where roll-ups and rows differ, and what is to be added to the roll-ups so that they do not. SQL only.

What is found has the columns of the roll-up itself, with differences (expected less kept) as its measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tracking.reports import CLICK_MEASURES, CONVERSION_MEASURES, GROUPS, LEVELS, RollupGroup, clicks_table
from worker.reports.statements import COLUMNS, DAY, FOLDED, HOUR, MAKE_CLICKS, add_to, listed, measured, sums, tables
from worker.runtime import Connection

_SHOWN = 5
_MINUS = ", ".join(f"-{name}" for name in CLICK_MEASURES)
_AT = f"{HOUR.format(moment='clicked_at')}, %(day)s, {listed(FOLDED)}"
_IN_DAY = "clicked_at >= %(from)s and clicked_at < %(to)s"
# What is expected of the roll-ups: the clicks of the day, less what is not folded of it.
_READ_CLICKS = (
    f"insert into folding_clicks (hour, day, {listed(FOLDED)}, {listed(CLICK_MEASURES)})"  # noqa: S608
    f" select {_AT}, {measured()} from report_click_rows"
    f" where click_id >= %(low)s and click_id < %(high)s and {_IN_DAY}"
    f" union all select {_AT}, {_MINUS} from report_unfolded_clicks where {_IN_DAY}"
)
_FACTS = ("conversion_id", "currency", "event", "clicked_at", "received_at", *COLUMNS, *CONVERSION_MEASURES)
_WRONG_FACTS = (
    f"select distinct conversion_id from (select {listed(_FACTS)} from report_conversion_facts"  # noqa: S608
    f" except select {listed(_FACTS)} from report_conversions) as differing where not exists"
    " (select from report_conversion_queue q where q.conversion_id = differing.conversion_id)"
    f" union select conversion_id from (select {listed(_FACTS)} from report_conversions"
    f" except select {listed(_FACTS)} from report_conversion_facts) as kept where not exists"
    " (select from report_conversion_queue q where q.conversion_id = kept.conversion_id)"
)
_NOTE = "insert into report_conversion_queue (conversion_id) select unnest(%s::uuid[])"


class Roll(NamedTuple):
    """A roll-up: its table, its key behind level and block, and its measures."""

    table: str
    keys: tuple[str, ...]
    measures: Sequence[str]

    @property
    def columns(self) -> str:
        return listed(("level", "block", *self.keys, *self.measures))


class Difference(NamedTuple):
    """A roll-up that differs: in how many rows, and some of them as (column, value) by name."""

    table: str
    rows: int
    examples: list[dict[str, Any]]


def clicks_of_day(connection: Connection, values: dict[str, Any], *, repair: bool) -> list[Difference]:
    """Compare the hours and the day of `values` with its clicks and what is not folded; add what is missing.

    PERF: the clicks of the day are read once, and added up by each group from a temporary table.
    """
    connection.execute(MAKE_CLICKS)
    connection.execute(_READ_CLICKS, values, prepare=False)
    connection.execute("analyze folding_clicks")
    found = []
    for group in GROUPS:
        roll = Roll(clicks_table(group), group.columns, CLICK_MEASURES)
        if not (group.limited and _is_left_out(connection, group, values["day"])):
            found += _compare(connection, roll, _clicks_query(group, roll), values, repair=repair)
    return found


def larger_blocks(connection: Connection, values: dict[str, Any], *, repair: bool) -> list[Difference]:
    """Compare the blocks of several days with their days, of those before `built_day`."""
    found = []
    for group in GROUPS:
        for table, keys, measures in tables(group):
            roll = Roll(table, keys, measures)
            days = " union all ".join(
                f"select {level}, block / {level}, {listed((*keys, *measures))} from {table}"  # noqa: S608
                " where level = 1 and block < %(built_day)s"
                for level in LEVELS[1:]
            )
            minus = ", ".join(f"-{name}" for name in measures)
            kept = f"select level, block, {listed((*keys, minus))} from {table} where level > 1"  # noqa: S608
            found += _compare(connection, roll, f"{days} union all {kept}", values, repair=repair)
    return found


def conversions(connection: Connection, values: dict[str, Any], *, repair: bool) -> list[Difference]:
    """Compare the days and hours of conversions with the facts that are folded."""
    found = []
    minus = ", ".join(f"-{name}" for name in CONVERSION_MEASURES)
    for group in GROUPS:
        for table, keys, measures in tables(group)[1:]:
            roll = Roll(table, keys, measures)
            facts = []
            for axis, moment in ((0, "clicked_at"), (1, "received_at")):
                named = listed((*(f"{axis}::smallint" if key == "axis" else key for key in keys), *measures))
                facts.append(f"select 1, {DAY.format(moment=moment)}, {named} from report_conversions")  # noqa: S608
                if group.hours:
                    hour = HOUR.format(moment=moment)
                    facts.append(
                        f"select 0, {hour}, {named} from report_conversions where {hour} >= %(hours_from)s"  # noqa: S608
                    )
            kept = (
                f"select level, block, {listed(keys)}, {minus} from {table}"  # noqa: S608
                " where level = 1 or (level = 0 and block >= %(hours_from)s)"
            )
            found += _compare(connection, roll, " union all ".join([*facts, kept]), values, repair=repair)
    return found


def wrong_facts(connection: Connection, *, repair: bool) -> list[Difference]:
    """Find conversions whose folded facts are not what they are now; with `repair`, have them folded again."""
    ids = [row[0] for row in connection.execute(_WRONG_FACTS, prepare=False)]
    if ids and repair:
        connection.execute(_NOTE, [ids])
    shown = [{"conversion_id": each} for each in ids[:_SHOWN]]
    return [Difference("report_conversions", len(ids), shown)] if ids else []


def _clicks_query(group: RollupGroup, roll: Roll) -> str:
    dims = "".join(f", {name}" for name in group.columns)
    day = f"select {{}}{dims}, {listed(CLICK_MEASURES)} from folding_clicks"  # noqa: S608
    kept = f"select level, block{dims}, {_MINUS} from {roll.table}"  # noqa: S608
    parts = [day.format("1, day"), f"{kept} where level = 1 and block = %(day)s"]
    if group.hours:
        span = "{0} >= %(first_hour)s and {0} < %(end_hour)s"
        parts.append(f"{day.format('0, hour')} where {span.format('hour')}")
        parts.append(f"{kept} where level = 0 and {span.format('block')}")
    return " union all ".join(parts)


def _compare(
    connection: Connection, roll: Roll, query: str, values: dict[str, Any], *, repair: bool
) -> list[Difference]:
    """Add up signed rows, expected less kept; what does not come to nothing differs."""
    keys = ("level", "block", *roll.keys)
    summed = (
        f"select {listed(keys)}, {sums(roll.measures)} from ({query}) as signed ({roll.columns})"  # noqa: S608
        f" group by {listed(keys)}"
    )
    wrong = " or ".join(f"{name} <> 0" for name in roll.measures)
    rows = connection.execute(
        f"select *, count(*) over () from ({summed}) as summed where {wrong} limit {_SHOWN}",  # noqa: S608
        values,
        prepare=False,
    ).fetchall()
    if not rows:
        return []
    if repair:
        connection.execute(add_to(roll.table, keys, roll.measures, summed), values, prepare=False)
    names = (*keys, *roll.measures)
    return [Difference(roll.table, rows[0][-1], [dict(zip(names, row[:-1], strict=True)) for row in rows])]


def _is_left_out(connection: Connection, group: RollupGroup, day: int) -> bool:
    row = connection.execute("select exists (select from report_gaps where grp = %s and day = %s)", [group.name, day])
    return bool((row.fetchone() or [False])[0])
