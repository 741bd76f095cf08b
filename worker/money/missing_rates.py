"""Finds the missing rates that postponed commissions wait for, and opens and resolves an issue for each rate.

A missing rate is written as {source}:{target}:{day}, in bookings and as the subject of its issue.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from tracking.issues import IssueKind
from tracking.money import MissingRate
from worker.issues import open_issue
from worker.money.booking_table import Bookable
from worker.money.rates import Rates
from worker.runtime import Connection

_MISSING = "select distinct missing_rate from bookings where postponed and missing_rate is not null order by 1"
# The issue of a rate that was missed again in the meantime stays open.
_RESOLVE = (
    "update issues set state = 'resolved', resolved_at = now(), revision = revision + 1,"
    " note = 'no commission waits for this rate any more'"
    " where kind = %s and state = 'open' and last_seen_at < %s and not exists (select from bookings"
    " where postponed and missing_rate = issues.subject_key)"
)


class FoundRates(NamedTuple):
    """The missing rates that have been found, and when the database was asked for them."""

    looked_at: datetime
    found: list[str]


def missing_key(missing: MissingRate) -> str:
    """Return a missing rate as text: {source}:{target}:{day}."""
    return f"{missing.source}:{missing.target}:{missing.day}"


def find_missing(connection: Connection) -> FoundRates:
    """Look for every rate that some commission waits for."""
    with connection.transaction():
        (looked_at,) = connection.execute("select now()").fetchone() or (None,)
        assert looked_at is not None
        find_rate = Rates(connection)
        keys = [row[0] for row in connection.execute(_MISSING)]
        return FoundRates(looked_at, [key for key in keys if find_rate(*_asked(key)) is not None])


def open_missing(connection: Connection, missing: MissingRate, item: Bookable) -> None:
    """Open the issue of a missing rate, with the conversion that needs it."""
    open_issue(
        connection,
        IssueKind.RATE_MISSING,
        missing_key(missing),
        f"No exchange rate from {missing.source} to {missing.target} counts on {missing.day}",
        {
            "source": missing.source,
            "target": missing.target,
            "day": missing.day.isoformat(),
            "fix": "load newer rates with `python -m worker rates FILE`, or add it at /v1/exchange-rates;"
            " commissions that wait for it are booked within a minute",
        },
        merchant_id=item.merchant_id,
        conversion_id=item.conversion_id,
        click_id=item.click_id,
    )


def resolve_found(connection: Connection, before: datetime) -> None:
    """Resolve the issues last seen before a moment whose rates no commission waits for any more."""
    connection.execute(_RESOLVE, [IssueKind.RATE_MISSING.value, before])


def _asked(key: str) -> tuple[str, str, date]:
    source, target, day = key.split(":")
    return source, target, date.fromisoformat(day)
