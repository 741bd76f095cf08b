"""Payouts by requests: the export, what a run asks the database, and what is said of a wrong request."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.money.exchange_rate_table import find_stored_rate
from admin_client import AdminClient
from money_cases import Books, opened_books
from tracking.money import AppliedRate
from worker.money import book_changes

# Every schedule has a period that ended between now and then.
LATER = datetime.now(UTC) + timedelta(days=40)
# Makes the payout of all that source 1 has earned in dollars.
MAKE = "select make_payout(1, 'USD', 'monthly', now() + interval '1 day')"


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        books.plan(revshare_percent=50)
        yield books


def earn(books: Books, amount_minor: int, link_id: int = 1) -> None:
    books.conversion("deposit", payout_minor=2 * amount_minor, link_id=link_id)
    book_changes(books.used)


def test_the_export_is_a_csv_that_runs_no_formulas(books: Books, admin: AdminClient) -> None:
    books.connection.execute("update sources set name = '=HYPERLINK(1)'")
    earn(books, 12345)
    books.connection.execute(MAKE)
    answer = admin.request("GET", "/v1/payouts/export?state=open&currency=USD")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert (row["source"], row["amount"], row["currency"], row["state"]) == ("'=HYPERLINK(1)", "123.45", "USD", "open")
    assert "\n" not in admin.request("GET", "/v1/payouts/export?state=paid").text.strip()


def test_an_export_of_several_pages_has_every_payout_once(
    books: Books, admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.money.payouts.EXPORT_ROWS_AT_ONCE", 2)
    ends = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 8)]
    for at in ends:
        books.add("payouts", source_id=1, currency="USD", payout_schedule="monthly", period_ends_at=at)
    for wanted, query in (
        (ends, ""),
        (ends[3:], "?from=2026-04-01"),
        (ends[:4], "?to=2026-05-01"),
        ([], "?state=paid"),
    ):
        text = admin.request("GET", f"/v1/payouts/export{query}").text.removeprefix("\ufeff")
        found = [row["period_ends_at"] for row in csv.DictReader(io.StringIO(text))]
        assert found == [at.isoformat() for at in wanted]


def test_a_run_asks_for_each_exchange_rate_once(
    books: Books, admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lock on payouts all the while."""
    asked: list[tuple[Any, ...]] = []

    def find(database: Any, *question: Any) -> AppliedRate | None:
        asked.append(question)
        return find_stored_rate(database, *question)

    monkeypatch.setattr("admin_api.money.payout_table.find_stored_rate", find)
    books.event_type("deposit", minimum_payout_minor=1, minimum_payout_currency="EUR")
    books.rate("USD", "1.25", LATER.date().isoformat())
    earn(books, 400)
    for name in ("second", "third"):
        source_id = books.add("sources", name=name)
        columns = {"slug": name, "source_id": source_id, "merchant_id": 1, "destination_url": "https://m.example/"}
        earn(books, 400, books.add("links", name=name, **columns))
    items = admin.request("POST", "/v1/payouts/run", {"dry": True, "at": LATER.isoformat()}).json["items"]
    assert [row["minimum_minor"] for row in items] == [1, 1, 1]
    assert asked == [("EUR", "USD", LATER.date())]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/payouts/99", 404, "not-found"),
        ("POST", "/v1/payouts/99/approve", 404, "not-found"),
        ("GET", "/v1/payouts/x", 404, "not-found"),
        ("GET", "/v1/payouts?state=open,closed", 400, "invalid-field"),
        ("GET", "/v1/payouts?status=open", 400, "unknown-field"),
        ("GET", "/v1/payouts?cursor=-1", 400, "invalid-field"),
        ("GET", "/v1/payouts?from=yesterday", 400, "invalid-field"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    books: Books, admin: AdminClient, method: str, path: str, status: int, code: str
) -> None:
    answer = admin.request(method, path)
    assert (answer.status_code, answer.json["code"]) == (status, code)
