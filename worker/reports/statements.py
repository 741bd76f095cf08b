"""SQL of folding, made of the declared groups. Text only; values are always parameters.

Every roll-up is changed by adding signed rows to it. What is to be added stands in one of two temporary tables first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracking.reports import (
    CLICK_MEASURES,
    CONVERSION_MEASURES,
    DIMENSIONS,
    GROUPS,
    LEVELS,
    DimensionKind,
    RollupGroup,
    clicks_table,
    conversions_table,
    events_table,
)
from tracking.traffic import TrafficClass

COLUMNS = tuple(
    dimension.column
    for kind in (DimensionKind.ID, DimensionKind.TEXT)
    for dimension in DIMENSIONS.values()
    if dimension.kind is kind
)
# Those that a group has.
FOLDED = tuple(name for name in COLUMNS if any(name in group.columns for group in GROUPS))
_CLASSES = frozenset(TrafficClass)
DAY = "(({moment} at time zone %(zone)s)::date - date '1970-01-01')"
HOUR = "floor(extract(epoch from {moment}) / 3600)::integer"
_TYPES = {
    dimension.column: "bigint" if dimension.kind is DimensionKind.ID else "text" for dimension in DIMENSIONS.values()
}
MAKE_CLICKS = (
    "create temp table if not exists folding_clicks (hour integer, day integer, "
    + ", ".join(f"{name} {_TYPES[name]}" for name in FOLDED)
    + "".join(f", {name} bigint" for name in CLICK_MEASURES)
    + ") on commit delete rows"
)
# PERF: the groups of these columns are added up from their few combinations, instead of from every click.
NARROW = ("source_id", "country", "device")
MAKE_NARROW = (
    "create temp table if not exists folding_narrow (hour integer, day integer, "
    + ", ".join(f"{name} {_TYPES[name]}" for name in NARROW)
    + "".join(f", {name} bigint" for name in CLICK_MEASURES)
    + ") on commit delete rows"
)
MAKE_CONVERSIONS = (
    "create temp table if not exists folding_conversions (axis smallint, hour integer, day integer, event text,"
    " currency text, "
    + ", ".join(f"{name} {_TYPES[name]}" for name in FOLDED)
    + "".join(f", {name} bigint" for name in CONVERSION_MEASURES)
    + ") on commit delete rows"
)


def listed(names: Iterable[str], alias: str = "") -> str:
    """Return names as a list of columns, each of `alias` if there is one."""
    return ", ".join(f"{alias}.{name}" if alias else name for name in names)


def measured(sign: str = "1") -> str:
    """Return the measures of one row of clicks, with its class, is_unique and cost_micro, times a sign."""
    values = {"uniques": "is_unique::integer", "cost_micro": "cost_micro"}
    return ", ".join(
        f"({sign} * (class = '{name}')::integer)::bigint" if name in _CLASSES else f"({sign} * {values[name]})::bigint"
        for name in CLICK_MEASURES
    )


def sums(measures: Sequence[str]) -> str:
    """Return the sum of each measure."""
    return ", ".join(f"report_sum({name}) as {name}" for name in measures)


def narrow_clicks() -> str:
    """Return the statement that adds up folding_clicks in folding_narrow."""
    keys = listed(("hour", "day", *NARROW))
    return (
        f"insert into folding_narrow ({keys}, {listed(CLICK_MEASURES)})"  # noqa: S608
        f" select {keys}, {sums(CLICK_MEASURES)} from folding_clicks group by {keys}"
    )


def fold_clicks(group: RollupGroup, *, late: bool) -> str:
    """Return the statement that adds folding_clicks to a group's roll-up; with `late`, to larger blocks too.

    It takes `hours_from`, `built_day` and `grp`. Of a limited group it returns the days with their new number of keys.
    """
    dims, table = group.columns, "folding_clicks"
    if set(dims) <= set(NARROW):
        table = "folding_narrow"
    before = ""
    if group.hours and table == "folding_clicks":
        # PERF: days are added up from hours, which are far fewer rows than clicks.
        before = (
            f"with hourly as materialized (select hour, day{_more(dims)}, {sums(CLICK_MEASURES)} from {table}"  # noqa: S608
            f" group by hour, day{_more(dims)}) "
        )
        table = "hourly"
    kept = f"not exists (select from report_gaps g where g.grp = %(grp)s and g.day = {table}.day)"
    kept = kept if group.limited else "true"
    day = f"{{0}} as level, day / {{0}} as block{_more(dims)}, {sums(CLICK_MEASURES)} from {table} where {kept}"
    parts = [f"select {day.format(1)} group by 1, 2{_more(dims)}"]
    if group.hours:
        parts.append(
            f"select 0, hour{_more(dims)}, {sums(CLICK_MEASURES)} from {table}"  # noqa: S608
            f" where hour >= %(hours_from)s group by 2{_more(dims)}"
        )
    if late:
        parts += [
            f"select {day.format(level)} and day < %(built_day)s group by 1, 2{_more(dims)}" for level in LEVELS[1:]
        ]
    add = _add(clicks_table(group), ("level", "block", *dims), CLICK_MEASURES, before + " union all ".join(parts))
    if not group.limited:
        return add
    return (
        f"with added as ({add} returning level, block, xmax = 0 as fresh)"  # noqa: S608
        " insert into report_days (grp, day, keys)"
        " select %(grp)s, block, count(*) from added where level = 1 and fresh group by block"
        " on conflict (grp, day) do update set keys = report_days.keys + excluded.keys returning day, keys"
    )


def fold_conversions(group: RollupGroup, *, by_event: bool) -> str:
    """Return the statement that adds folding_conversions to a roll-up. It takes `hours_from` and `built_day`."""
    facts = ("axis", *(("event",) if by_event else ()), "currency")
    keys = (*group.columns, *facts)
    table = events_table(group) if by_event else conversions_table(group)
    levels = " union all ".join(
        f"select {level} as level, day / {level} as block{_more(keys)}, {sums(CONVERSION_MEASURES)}"  # noqa: S608
        f" from folding_conversions where {'true' if level == 1 else 'day < %(built_day)s'} group by 1, 2{_more(keys)}"
        for level in LEVELS
    )
    if group.hours:
        levels += (
            f" union all select 0, hour{_more(keys)}, {sums(CONVERSION_MEASURES)} from folding_conversions"  # noqa: S608
            f" where hour >= %(hours_from)s group by 2{_more(keys)}"
        )
    return _add(table, ("level", "block", *keys), CONVERSION_MEASURES, levels)


def build_levels(table: str, keys: Sequence[str], measures: Sequence[str]) -> str:
    """Return the statement that adds day rows of `day` to the blocks of several days, times `sign`."""
    parts = " union all ".join(
        f"select {level}, block / {level}{_more(keys)}, {_times('%(sign)s', measures)} from {table}"  # noqa: S608
        " where level = 1 and block = %(day)s"
        for level in LEVELS[1:]
    )
    return _add(table, ("level", "block", *keys), measures, parts)


def forget_empty(group: RollupGroup, table: str, folding: str) -> str:
    """Return the statement that deletes the days of a roll-up that folding emptied; it returns their levels and blocks.

    A key that only lost may be a text of a visitor that was erased, and is not kept for its zeros.
    """
    measures = CLICK_MEASURES if folding == "folding_clicks" else CONVERSION_MEASURES
    most = ", ".join(f"max({name})" for name in measures)
    same = "".join(f" and t.{name} = lost.{name}" for name in group.columns)
    empty = "".join(f" and t.{name} = 0" for name in measures)
    lost = (
        f"select day{_more(group.columns)} from {folding} group by 1{_more(group.columns)} having greatest({most}) <= 0"  # noqa: S608
    )
    return (
        f"delete from {table} t using ({lost}) as lost"  # noqa: S608
        f" cross join unnest('{{{listed(map(str, LEVELS))}}}'::integer[]) as l (level)"
        f" where t.level = l.level and t.block = lost.day / l.level{same}{empty} returning t.level, t.block"
    )


def tables(group: RollupGroup) -> tuple[tuple[str, tuple[str, ...], Sequence[str]], ...]:
    """Return the tables of a group, each with its key behind level and block, and its measures."""
    dims = group.columns
    return (
        (clicks_table(group), dims, CLICK_MEASURES),
        (conversions_table(group), (*dims, "axis", "currency"), CONVERSION_MEASURES),
        (events_table(group), (*dims, "axis", "event", "currency"), CONVERSION_MEASURES),
    )


def add_to(table: str, keys: Sequence[str], measures: Sequence[str], query: str) -> str:
    """Return the statement that adds the rows of a query (keys, then measures) to a roll-up."""
    return _add(table, keys, measures, query)


def _add(table: str, keys: Sequence[str], measures: Sequence[str], query: str) -> str:
    # What comes to nothing makes no row.
    moved = " or ".join(f"{name} <> 0" for name in measures)
    grown = ", ".join(f"{name} = kept.{name} + excluded.{name}" for name in measures)
    columns = listed((*keys, *measures))
    return (
        f"insert into {table} as kept ({columns}) select * from ({query}) as more ({columns}) where {moved}"  # noqa: S608
        f" on conflict ({listed(keys)}) do update set {grown}"
    )


def _more(names: Sequence[str]) -> str:
    return "".join(f", {name}" for name in names)


def _times(sign: str, measures: Sequence[str]) -> str:
    return ", ".join(f"{sign} * {name}" for name in measures)
