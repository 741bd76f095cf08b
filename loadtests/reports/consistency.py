"""Compares the roll-ups with each other and with the single clicks: a slow right answer beats a fast wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg import Connection

from loadtests.pipeline.stack import BenchError
from loadtests.reports.data_set import DataSet
from tracking.reports import (
    CLICK_MEASURES,
    CONVERSION_MEASURES,
    GROUPS,
    LEVELS,
    RollupGroup,
    clicks_table,
    conversions_table,
    events_table,
)

Sums = dict[tuple[Any, ...], tuple[int, ...]]
_OF_CONVERSIONS = ("axis", "currency")


def check(connection: Connection[Any], data_set: DataSet) -> int:
    """Return how many sums were compared, or raise BenchError with the first ones that differ."""
    compared = 0
    for name, found, expected in _pairs(connection, data_set):
        if not found or found != expected:
            keys = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
            examples = [(key, found.get(key), expected.get(key)) for key in keys[:3]]
            raise BenchError(f"the data set is inconsistent: {name} differs in {len(keys)} sums: {examples}")
        compared += len(found)
    return compared


def _pairs(connection: Connection[Any], data_set: DataSet) -> Iterator[tuple[str, Sums, Sums]]:
    """Yield what is compared, with the sums found and those expected."""
    total = GROUPS[0]
    clicks = _days(connection, clicks_table(total), CLICK_MEASURES)
    if len(clicks) != data_set.days:
        raise BenchError(f"the data set has {len(clicks)} days of clicks instead of {data_set.days}")
    conversions = _days(connection, conversions_table(total), CONVERSION_MEASURES, _OF_CONVERSIONS)
    yield "single clicks", _single_clicks(connection, data_set), _of_raw_days(clicks, data_set)
    yield "conversions", _facts(connection), conversions
    for group in GROUPS:
        for table, measures, expected, keys in _tables(group, clicks, conversions):
            yield f"{table}, days", _days(connection, table, measures, keys), expected
            yield f"{table}, blocks", *_blocks(connection, table, measures)
            if group.hours:
                since = data_set.first_hour_day
                late = {key: sums for key, sums in expected.items() if key[0] >= since}
                yield f"{table}, hours", _hours(connection, table, measures, keys), late


def _tables(
    group: RollupGroup, clicks: Sums, conversions: Sums
) -> Iterator[tuple[str, tuple[str, ...], Sums, tuple[str, ...]]]:
    yield clicks_table(group), CLICK_MEASURES, clicks, ()
    yield conversions_table(group), CONVERSION_MEASURES, conversions, _OF_CONVERSIONS
    yield events_table(group), CONVERSION_MEASURES, conversions, _OF_CONVERSIONS


def _days(connection: Connection[Any], table: str, measures: tuple[str, ...], keys: tuple[str, ...] = ()) -> Sums:
    return _sums(connection, f"from {table} where level = 1", ("block", *keys), measures)


def _hours(connection: Connection[Any], table: str, measures: tuple[str, ...], keys: tuple[str, ...]) -> Sums:
    return _sums(connection, f"from {table} where level = 0", ("block / 24", *keys), measures)


def _blocks(connection: Connection[Any], table: str, measures: tuple[str, ...]) -> tuple[Sums, Sums]:
    """Return the sums of the longer blocks, and those that their days have."""
    found = _sums(connection, f"from {table} where level > 1", ("level", "block"), measures)
    levels = ", ".join(f"({level})" for level in LEVELS[1:])
    days = f"from {table} cross join (values {levels}) levels (of) where level = 1"
    return found, _sums(connection, days, ("of", "block / of"), measures)


def _facts(connection: Connection[Any]) -> Sums:
    days = "cross join lateral (values (0, clicked_at), (1, received_at)) moments (axis, moment)"
    day = "floor(extract(epoch from moment) / 86400)::integer"
    return _sums(connection, f"from report_conversions {days}", (day, *_OF_CONVERSIONS), CONVERSION_MEASURES)


def _of_raw_days(clicks: Sums, data_set: DataSet) -> Sums:
    return {key: sums for key, sums in clicks.items() if key[0] >= data_set.first_raw_day}


def _single_clicks(connection: Connection[Any], data_set: DataSet) -> Sums:
    since, until = (day * 86400 for day in (data_set.first_raw_day, data_set.last_number + 1))
    classes = [f"(class = '{name}')::int" for name in CLICK_MEASURES[:-2]]
    columns = (*classes, "is_unique::int", "cost_micro")
    rows = f"from report_click_rows where clicked_at >= to_timestamp({since}) and clicked_at < to_timestamp({until})"
    return _sums(connection, rows, ("floor(extract(epoch from clicked_at) / 86400)::integer",), columns)


def _sums(connection: Connection[Any], source: str, keys: tuple[str, ...], measures: tuple[str, ...]) -> Sums:
    places = ", ".join(str(place) for place in range(1, len(keys) + 1))
    sums = ", ".join(f"sum({name})::bigint" for name in measures)
    rows = connection.execute(f"select {', '.join(keys)}, {sums} {source} group by {places}").fetchall()
    return {row[: len(keys)]: row[len(keys) :] for row in rows}
