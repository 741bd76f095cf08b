"""Commissions that wait for an exchange rate: what is tried again, what is told meanwhile, what stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from money_cases import DAY, Books, opened_books
from worker.money import book_changes, book_postponed
from worker.money import bookkeeping as bookkeeping_module


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        books.plan(revshare_percent=40)
        yield books


def issues(books: Books) -> list[tuple[Any, ...]]:
    return books.connection.execute("select subject_key, state, count from issues order by subject_key").fetchall()


def booked_ids(books: Books, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that fills with the conversions that are booked from now on."""
    seen: list[Any] = []
    book_all = bookkeeping_module.book_all

    def noted(connection: Any, conversion_ids: Any, *more: Any) -> None:
        seen.extend(conversion_ids)
        book_all(connection, conversion_ids, *more)

    monkeypatch.setattr(bookkeeping_module, "book_all", noted)
    return seen


def test_a_commission_without_a_rate_waits_and_is_booked_when_the_rate_is_there(books: Books) -> None:
    conversion_id = books.conversion("deposit", currency="EUR")
    book_changes(books.used)
    assert books.entries() == [("merchant", "revenue", 5000, "EUR")]
    assert books.booking(conversion_id, "postponed", "missing_rate", "reasons") == (
        *(True, "EUR:USD:2026-10-30", ["rate-missing"]),
    )
    assert issues(books) == [("EUR:USD:2026-10-30", "open", 1)]
    books.rate("USD", "1.25")
    book_postponed()
    assert books.entries()[1:] == [("source", "commission", 2500, "USD")]
    assert books.booking(conversion_id, "postponed", "missing_rate", "reasons") == (False, None, [])
    assert issues(books) == [("EUR:USD:2026-10-30", "resolved", 1)]


def test_what_waits_for_another_rate_is_left_alone(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = books.conversion("deposit", currency="EUR")
    books.conversion("deposit", currency="JPY")
    books.conversion("deposit", currency="EUR", received_at=DAY + timedelta(days=30))
    book_changes(books.used)
    seen = booked_ids(books, monkeypatch)
    book_postponed()
    assert seen == []
    books.rate("USD", "1.25")
    book_postponed()
    book_postponed()
    assert seen == [waiting]
    assert [state for _, state, _ in issues(books)] == ["resolved", "open", "open"]


def test_what_the_release_before_postponed_is_tried_once_and_then_waits_for_its_rate(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversion_id = books.conversion("deposit", currency="EUR")
    book_changes(books.used)
    books.connection.execute("update bookings set missing_rate = null")
    seen = booked_ids(books, monkeypatch)
    book_postponed()
    book_postponed()
    assert seen == [conversion_id]
    assert books.booking(conversion_id, "missing_rate") == "EUR:USD:2026-10-30"


def test_a_conversion_that_waits_no_more_resolves_the_issue(books: Books) -> None:
    conversion_id = books.conversion("deposit", currency="EUR")
    book_changes(books.used)
    books.change(conversion_id, status="reversed")
    book_changes(books.used)
    book_postponed()
    assert issues(books) == [("EUR:USD:2026-10-30", "resolved", 1)]


def test_another_rate_that_the_same_conversion_misses_is_an_issue_too(books: Books) -> None:
    conversion_id = books.conversion("deposit", currency="EUR")
    book_changes(books.used)
    books.change(conversion_id, currency="JPY")
    book_changes(books.used)
    book_postponed()
    assert issues(books) == [("EUR:USD:2026-10-30", "resolved", 1), ("JPY:USD:2026-10-30", "open", 1)]


def test_the_booking_says_what_the_ledger_says_while_it_waits(books: Books) -> None:
    conversion_id = books.conversion("deposit")
    book_changes(books.used)
    books.change(conversion_id, currency="JPY", payout_minor=9000)
    book_changes(books.used)
    assert books.entries()[-1] == ("merchant", "reversal", -5000, "USD")
    assert books.booking(conversion_id, "postponed", "commission_minor", "currency") == (True, 2000, "USD")
    assert books.value("select sum(amount_minor) from entries where party = 'source'") == 2000


def test_partners_are_not_told_of_a_commission_of_nothing_while_it_waits(books: Books) -> None:
    books.add("outgoing_postbacks", name="A partner", url="https://p.example/?c={commission}", secrets=["whsec_x"])
    books.conversion("deposit", currency="EUR")
    books.conversion("deposit")
    book_changes(books.used)
    facts = "select facts -> 'commission', facts -> 'commission_minor', facts -> 'commission_currency' from deliveries"
    assert books.connection.execute(f"{facts} order by facts ->> 'currency'").fetchall() == [
        (None, None, None),
        ("20.00", 2000, "USD"),
    ]


def test_one_that_cannot_be_booked_holds_up_no_other_that_waits(books: Books) -> None:
    bad, good = sorted(books.conversion("deposit", currency="EUR") for _ in range(2))
    book_changes(books.used)
    books.connection.execute(f"alter table entries add check (party = 'merchant' or conversion_id <> '{bad}')")
    books.rate("USD", "1.25")
    for _ in range(3):
        book_postponed()
    assert [len(books.entries(each)) for each in (bad, good)] == [1, 2]
    # Once, and then it is the operator's.
    failed = "select conversion_id, count from issues where kind = 'booking-failed'"
    assert books.connection.execute(failed).fetchall() == [(bad, 1)]


def test_the_age_of_a_rate_is_kept_with_what_it_was_used_for(books: Books) -> None:
    books.rate("USD", "1.25", "2026-10-28")
    conversion_id = books.conversion("deposit", currency="EUR")
    in_dollars = books.conversion("deposit")
    book_changes(books.used)
    entries = "select rate_date::text, rate_age_days from entries where party = 'source' and conversion_id = %s"
    assert books.connection.execute(entries, [conversion_id]).fetchall() == [("2026-10-28", 2)]
    assert books.booking(conversion_id, "rate_date::text", "rate_age_days") == ("2026-10-28", 2)
    assert books.connection.execute(entries, [in_dollars]).fetchall() == [(None, None)]
    assert books.booking(in_dollars, "rate_age_days") is None
    # A newer rate comes; what was booked keeps its own, and so does what follows from it.
    books.rate("USD", "1.5", "2026-10-30")
    books.change(conversion_id, payout_minor=6000)
    book_changes(books.used)
    assert books.connection.execute(entries, [conversion_id]).fetchall() == [("2026-10-28", 2)] * 2
    books.change(conversion_id, currency="USD")
    book_changes(books.used)
    assert books.booking(conversion_id, "rate_date", "rate_age_days") == (None, None)


def test_hold_days_are_counted_from_the_approval_however_late_it_is_booked(books: Books) -> None:
    books.event_type("deposit", hold_days=10)
    conversion_id = books.conversion("deposit")
    books.connection.execute("update conversion_changes set changed_at = '2026-10-31 23:00Z'")
    book_changes(replace(books.used))
    payable_at = "2026-11-10 23:00:00+00"
    assert books.booking(conversion_id, "payable_at::text") == payable_at
    assert books.value("select payable_at::text from entries where party = 'source'") == payable_at
