"""Finds the conversion of each report row, and writes how the two compare. It uses SQL and streams and holds nothing.

A row finds its conversion by order id. Without one, or if no conversion of ours has it, it uses its click id, among
conversions without an order id. Rows that fit several are paired by amount, or else are ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any, NamedTuple

import orjson
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from admin_api.reconciliation.report_rows import Line
from admin_api.reconciliation.row_table import ROWS_AT_ONCE, save_rows
from admin_api.runtime import Database
from tracking.conversions import ConversionStatus
from tracking.reconciliation import ReportRow, RowClass, Stated, differences

# The time that one statement may take. A request that a page waits for has 30 s.
TIMEOUT = "5min"
_LINES = (
    "create temporary table report_lines (row_number integer not null, reported_on date, order_id text, click_id uuid,"
    " event text, amount_minor bigint, currency text, status text, faults jsonb) on commit drop"
)
_COPY_LINES = (
    "copy report_lines (row_number, reported_on, order_id, click_id, event, amount_minor, currency, status, faults)"
    " from stdin"
)
_EXPECTED = "c.merchant_id = %(merchant_id)s and (%(only)s::text[] is null or c.event = any(%(only)s))"
# What each row looks for. Rows that look for the same share a key, so a report that names one click in all its rows is
# no more work than one row. A missing event is empty text here, since nulls cannot be joined by hash.
_KEYED = f"""
    create temporary table report_keyed on commit drop as
    with known_orders as materialized (
        select distinct l.order_id, coalesce(l.event, '') as event from report_lines l
        join conversions c on c.order_id = l.order_id where {_EXPECTED} and (l.event is null or l.event = c.event)
    ), named as (
        select l.row_number, l.amount_minor, l.currency, l.status, l.order_id is null as is_bare,
            coalesce(l.event, '') as event, o.order_id, case when o.order_id is null then l.click_id end as click_id
        from report_lines l
        left join known_orders o on o.order_id = l.order_id and o.event = coalesce(l.event, '')
    )
    select *, dense_rank() over (order by order_id, click_id, event, is_bare) as key_id
    from named where order_id is not null or click_id is not null
"""  # noqa: S608
# Every conversion that the rows of a key may be about.
_CANDIDATES = f"""
    create temporary table report_candidates on commit drop as
    with keys as (select distinct key_id, order_id, click_id, event, is_bare from report_keyed)
    select k.key_id, c.conversion_id from keys k join conversions c on c.order_id = k.order_id
    where {_EXPECTED} and (k.event = '' or k.event = c.event)
    union all
    select k.key_id, c.conversion_id from keys k join conversions c on c.click_id = k.click_id
    where {_EXPECTED} and (k.event = '' or k.event = c.event) and (k.is_bare or c.order_id is null)
"""  # noqa: S608
# A single candidate is the match. Of several, rows that say the same are paired one to one, oldest first, with the
# conversions of their amount; between equal ones it makes no difference. A conversion is compared with one row: the one
# that reverses it if there is one, otherwise the first.
_PAIRS = """
    create temporary table report_pairs on commit drop as
    with counted as (
        select key_id, conversion_id, count(*) over (partition by key_id) as candidates from report_candidates
    ), single as (
        select key_id, conversion_id from counted where candidates = 1
    ), several as (
        select k.key_id, k.conversion_id, c.payout_minor, c.currency, row_number() over (
            partition by k.key_id, c.payout_minor, c.currency order by c.received_at, k.conversion_id) as nth
        from counted k join conversions c using (conversion_id)
        where k.candidates > 1 and not exists (select from single s where s.conversion_id = k.conversion_id)
    ), alike as (
        select row_number, key_id, amount_minor, currency, row_number() over (
            partition by key_id, amount_minor, currency order by row_number) as nth
        from report_keyed
    ), paired as (
        select k.row_number, s.conversion_id from report_keyed k join single s using (key_id)
        union all
        select a.row_number, s.conversion_id from alike a join several s on s.key_id = a.key_id and s.nth = a.nth
            and s.payout_minor = a.amount_minor and s.currency = a.currency
    )
    select p.row_number, p.conversion_id, row_number() over (
        partition by p.conversion_id order by (k.status is not distinct from 'reversed') desc, p.row_number) as turn
    from paired p join report_keyed k using (row_number)
"""
_OURS = "c.conversion_id, c.received_at, c.order_id, c.click_id, c.event, c.payout_minor, c.currency, c.status"
_COMPARED = f"""
    select l.row_number, l.reported_on, l.order_id, l.click_id, l.event, l.amount_minor, l.currency, l.status, l.faults,
        p.turn, k.row_number is not null, {_OURS}
    from report_lines l left join report_pairs p using (row_number) left join conversions c using (conversion_id)
    left join (select row_number from report_keyed where key_id in (select key_id from report_candidates)) k
        using (row_number)
    order by l.row_number
"""  # noqa: S608
# What the report leaves out of the period: all that the merchant owes us for, and all that an ambiguous row may mean.
_LEFT = f"""
    select k.conversion_id is not null, {_OURS} from conversions c
    left join (select distinct conversion_id from report_candidates) k using (conversion_id)
    where {_EXPECTED} and not exists (select from report_pairs p where p.conversion_id = c.conversion_id)
        and (k.conversion_id is not null or (c.received_at >= %(begins_at)s and c.received_at < %(ends_at)s
            and c.status in ('pending', 'approved')))
    order by c.received_at, c.conversion_id
"""  # noqa: S608


class Period(NamedTuple):
    """What a run is about: its number, the account, the event types (None: all), the moments, and its first and last
    day in the report's own time zone.
    """

    reconciliation_id: int
    merchant_id: int
    only_events: list[str] | None
    begins_at: datetime
    ends_at: datetime
    first_day: date
    last_day: date


def compare_report(database: Database, period: Period, lines: Iterable[Line]) -> int:
    """Write a run's rows inside the caller's transaction, from one state. Return how many rows the report has."""
    database.execute(f"set local statement_timeout to '{TIMEOUT}'")
    database.execute(_LINES)
    count = _save_lines(database, lines)
    database.execute("analyze report_lines")
    named = {
        "merchant_id": period.merchant_id,
        "only": period.only_events,
        "begins_at": period.begins_at,
        "ends_at": period.ends_at,
    }
    for table, query in (("keyed", _KEYED), ("candidates", _CANDIDATES), ("pairs", _PAIRS)):
        database.execute(query.encode(), named)
        database.execute(f"analyze report_{table}".encode())
    theirs = (_compared(row, period) for row in _stream(database, _COMPARED, None))
    ours = (_left(row) for row in _stream(database, _LEFT, named))
    save_rows(database, period.reconciliation_id, chain(theirs, ours))
    return count


def _save_lines(database: Database, lines: Iterable[Line]) -> int:
    count = 0
    with database.cursor() as cursor, cursor.copy(_COPY_LINES) as copy:
        for line in lines:
            count += 1
            if isinstance(line.row, ReportRow):
                copy.write_row((line.number, *line.row, None))
            else:
                faults = [fault._asdict() for fault in line.row]
                copy.write_row((line.number, *[None] * 7, Jsonb(faults, dumps=orjson.dumps)))
    return count


def _stream(database: Database, query: str, named: Any) -> Iterator[tuple[Any, ...]]:
    with database.cursor("reconciled", row_factory=tuple_row) as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(query.encode(), named)
        yield from cursor


def _compared(row: tuple[Any, ...], period: Period) -> list[Any]:
    """Return the stored row of a line: its class, what either side says, their differences, and its faults."""
    number, reported_on, order_id, click_id, event, amount, currency, status, faults, turn, has_candidates, *our = row
    found: Sequence[str] = ()
    if faults is not None:
        kind = RowClass.BAD_ROW
    elif turn == 1:
        said = Stated(amount, currency, None if status is None else ConversionStatus(status), click_id)
        found = differences(said, Stated(our[5], our[6], ConversionStatus(our[7]), our[3]))
        kind = RowClass.DIFFERENT if found else RowClass.EQUAL
    elif turn is not None:
        kind = RowClass.REPEATED
    elif has_candidates:
        kind = RowClass.AMBIGUOUS
    elif reported_on is not None and not period.first_day <= reported_on <= period.last_day:
        kind = RowClass.OUTSIDE_PERIOD
    else:
        kind = RowClass.MISSING_HERE
    shown = None if faults is None else Jsonb(faults, dumps=orjson.dumps)
    their = (number, reported_on, order_id, click_id, event, amount, currency, status)
    return [kind, *their, *our, list(found), shown]


def _left(row: tuple[Any, ...]) -> list[Any]:
    """Return the stored row of a conversion that has no line."""
    is_candidate, *our = row
    kind = RowClass.AMBIGUOUS if is_candidate else RowClass.MISSING_THERE
    return [kind, *[None] * 8, *our, [], None]
