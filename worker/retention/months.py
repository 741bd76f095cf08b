"""The partitions of tables that are kept by month: made ahead by maintenance, and for each month that a batch needs."""

from __future__ import annotations

from collections.abc import Iterable, MutableSet
from datetime import UTC, date, datetime

from worker.runtime import Connection, log

# A table and the first day of a month.
Month = tuple[str, date]


def month_of(moment: datetime) -> date:
    """Return the first day of a moment's month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def months_ahead(day: date, count: int) -> list[date]:
    """Return the first days of a day's month and of the months after it, `count` in all."""
    first = day.year * 12 + day.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(first, first + count)]


def ensure_months(
    connection: Connection, known: MutableSet[Month], tables: Iterable[str], months: Iterable[date]
) -> int:
    """Make what is missing of `months` (first days) for each table, each in its own transaction; return how many.

    `known` has those that exist. Clear it when a partition may be gone, since it was dropped or the database is another
    one.
    """
    wanted = {(table, month) for table in tables for month in months}
    made = 0
    for table, month in sorted(wanted - known):
        with connection.transaction():
            row = connection.execute("select make_month_partition(%s, %s)", [table, month]).fetchone()
        if row and row[0]:
            made += 1
            log("partition-made", table=table, month=month)
        known.add((table, month))
    return made
