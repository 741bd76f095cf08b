"""Compares roll-ups with the rows, a day in each transaction, and repairs them by adding what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from time import sleep
from typing import Any
from zoneinfo import ZoneInfo

from config.settings import ReportSettings
from tracking.clicks import first_click_id
from tracking.reports import day_of, number_of_day
from worker.reports.differences import Difference, clicks_of_day, conversions, larger_blocks, wrong_facts
from worker.reports.state import HOUR_S, State, alone, load_state
from worker.runtime import Connection, RetryableError

_ONE_DAY = timedelta(days=1)
# A fold takes about a second.
_LOCK_TRIES = 300
_LOCK_PAUSE_S = 0.1
_DROPPED = "select max(ends_at) from retention_drops where class = 'clicks'"
_ROLLED = "select min(block), max(block) from report_clicks_total where level = 1"
_STORED = "select min(clicked_at), max(clicked_at) from clicks"
_SNAPSHOT = "set transaction isolation level repeatable read"
_PATIENT = "set local statement_timeout = 0"


def check(
    run: Callable[..., Any], settings: ReportSettings, now_s: float, *, repair: bool = False
) -> Iterator[tuple[str, Difference]]:
    """Yield what differs as (day or part, difference); with `repair`, mend it. `run` is that of a Database.

    Days whose clicks were dropped, whole or in part, are not compared: roll-ups are all that is left of them.
    """

    def within(work: Callable[[Connection, State], list[Difference]]) -> list[Difference]:
        def transaction(connection: Connection) -> list[Difference]:
            with one_snapshot(connection, repair=repair):
                return work(connection, load_state(connection, settings, now_s))

        found: list[Difference] = run(transaction)
        return found

    for day in run(lambda connection: _days(connection, settings, now_s)):
        for found in within(partial(_of_day, day=day, repair=repair)):
            yield day_of(day).isoformat(), found
    for part, work in (
        ("conversions", lambda connection, state: wrong_facts(connection, repair=repair)),
        ("conversions", lambda connection, state: conversions(connection, state.values(), repair=repair)),
        ("larger blocks", lambda connection, state: larger_blocks(connection, state.values(), repair=repair)),
    ):
        for found in within(work):
            yield part, found


@contextmanager
def one_snapshot(connection: Connection, *, repair: bool) -> Iterator[None]:
    """Work in one snapshot until the block ends; alone, if roll-ups are to be changed. Raises RetryableError."""
    if not repair:
        with connection.transaction():
            connection.execute(_SNAPSHOT)
            connection.execute(_PATIENT)
            yield
        return
    for _ in range(_LOCK_TRIES):
        with alone(connection) as mine:
            if mine:
                connection.execute(_PATIENT)
                yield
                return
        sleep(_LOCK_PAUSE_S)
    raise RetryableError("another process changes the roll-ups all the time")


def _days(connection: Connection, settings: ReportSettings, now_s: float) -> range:
    with connection.transaction():
        return compared_days(connection, load_state(connection, settings, now_s))


def compared_days(connection: Connection, state: State) -> range:
    """Return the days that can be compared: those with clicks or roll-ups, all of whose clicks are kept."""
    zone = ZoneInfo(state.time_zone)
    found = []
    stored = connection.execute(_STORED).fetchone()
    found += [number_of_day(at.astimezone(zone).date()) for at in stored or () if at is not None]
    rolled = connection.execute(_ROLLED).fetchone()
    found += [block for block in rolled or () if block is not None]
    return range(max(min(found), first_whole_day(connection, zone)), max(found) + 1) if found else range(0)


def first_whole_day(connection: Connection, zone: ZoneInfo) -> int:
    """Return the first day none of whose clicks were dropped by retention; 0 if none ever was."""
    row = connection.execute(_DROPPED).fetchone()
    return 0 if row is None or row[0] is None else number_of_day(row[0].astimezone(zone).date()) + 1


def midnight(day: int, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day."""
    return datetime.combine(day_of(day), time_of_day(), zone).astimezone(UTC)


def _of_day(connection: Connection, state: State, day: int, *, repair: bool) -> list[Difference]:
    zone = ZoneInfo(state.time_zone)
    begins, ends = midnight(day, zone), midnight(day + 1, zone)
    first_hour = -(-int(begins.timestamp()) // HOUR_S)
    values = {
        **state.values(),
        "day": day,
        "from": begins,
        "to": ends,
        # An id may be a little older or newer than its click.
        "low": first_click_id(begins - _ONE_DAY),
        "high": first_click_id(ends + _ONE_DAY),
        "first_hour": max(first_hour, state.hours_from),
        "end_hour": int(ends.timestamp()) // HOUR_S,
    }
    return clicks_of_day(connection, values, repair=repair)
