"""Conversions and their ledger for tests: rows as the judge writes them, what operators do, and what the books say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

import worker_cases as cases
from worker.runtime import Resources, install

DAY = datetime(2026, 10, 30, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Books:
    """A database with merchants 1 and 2, source 1, link 1 of merchant 1 and that source, and one worker process."""

    used: Resources
    connection: psycopg.Connection[Any]

    def add(self, table: str, **values: Any) -> Any:
        """Insert a row of configuration and return its id."""
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        row = self.connection.execute(
            f"insert into {table} ({names}) values ({marks}) returning *", list(values.values())
        ).fetchone()
        return row[0]

    def plan(self, **terms: Any) -> int:
        """Insert a commission plan in dollars that began in 2020."""
        plan_id: int = self.add(
            "commission_plans", **{"name": "plan", "starts_on": "2020-01-01", "currency": "USD"} | terms
        )
        return plan_id

    def event_type(self, event: str, **changes: Any) -> None:
        """Change an event type."""
        assignments = ", ".join(f"{name} = %s" for name in changes)
        self.connection.execute(f"update event_types set {assignments} where event = %s", [*changes.values(), event])

    def rate(self, quote: str, rate: str, day: str = "2026-10-30", **more: Any) -> int:
        """Insert a rate of the European Central Bank, or with `origin` of the operator."""
        values = {"origin": "ecb", "base": "EUR", "quote": quote, "rate_date": day, "rate": rate} | more
        rate_id: int = self.add("exchange_rates", **values)
        return rate_id

    def conversion(self, event: str = "ftd", **changes: Any) -> UUID:
        """Insert a conversion as the judge would, approved unless told otherwise, worth 50.00 USD."""
        values = {
            "click_id": uuid4(),
            "merchant_id": 1,
            "link_id": 1,
            "event": event,
            "status": "approved",
            "payout_minor": 5000,
            "currency": "USD",
            "authenticated": True,
            "clicked_at": DAY,
            "received_at": DAY,
            **changes,
        }
        conversion_id: UUID = self.add("conversions", **values)
        return conversion_id

    def change(self, conversion_id: UUID, **changes: Any) -> None:
        """Change a conversion as the judge would."""
        assignments = ", ".join(f"{name} = %s" for name in changes)
        self.connection.execute(
            f"update conversions set {assignments} where conversion_id = %s", [*changes.values(), conversion_id]
        )

    def entries(self, conversion_id: UUID | None = None) -> list[tuple[Any, ...]]:
        """Return party, kind, amount and currency of entries in the order they were made."""
        return self.connection.execute(
            "select party, kind, amount_minor, currency from entries where conversion_id = %s or %s::uuid is null"
            " order by entry_id",
            [conversion_id, conversion_id],
        ).fetchall()

    def booking(self, conversion_id: UUID, *columns: str) -> Any:
        """Return columns of what a conversion was booked as; of one column, its value."""
        row = self.connection.execute(
            f"select {', '.join(columns)} from bookings where conversion_id = %s", [conversion_id]
        ).fetchone()
        return row[0] if len(columns) == 1 else row

    def value(self, query: str, *values: Any) -> Any:
        """Return the one value of a query."""
        return self.connection.execute(query, values).fetchone()[0]


@contextmanager
def opened_books(database_url: str, redis_url: str) -> Iterator[Books]:
    """Yield books whose resources are the process's."""
    cases.configure(database_url)
    used = cases.resources(database_url, redis_url)
    install(used)
    with psycopg.connect(database_url, autocommit=True) as connection:
        books = Books(used, connection)
        books.add("sources", name="source")
        connection.execute("update links set source_id = 1 where link_id = 1")
        yield books
    cases.close(used)
