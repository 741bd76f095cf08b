"""The day partitions of clicks: made ahead by maintenance, and for every day that a batch needs; known in memory."""

from __future__ import annotations

from collections.abc import Iterable, MutableSet
from datetime import UTC, date, datetime, timedelta

from tracking.clicks import first_click_id
from worker.runtime import Connection, log

_EPOCH = date(1970, 1, 1)
_ONE_DAY = timedelta(days=1)


def ensure_partitions(connection: Connection, known: MutableSet[int], days: Iterable[int]) -> int:
    """Make what is missing of `days` (since 1970-01-01, UTC), each in its own transaction; return how many.

    `known` has those that exist, so that a batch asks PostgreSQL once a day. Clear it when a partition may be gone,
    since it was dropped or the database is another one.
    """
    made = 0
    for day in sorted(set(days) - known):
        made += make_partition(connection, _EPOCH + timedelta(days=day))
        known.add(day)
    return made


def make_partition(connection: Connection, day: date) -> bool:
    """Make the partition of one day; return False when it is there already."""
    low = first_click_id(datetime(day.year, day.month, day.day, tzinfo=UTC))
    high = first_click_id(datetime(day.year, day.month, day.day, tzinfo=UTC) + _ONE_DAY)
    with connection.transaction():
        row = connection.execute("select make_click_partition(%s, %s, %s)", [day, low, high]).fetchone()
    made = bool(row and row[0])
    if made:
        log("partition-made", day=day)
    return made


def day_number(moment: datetime) -> int:
    """Return days since 1970-01-01 of an aware moment, in UTC."""
    return (moment.astimezone(UTC).date() - _EPOCH).days


def day_of(number: int) -> date:
    """Return the date of a day number."""
    return _EPOCH + timedelta(days=number)
