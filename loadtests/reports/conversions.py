"""Writes conversions of all days with their entries, the facts that reports keep of them, and their roll-ups."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from loadtests.reports.click_rollups import dimension_values, write_levels
from loadtests.reports.data_set import DataSet
from loadtests.reports.indexes import indexes_afterwards
from loadtests.reports.raw_clicks import click_id
from loadtests.reports.scene import CURRENCY, FOREIGN
from tracking.reports import CONVERSION_MEASURES, DIMENSIONS, RollupGroup, conversions_table, events_table

# Of a thousand clicks that convert, so many have it, within so many minutes: visits.EVENTS_A_CLICK in all.
_EVENTS = (("registration", 1000, 60), ("ftd", 400, 3 * 1440), ("deposit", 200, 10 * 1440))
_COLUMNS = tuple(
    dimension.column for dimension in DIMENSIONS.values() if dimension.column not in ("", "class", "event")
)
_MEASURES = ", ".join(CONVERSION_MEASURES)


def write_conversions(connection: Connection[Any], data_set: DataSet) -> int:
    """Fill conversions, entries and report_conversions, and return how many conversions there are."""
    days = {"first": data_set.first_number, "last": data_set.last_number}
    with indexes_afterwards(connection, "report_conversions"):
        made = connection.execute(_facts(data_set), days).rowcount
    with connection.transaction():
        # What triggers would note is done here: the bookkeeping and the roll-ups.
        connection.execute("set local session_replication_role = replica")
        connection.execute(_CONVERSIONS)
        connection.execute(_ENTRIES)
    connection.execute("vacuum (analyze) report_conversions, conversions, entries")
    return made


def write_conversion_rollups(connection: Connection[Any], data_set: DataSet, group: RollupGroup) -> None:
    """Fill both conversion tables of a group, by the date of the click (axis 0) and that of the conversion (1)."""
    connection.execute("set max_parallel_workers_per_gather = 0")
    connection.execute("set work_mem = '512MB'")
    for table, more in ((conversions_table(group), ()), (events_table(group), ("event",))):
        keys = (*group.columns, "axis", *more, "currency")
        with indexes_afterwards(connection, table):
            _write(connection, table, keys, "1", "86400")
            write_levels(connection, table, keys, CONVERSION_MEASURES)
            if group.hours:
                since = f"where moment >= to_timestamp({data_set.first_hour_day * 86400})"
                _write(connection, table, keys, "0", "3600", since)


def _write(
    connection: Connection[Any], table: str, keys: tuple[str, ...], level: str, seconds: str, since: str = ""
) -> None:
    columns = ", ".join(["level", "block", *keys, _MEASURES])
    selected = ", ".join([level, f"floor(extract(epoch from moment) / {seconds})::integer", *keys])
    sums = ", ".join(f"sum({name})" for name in CONVERSION_MEASURES)
    places = ", ".join(str(place) for place in range(1, len(keys) + 3))
    connection.execute(
        f"insert into {table} ({columns}) select {selected}, {sums} from report_conversions"
        f" cross join lateral (values (0, clicked_at), (1, received_at)) moments (axis, moment) {since}"
        f" group by {places} order by 2"
    )


def _facts(data_set: DataSet) -> str:
    values = dimension_values(data_set)
    dimensions = ", ".join(values.get(column, "''") for column in _COLUMNS)
    events = ", ".join(
        f"({place}, '{name}', {share}, {minutes})" for place, (name, share, minutes) in enumerate(_EVENTS)
    )
    click = click_id("day", "visit.number", "visit.second")
    # A tenth of the merchants pay in another currency. What was rejected or reversed has no money left.
    return f"""
insert into report_conversions (conversion_id, currency, click_id, event, order_id, clicked_at, received_at,
    {", ".join(_COLUMNS)}, {_MEASURES})
select md5(day || '-' || visit.number || '-' || place)::uuid,
    case when merchant % 10 = 0 then '{FOREIGN}' else '{CURRENCY}' end, {click}, event,
    case when place = 0 then '' else 'order-' || day || '-' || visit.number || '-' || place end, clicked, received,
    {dimensions},
    (status between 700 and 849)::int, (status < 700)::int, (status between 850 and 949)::int, (status >= 950)::int,
    case when status < 700 and place > 0 then 5000 + 20 * chance else 0 end,
    case when status < 700 and visit.source_id > 0 then (array[300, 8000, 1500])[place + 1] else 0 end
from generate_series(%(first)s::integer, %(last)s) day
    join bench.visits visit on visit.weekday = (day + 3) % 7 and visit.converts
    cross join (values {events}) events (place, event, share, minutes)
    cross join lateral (select {values["merchant_id"]} as merchant,
        {_chance("0")} as happens, {_chance("1")} as chance, {_chance("2")} as status,
        to_timestamp(day::bigint * 86400 + visit.second + (visit.number % 1000) / 1000.0) as clicked) drawn
    cross join lateral (select clicked + interval '1 second' * (1 + minutes * 60 * chance / 1000) as received) later
where happens < share and received < to_timestamp((%(last)s + 1)::bigint * 86400)
""".replace("%% ", "% ").replace(" % ", " %% ")


def _chance(salt: str) -> str:
    """Return SQL for a number below 1,000 that is always the same one for an event of a click."""
    return f"(hashint8(visit.number * 1000003::bigint + day * 31 + place * 7 + {salt}) & 2147483647) % 1000"


_CONVERSIONS = f"""
insert into conversions (conversion_id, click_id, merchant_id, link_id, event, order_id, duplicate_key, status,
    status_sent, payout_minor, currency, authenticated, clicked_at, received_at, country, destination_id)
select conversion_id, click_id, merchant_id, link_id, event, nullif(order_id, ''),
    case when order_id = '' then 'once:' || event || ':' || click_id else 'order:' || event || ':' || order_id end,
    case when pending = 1 then 'pending' when approved = 1 then 'approved' when rejected = 1 then 'rejected'
        else 'reversed' end,
    'approved', nullif(revenue_minor, 0), currency, true, clicked_at, received_at, nullif(country, ''),
    nullif(destination_id, 0)
from report_conversions where currency in ('{CURRENCY}', '{FOREIGN}')
"""
_ENTRIES = """
insert into entries (party, kind, conversion_id, merchant_id, source_id, amount_minor, currency, payout_schedule,
    payable_at, created_at)
select 'merchant', 'revenue', conversion_id, merchant_id, null, revenue_minor, currency, null, null, received_at
from report_conversions where revenue_minor <> 0
union all
select 'source', 'commission', conversion_id, null, source_id, commission_minor, currency, 'monthly', received_at,
    received_at
from report_conversions where commission_minor <> 0
"""
