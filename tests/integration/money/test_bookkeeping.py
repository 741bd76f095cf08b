"""Bookkeeping on a real database: what conversions earn, what changes take back, and what stays as it was booked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.errors import RestrictViolation

import worker_cases as cases
from money_cases import DAY, Books, opened_books
from tracking.spool import Postback
from worker.clicks import task as clicks
from worker.conversions import lock_unbooked
from worker.money import book_changes, book_postponed, bookkeeping, run_bookkeeping
from worker.money.bookkeeping import book
from worker.postbacks import task as postbacks


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


def test_an_approved_conversion_is_revenue_and_commission(books: Books) -> None:
    plan_id = books.plan(cpa_minor=4000)
    conversion_id = books.conversion()
    assert book_changes(books.used) == 1
    assert books.entries() == [("merchant", "revenue", 5000, "USD"), ("source", "commission", 4000, "USD")]
    assert books.booking(conversion_id, "plan_id", "plan_rung", "commission_minor", "currency", "reasons") == (
        *(plan_id, "any", 4000, "USD", []),
    )
    of_source = "select plan_id, source_id, merchant_id, payout_schedule, change_id from entries where party = 'source'"
    assert books.connection.execute(of_source).fetchall() == [(plan_id, 1, 1, "monthly", 1)]


@pytest.mark.parametrize("status", ["pending", "rejected"])
def test_what_is_not_approved_is_worth_nothing(books: Books, status: str) -> None:
    books.plan(cpa_minor=4000)
    conversion_id = books.conversion(status=status)
    assert book_changes(books.used) == 1
    assert books.entries() == []
    assert books.booking(conversion_id, "commission_minor", "reasons") == (0, [])


def test_every_change_of_a_conversion_becomes_entries_of_the_difference(books: Books) -> None:
    books.plan(revshare_percent=40)
    conversion_id = books.conversion("deposit", status="pending")
    for changes in ({"status": "approved"}, {"payout_minor": 6000}, {"payout_minor": 1000}, {"status": "reversed"}):
        books.change(conversion_id, **changes)
        book_changes(books.used)
    assert books.entries() == [
        ("merchant", "revenue", 5000, "USD"),
        ("source", "commission", 2000, "USD"),
        ("merchant", "adjustment", 1000, "USD"),
        ("source", "adjustment", 400, "USD"),
        ("merchant", "adjustment", -5000, "USD"),
        ("source", "adjustment", -2000, "USD"),
        ("merchant", "reversal", -1000, "USD"),
        ("source", "reversal", -400, "USD"),
    ]


def test_changes_booked_at_once_make_the_same_sum_as_one_by_one(books: Books) -> None:
    books.plan(revshare_percent=40)
    conversion_id = books.conversion("deposit")
    for changes in ({"payout_minor": 6000}, {"payout_minor": 1000}):
        books.change(conversion_id, **changes)
    assert book_changes(books.used) == 3
    assert books.entries() == [("merchant", "revenue", 1000, "USD"), ("source", "commission", 400, "USD")]


def test_booking_again_changes_nothing(books: Books) -> None:
    books.plan(cpa_minor=4000)
    conversion_id = books.conversion()
    book_changes(books.used)
    for _ in range(3):
        books.used.database.run(lambda connection: book(connection, conversion_id))
    run_bookkeeping()
    assert len(books.entries()) == 2
    assert books.value("select count(*) from conversion_changes where booked_at is null") == 0


def test_a_change_of_currency_never_mixes_currencies(books: Books) -> None:
    books.plan(revshare_percent=40)
    books.rate("USD", "1.25")
    conversion_id = books.conversion("deposit")
    book_changes(books.used)
    books.change(conversion_id, payout_minor=2000, currency="EUR")
    book_changes(books.used)
    assert books.entries()[2:] == [
        ("merchant", "revenue", 2000, "EUR"),
        ("merchant", "reversal", -5000, "USD"),
        ("source", "adjustment", -1000, "USD"),
    ]
    kept = "select original_minor, original_currency, rate, rate_date from entries where entry_id = 5"
    assert books.connection.execute(kept).fetchone() == (2000, "EUR", Decimal("1.25"), date(2026, 10, 30))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": "registration", "link_id": 2, "merchant_id": 2}, "no-source"),
        ({"event": "registration"}, "no-term"),
        ({"event": "deposit", "payout_minor": None, "currency": None}, "no-amount"),
        ({"event": "ftd", "payout_minor": 1999}, "below-baseline"),
        ({"event": "gone"}, "event-earns-none"),
    ],
)
def test_what_earns_nothing_says_why(books: Books, changes: dict[str, Any], reason: str) -> None:
    books.plan(cpa_minor=4000, revshare_percent=40, baseline_minor=2000)
    conversion_id = books.conversion(**changes)
    book_changes(books.used)
    assert books.booking(conversion_id, "commission_minor", "reasons") == (0, [reason])
    assert books.value("select count(*) from entries where party = 'source'") == 0


def test_without_a_plan_nothing_is_earned_until_an_operator_has_it_booked_anew(books: Books) -> None:
    conversion_id = books.conversion()
    book_changes(books.used)
    assert books.booking(conversion_id, "reasons") == ["no-plan"]
    plan_id = books.plan(cpa_minor=4000)
    books.used.database.run(lambda connection: book(connection, conversion_id))
    assert books.booking(conversion_id, "reasons") == ["no-plan"]
    books.connection.execute("update bookings set renew = true")
    book_postponed()
    assert books.booking(conversion_id, "plan_id", "reasons", "renew") == (plan_id, [], False)
    assert books.entries()[1:] == [("source", "commission", 4000, "USD")]


def test_terms_stay_as_they_were_first_booked(books: Books) -> None:
    first = books.plan(cpa_minor=4000)
    conversion_id = books.conversion(status="pending")
    book_changes(books.used)
    second = books.plan(cpa_minor=9000, merchant_id=1)
    books.event_type("ftd", commission="hybrid", payout_schedule="weekly", hold_days=9)
    books.connection.execute("update links set plan_id = %s, source_id = null where link_id = 1", [second])
    books.change(conversion_id, status="approved")
    book_changes(books.used)
    assert books.booking(conversion_id, "plan_id", "commission", "payout_schedule", "hold_days", "source_id") == (
        *(first, "cpa", "monthly", 0, 1),
    )
    assert books.entries()[-1] == ("source", "commission", 4000, "USD")


def test_the_plan_is_chosen_by_link_profile_account_country_and_day(books: Books) -> None:
    plans = {name: books.plan(name=name, cpl_minor=100) for name in ("any", "link", "profile", "account")}
    plans["germany"] = books.plan(countries=["DE"], cpl_minor=100)
    plans["later"] = books.plan(starts_on="2026-10-31", cpl_minor=100)

    def chosen(**changes: Any) -> str:
        conversion_id = books.conversion("registration", **changes)
        book_changes(books.used)
        plan_id = books.booking(conversion_id, "plan_id")
        return next(name for name, known in plans.items() if known == plan_id)

    # Plans of the same day: the newest counts.
    assert chosen() == "account"
    assert chosen(country="DE") == "germany"
    assert chosen(received_at=DAY + timedelta(days=1)) == "later"
    for table, name in (("merchants", "account"), ("profiles", "profile"), ("links", "link")):
        column = "default_plan_id" if table == "merchants" else "plan_id"
        books.connection.execute(f"update {table} set {column} = {plans[name]}")
        assert chosen(country="DE", received_at=DAY + timedelta(days=1)) == name


def test_deposits_reach_a_baseline_together_and_fall_below_it_again(books: Books) -> None:
    books.plan(cpa_minor=4000, baseline_minor=3000)
    click_id = uuid4()
    ftd = books.conversion(click_id=click_id, payout_minor=1000)
    books.conversion(payout_minor=9000, event="deposit")
    books.conversion(click_id=click_id, payout_minor=9000, event="deposit", merchant_id=2, link_id=2)
    book_changes(books.used)
    assert books.booking(ftd, "commission_minor", "reasons") == (0, ["below-baseline"])
    deposit = books.conversion("deposit", click_id=click_id, payout_minor=2000)
    book_changes(books.used)
    assert books.booking(ftd, "commission_minor", "reasons") == (4000, [])
    books.change(deposit, status="reversed")
    book_changes(books.used)
    assert books.booking(ftd, "commission_minor", "reasons") == (0, ["below-baseline"])
    assert [row[1:3] for row in books.entries(ftd) if row[0] == "source"] == [("commission", 4000), ("reversal", -4000)]


def test_a_missing_rate_postpones_the_commission_with_one_issue_until_it_comes(books: Books) -> None:
    books.plan(revshare_percent=40)
    saturday = DAY + timedelta(days=1)
    waiting = [books.conversion("deposit", currency="EUR", received_at=saturday) for _ in range(3)]
    book_changes(books.used)
    # What needs no rate is booked at once.
    assert books.entries() == [("merchant", "revenue", 5000, "EUR")] * 3
    assert books.booking(waiting[0], "postponed", "reasons") == (True, ["rate-missing"])
    issues = "select kind, subject_key, state, count from issues"
    assert books.connection.execute(issues).fetchall() == [("rate-missing", "EUR:USD:2026-10-31", "open", 1)]
    book_postponed()
    books.change(waiting[2], status="reversed")
    book_changes(books.used)
    assert books.connection.execute(issues).fetchall() == [("rate-missing", "EUR:USD:2026-10-31", "open", 1)]
    books.conversion("deposit", currency="KES")
    book_changes(books.used)
    # Of the Friday before.
    books.rate("USD", "1.25")
    book_postponed()
    assert [row[1:] for row in books.entries() if row[0] == "source"] == [("commission", 2500, "USD")] * 2
    assert books.booking(waiting[0], "postponed", "rate", "rate_date", "original_minor", "original_currency") == (
        *(False, Decimal("1.25"), date(2026, 10, 30), 5000, "EUR"),
    )
    states = "select subject_key, state from issues order by issue_id"
    assert books.connection.execute(states).fetchall() == [
        ("EUR:USD:2026-10-31", "resolved"),
        ("KES:USD:2026-10-30", "open"),
    ]
    books.rate("KES", "140")
    book_postponed()
    assert books.connection.execute(states).fetchall()[1] == ("KES:USD:2026-10-30", "resolved")


def test_the_rate_a_conversion_was_booked_with_stays(books: Books) -> None:
    books.plan(revshare_percent=40)
    books.rate("USD", "1.25")
    conversion_id = books.conversion("deposit", currency="EUR")
    book_changes(books.used)
    books.rate("USD", "2", origin="operator")
    books.change(conversion_id, payout_minor=10_000)
    book_changes(books.used)
    assert books.booking(conversion_id, "commission_minor", "rate") == (5000, Decimal("1.25"))


def test_hold_days_count_from_the_first_approval(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.event_type("ftd", hold_days=10, payout_schedule="weekly")
    conversion_id = books.conversion()
    book_changes(books.used)
    books.change(conversion_id, status="reversed")
    book_changes(books.used)
    rows = books.connection.execute(
        "select payout_schedule, payable_at - created_at > interval '9 days 23 hours', payable_at from entries"
        " where party = 'source' order by entry_id"
    ).fetchall()
    assert [row[:2] for row in rows] == [("weekly", True)] * 2
    assert rows[0][2] == rows[1][2] == books.booking(conversion_id, "payable_at")


def test_a_postback_is_booked_with_its_batch_also_when_it_waited_for_its_click(books: Books) -> None:
    books.plan(cpa_minor=4000)
    here, late = cases.click(), cases.click()

    def send(spool_number: int, *sent: Postback) -> None:
        postbacks.store_batch(cases.POSTBACK_SPOOL, spool_number, cases.postback_payloads(list(sent)))

    clicks.store_batch(cases.SPOOL, 0, cases.payloads([here]))
    send(0, cases.postback(here.click_id), cases.postback(late.click_id))
    assert books.entries() == [("merchant", "revenue", 2500, "USD"), ("source", "commission", 4000, "USD")]
    clicks.store_batch(cases.SPOOL, 1, cases.payloads([late]))
    assert len(books.entries()) == 4


def test_a_conversion_of_no_account_is_no_revenue(books: Books) -> None:
    books.conversion(merchant_id=0)
    book_changes(books.used)
    assert books.entries() == []


@pytest.mark.parametrize(
    "statement",
    [
        "update entries set amount_minor = 1",
        "update entries set note = 'x'",
        "update entries set currency = 'EUR'",
        "update entries set created_at = now()",
        "delete from entries",
        "truncate entries",
    ],
)
def test_the_database_itself_keeps_entries(books: Books, statement: str) -> None:
    books.plan(cpa_minor=4000)
    books.conversion()
    book_changes(books.used)
    with pytest.raises(RestrictViolation, match=r"never (changed|deleted)"):
        books.connection.execute(statement)
    assert len(books.entries()) == 2


def test_a_change_that_cannot_be_booked_holds_up_no_other(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.connection.execute(
        "alter table entries add constraint only_one check (conversion_id is null or merchant_id = 1)"
    )
    bad = books.conversion(merchant_id=2)
    good = [books.conversion() for _ in range(3)]
    assert book_changes(books.used) == 4
    assert [len(books.entries(each)) for each in (bad, *good)] == [0, 2, 2, 2]
    issue = "select kind, subject_key, conversion_id from issues"
    assert books.connection.execute(issue).fetchall() == [("booking-failed", str(bad), bad)]
    # It has its terms, without which nobody could ask to book it again.
    books.connection.execute("alter table entries drop constraint only_one")
    books.connection.execute("update bookings set renew = true where conversion_id = %s", [bad])
    book_postponed()
    assert len(books.entries(bad)) == 2


def test_partners_hear_of_a_change_that_cannot_be_booked(books: Books) -> None:
    books.add("outgoing_postbacks", name="A partner", url="https://p.example/", secrets=["whsec_x"])
    books.connection.execute("alter table entries add check (merchant_id = 1)")
    bad, good = books.conversion(merchant_id=2), books.conversion()
    book_changes(books.used)
    told = books.connection.execute("select conversion_id from deliveries").fetchall()
    assert {row[0] for row in told} == {bad, good}


def test_a_change_that_partners_cannot_be_told_of_is_booked_and_holds_up_no_other(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.add("outgoing_postbacks", name="A partner", url="https://p.example/", secrets=["whsec_x"])
    bad, good = sorted(books.conversion() for _ in range(2))
    books.connection.execute(f"alter table deliveries add check (conversion_id <> '{bad}')")
    assert book_changes(books.used) == 2
    assert [len(books.entries(each)) for each in (bad, good)] == [2, 2]
    assert books.value("select conversion_id from deliveries") == good
    assert books.value("select title from issues") == "A change of a conversion could not be reported to partners"


def test_a_change_waits_for_the_one_before_it_that_another_process_is_booking(books: Books, database_url: str) -> None:
    first = books.conversion(status="pending")
    books.change(first, status="approved")
    other = books.conversion()
    with psycopg.connect(database_url) as connection, connection.transaction():
        (taken,) = lock_unbooked(connection, 1)
        assert taken.conversion_id == first
        with books.connection.transaction():
            assert [each.conversion_id for each in lock_unbooked(books.connection, 10)] == [other]
    with books.connection.transaction():
        assert len(lock_unbooked(books.connection, 10)) == 3


def test_many_processes_book_every_change_once(books: Books, database_url: str, redis_url: str) -> None:
    books.plan(cpa_minor=4000, baseline_minor=2000, revshare_percent=10)
    click_ids = [uuid4() for _ in range(20)]
    ftds: list[UUID] = []

    def work(slot: int) -> None:
        own = cases.resources(database_url, redis_url)
        with psycopg.connect(database_url, autocommit=True) as connection:
            mine = Books(own, connection)
            for click_id in click_ids:
                # Only the two together reach the baseline.
                event = "ftd" if slot == 0 else "deposit"
                made = mine.conversion(event, click_id=click_id, payout_minor=1000 if slot < 2 else 1)
                if slot == 0:
                    ftds.append(made)
                book_changes(own)
        cases.close(own)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work, slot) for slot in range(4)]:
            future.result()
    book_changes(books.used)
    assert {books.booking(ftd, "commission_minor") for ftd in ftds} == {4000}
    sums = "select party, sum(amount_minor) from entries group by 1 order by 1"
    assert books.connection.execute(sums).fetchall() == [
        ("merchant", 20 * 2002),
        ("source", 20 * (4000 + 100 + 0)),
    ]


def test_changes_are_seen_by_the_maintenance_task(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.connection.execute("select set_config('waypost.cause', 'operator', false)")
    books.conversion()
    run_bookkeeping()
    assert len(books.entries()) == 2
    assert books.value("select cause from conversion_changes") == "operator"
    assert datetime.now(UTC) > books.value("select booked_at from conversion_changes")


def test_a_source_earns_by_the_clicks_it_sent_whoever_has_the_link_by_now(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.add("sources", name="other")
    before, after = DAY, datetime.now(UTC) + timedelta(minutes=1)
    books.connection.execute("update links set source_id = 2 where link_id = 1")
    old, new = books.conversion(clicked_at=before), books.conversion(clicked_at=after)
    book_changes(books.used)
    assert [books.booking(each, "source_id") for each in (old, new)] == [1, 2]
    assert {row[0] for row in books.connection.execute("select source_id from entries where party = 'source'")} == {
        1,
        2,
    }


def test_a_link_that_had_no_source_earns_for_the_first_one_it_gets(books: Books) -> None:
    books.plan(cpa_minor=4000)
    books.add("sources", name="other")
    # The link of these books was made without a source, and then given to the first.
    books.connection.execute("update links set source_id = 2 where link_id = 1")
    conversion_id = books.conversion()
    book_changes(books.used)
    assert books.booking(conversion_id, "source_id") == 1


def test_new_terms_are_those_of_the_link_as_it_is_now(books: Books) -> None:
    books.add("sources", name="other")
    conversion_id = books.conversion(status="pending")
    book_changes(books.used)
    books.connection.execute("update links set source_id = 2 where link_id = 1")
    books.connection.execute("update bookings set renew = true")
    book_postponed()
    assert books.booking(conversion_id, "source_id") == 2


def test_two_changes_of_a_link_in_one_transaction_are_one(books: Books) -> None:
    for name in ("second", "third"):
        books.add("sources", name=name)
    with books.connection.transaction():
        books.connection.execute("update links set source_id = 2, name = 'x' where link_id = 1")
        books.connection.execute("update links set source_id = 3, merchant_id = 2 where link_id = 1")
    books.connection.execute("update links set source_id = 3, name = 'y' where link_id = 1")
    history = "select link_id, merchant_id, source_id from link_history where source_id is not null"
    assert books.connection.execute(history).fetchall() == [(1, 1, 1)]


def test_bookkeeping_leaves_what_is_more_than_a_turn_to_the_next_time(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeping, "CHANGES_PER_ROUND", 2)
    for _ in range(5):
        books.conversion()
    assert book_changes(replace(books.used, turn_s=0)) == 2
    assert book_changes(books.used) == 3
