"""What reports must say, counted row by row in Python, and what roll-ups and unfolded rows say together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

from tracking.reports import (
    CLICK_MEASURES,
    CONVERSION_MEASURES,
    DIMENSIONS,
    GROUPS,
    RollupGroup,
    clicks_table,
    conversions_table,
    cover,
    events_table,
    number_of_day,
)

Connection = psycopg.Connection[Any]
# By table, then (level, block, *dimensions, ...): the measures that are not 0.
Report = dict[str, dict[tuple[Any, ...], tuple[int, ...]]]
_COUNTED_COST = Decimal(10000)


def recount(connection: Connection, zone: str, hours_from: int = 0) -> Report:
    """Return all roll-ups of hours and days as the rows say. Days in gaps are left out."""
    found: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    gaps = set(connection.execute("select grp, day from report_gaps").fetchall())
    clicks = list(click_facts(connection))
    for click in clicks:
        for group in GROUPS:
            for level, block in _blocks(click["clicked_at"], zone, group, hours_from):
                if (group.name, block) not in gaps or level == 0:
                    _add(found[clicks_table(group)], (level, block, *_dims(click, group)), click_measures(click))
    for facts in conversion_facts(connection, {click["click_id"]: click for click in clicks}):
        for group in GROUPS:
            for axis, moment in ((0, facts["clicked_at"]), (1, facts["received_at"])):
                for level, block in _blocks(moment, zone, group, hours_from):
                    at = (level, block, *_dims(facts, group), axis)
                    measures = [facts[name] for name in CONVERSION_MEASURES]
                    _add(found[conversions_table(group)], (*at, facts["currency"]), measures)
                    _add(found[events_table(group)], (*at, facts["event"], facts["currency"]), measures)
    return _report(found)


def reported(connection: Connection, zone: str, hours_from: int = 0) -> Report:
    """Return all roll-ups of hours and days with what is not folded, in one snapshot. Days in gaps are left out."""
    found: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        gaps = {(row["grp"], row["day"]) for row in cursor.execute("select grp, day from report_gaps")}
        clicks = cursor.execute("select * from report_unfolded_clicks").fetchall()
        conversions = cursor.execute("select * from report_unfolded_conversions").fetchall()
        for group in GROUPS:
            for table, keys, measures in _tables(group):
                for row in cursor.execute(f"select * from {table} where level <= 1"):
                    at = (row["level"], row["block"], *(row[key] for key in keys))
                    _add(found[table], at, [row[name] for name in measures])
    for row in clicks:
        for group in GROUPS:
            for level, block in _blocks(row["clicked_at"], zone, group, hours_from):
                if (group.name, block) not in gaps or level == 0:
                    at = (level, block, *(row[name] for name in group.columns))
                    _add(found[clicks_table(group)], at, [row[name] for name in CLICK_MEASURES])
    for row in conversions:
        for group in GROUPS:
            for axis, moment in ((0, row["clicked_at"]), (1, row["received_at"])):
                for level, block in _blocks(moment, zone, group, hours_from):
                    at = (level, block, *(row[name] for name in group.columns), axis)
                    measures = [row[name] for name in CONVERSION_MEASURES]
                    _add(found[conversions_table(group)], (*at, row["currency"]), measures)
                    _add(found[events_table(group)], (*at, row["event"], row["currency"]), measures)
    return _report(found)


def covered(connection: Connection, first_day: int, end_day: int) -> Report:
    """Return the sums of a period by its signed blocks, what is not folded left out; level and block are 0."""
    found: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read")
        state = cursor.execute("select built_day from report_state").fetchone()
        assert state is not None
        blocks = {(block.level, block.block): block.sign for block in cover(first_day, end_day, state["built_day"])}
        for group in GROUPS:
            for table, keys, measures in _tables(group):
                for row in cursor.execute(f"select * from {table} where level > 0"):
                    sign = blocks.get((row["level"], row["block"]), 0)
                    at = (0, 0, *(row[key] for key in keys))
                    _add(found[table], at, [sign * row[name] for name in measures])
    return _report(found)


def by_days(connection: Connection, first_day: int, end_day: int) -> Report:
    """Return what `covered` must return, added up from single days."""
    found: dict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    with connection.cursor(row_factory=dict_row) as cursor:
        for group in GROUPS:
            for table, keys, measures in _tables(group):
                days = f"select * from {table} where level = 1 and block >= %s and block < %s"
                for row in cursor.execute(days, [first_day, end_day]):
                    _add(found[table], (0, 0, *(row[key] for key in keys)), [row[name] for name in measures])
    return _report(found)


def click_measures(click: Mapping[str, Any]) -> list[int]:
    """Return the measures of one click."""
    cost = min(click["cost"] or Decimal(0), _COUNTED_COST) * 1_000_000
    paid = click["class"] not in ("head", "prefetch")
    values = {"uniques": int(click["is_unique"]), "cost_micro": round(cost) if paid else 0}
    return [values[name] if name in values else int(click["class"] == name) for name in CLICK_MEASURES]


def click_facts(connection: Connection) -> Iterable[dict[str, Any]]:
    """Yield every stored click with the merchant and the source that its link had."""
    owners = _Owners(connection)
    with connection.cursor(row_factory=dict_row) as cursor:
        for click in cursor.execute("select * from clicks"):
            merchant_id, source_id = owners.at(click["link_id"], click["clicked_at"])
            yield {**click, "merchant_id": merchant_id, "source_id": source_id}


def conversion_facts(connection: Connection, clicks: Mapping[Any, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Yield what every conversion comes to, once for each currency. `clicks` are all clicks by their ids."""
    owners = _Owners(connection)
    with connection.cursor(row_factory=dict_row) as cursor:
        entries = cursor.execute("select * from entries where conversion_id is not null").fetchall()
        for each in cursor.execute("select * from conversions").fetchall():
            click = clicks.get(each["click_id"], {})
            source_id = owners.at(each["link_id"], each["clicked_at"])[1]
            own = {"link_id": each["link_id"], "merchant_id": each["merchant_id"], "source_id": source_id}
            facts = {**click, **own, "event": each["event"]}
            facts |= {"country": click.get("country") or each["country"]}
            facts |= {"clicked_at": each["clicked_at"], "received_at": each["received_at"]}
            of_it = [entry for entry in entries if entry["conversion_id"] == each["conversion_id"]]
            for currency in {each["currency"] or "", *(entry["currency"] for entry in of_it)}:
                statuses = dict.fromkeys(CONVERSION_MEASURES[:4], 0)
                if currency == (each["currency"] or ""):
                    statuses[each["status"]] = 1
                money = [entry for entry in of_it if entry["currency"] == currency]
                yield {
                    **facts,
                    **statuses,
                    "currency": currency,
                    "revenue_minor": sum(e["amount_minor"] for e in money if e["party"] == "merchant"),
                    "commission_minor": sum(
                        e["amount_minor"] for e in money if e["party"] == "source" and e["kind"] != "payout"
                    ),
                }


class _Owners:
    """Merchant and source of links at a moment."""

    def __init__(self, connection: Connection) -> None:
        self._now = {row[0]: row[1:] for row in connection.execute("select link_id, merchant_id, source_id from links")}
        self._history = connection.execute(
            "select link_id, until, merchant_id, source_id from link_history order by until"
        ).fetchall()

    def at(self, link_id: int, moment: datetime) -> tuple[int, int]:
        for of_link, until, merchant_id, source_id in self._history:
            if of_link == link_id and until > moment:
                return merchant_id, source_id or 0
        merchant_id, source_id = self._now.get(link_id, (0, 0))
        return merchant_id, source_id or 0


def _blocks(moment: datetime, zone: str, group: RollupGroup, hours_from: int) -> Iterable[tuple[int, int]]:
    yield 1, number_of_day(moment.astimezone(ZoneInfo(zone)).date())
    hour = int(moment.timestamp() // 3600)
    if group.hours and hour >= hours_from:
        yield 0, hour


def _dims(row: Mapping[str, Any], group: RollupGroup) -> tuple[Any, ...]:
    values = []
    for name in group.names:
        dimension = DIMENSIONS[name]
        value = row.get(dimension.column)
        values.append((value or "")[: dimension.characters_max] if dimension.characters_max else value or 0)
    return tuple(values)


def _tables(group: RollupGroup) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    dims = group.columns
    return (
        (clicks_table(group), dims, CLICK_MEASURES),
        (conversions_table(group), (*dims, "axis", "currency"), CONVERSION_MEASURES),
        (events_table(group), (*dims, "axis", "event", "currency"), CONVERSION_MEASURES),
    )


def _add(sums: Counter[tuple[Any, ...]], key: tuple[Any, ...], measures: Iterable[int]) -> None:
    for place, value in enumerate(measures):
        if value:
            sums[(*key, place)] += value


def _report(found: Mapping[str, Counter[tuple[Any, ...]]]) -> Report:
    # A measure by its place, since those of a row that are 0 make no difference.
    return {
        table: {key: (value,) for key, value in sorted(sums.items(), key=repr) if value}
        for table, sums in sorted(found.items())
        if any(sums.values())
    }
