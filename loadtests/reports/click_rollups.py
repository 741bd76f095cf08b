"""Writes the roll-ups of clicks: each group is the week's clicks added up by its dimensions, for every day."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from loadtests.reports.data_set import DataSet, country_codes
from loadtests.reports.indexes import indexes_afterwards
from loadtests.reports.scene import merchant_of, profile_of
from loadtests.reports.visits import CLASSES, words
from tracking.reports import CLICK_MEASURES, LEVELS, RollupGroup, clicks_table

# The columns of bench.visits that a dimension's value is made of, where it is not a column of that name.
_MADE_OF = {
    "profile_id": ("link_id",),
    "merchant_id": ("link_id",),
    "region": ("country", "city"),
    "city": ("country", "city"),
    "referrer_host": ("host",),
}
_SUMS = {
    **{name: f"count(*) filter (where class = {number})" for number, name in enumerate(CLASSES)},
    "uniques": "count(*) filter (where is_unique)",
    "cost_micro": "coalesce(sum(cost_micro) filter (where class < 5), 0)",
}
_MEASURES = ", ".join(CLICK_MEASURES)


def write_click_rollups(connection: Connection[Any], data_set: DataSet, group: RollupGroup) -> None:
    """Fill the clicks table of a group: all levels of days, and the hours of the last days."""
    table = clicks_table(group)
    connection.execute("set max_parallel_workers_per_gather = 0")
    _add_up(connection, group)
    values = dimension_values(data_set)
    columns = ", ".join(["level", "block", *group.columns, _MEASURES])
    select = ", ".join([*(values[column] for column in group.columns), _MEASURES])
    days = {"first": data_set.first_number, "last": data_set.last_number, "hours": data_set.first_hour_day}
    with indexes_afterwards(connection, table):
        connection.execute(
            f"insert into {table} ({columns}) select 1, day, {select}"
            " from generate_series(%(first)s::integer, %(last)s) day"
            " join bench.by_day visit on visit.weekday = (day + 3) %% 7 order by day",
            days,
        )
        write_levels(connection, table, group.columns, CLICK_MEASURES)
        if group.hours:
            connection.execute(
                f"insert into {table} ({columns}) select 0, day * 24 + hour, {select}"
                " from generate_series(%(hours)s::integer, %(last)s) day"
                " join bench.by_hour visit on visit.weekday = (day + 3) %% 7 order by day, hour",
                days,
            )


def write_levels(connection: Connection[Any], table: str, keys: tuple[str, ...], measures: tuple[str, ...]) -> None:
    """Add up the single days of a table into its blocks of several days."""
    columns = ", ".join(["level", "block", *keys, *measures])
    places = ", ".join(str(place) for place in range(1, len(keys) + 3))
    sums = ", ".join(f"sum({name})" for name in measures)
    for level in LEVELS[1:]:
        select = ", ".join([str(level), f"block / {level}", *keys, sums])
        connection.execute(
            f"insert into {table} ({columns}) select {select} from {table} where level = 1 group by {places} order by 2"
        )


def dimension_values(data_set: DataSet) -> dict[str, str]:
    """Return SQL for the value of each column of a dimension, of a row `visit` on a `day`."""
    ids = {name: f"visit.{name}" for name in ("link_id", "source_id", "rule_id", "destination_id")}
    of_link = {
        "profile_id": profile_of("visit.link_id", data_set),
        "merchant_id": merchant_of("visit.link_id", data_set),
    }
    return ids | of_link | words(country_codes(data_set.countries))


def _add_up(connection: Connection[Any], group: RollupGroup) -> None:
    """Make bench.by_day, and bench.by_hour where the group has hours."""
    keys = list(dict.fromkeys(name for column in group.columns for name in _MADE_OF.get(column, (column,))))
    sums = ", ".join(f"{_SUMS[name]} as {name}" for name in CLICK_MEASURES)
    added = ", ".join(f"sum({name})::bigint as {name}" for name in CLICK_MEASURES)
    day_keys = ", ".join(["weekday", *keys])
    connection.execute("drop table if exists bench.by_day, bench.by_hour")
    connection.execute("set work_mem = '512MB'")
    if not group.hours:
        connection.execute(
            f"create unlogged table bench.by_day as select {day_keys}, {sums} from bench.visits group by {day_keys}"
        )
        return
    connection.execute(
        f"create unlogged table bench.by_hour as select second / 3600 as hour, {day_keys}, {sums}"
        f" from bench.visits group by hour, {day_keys}"
    )
    connection.execute(
        f"create unlogged table bench.by_day as select {day_keys}, {added} from bench.by_hour group by {day_keys}"
    )
