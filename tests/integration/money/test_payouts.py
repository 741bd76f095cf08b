"""Payouts on a real database: what is due, what an operator decides, and that what was paid is never touched again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from falcon.testing import Result
from psycopg.errors import RestrictViolation

import worker_cases as cases
from admin_client import AdminClient
from money_cases import Books, opened_books
from waiting import wait_until
from worker.money import book_changes, make_payouts
from worker.money.payouts import make_due
from worker.runtime import install

# Every schedule has a period that ended between now and then.
LATER = datetime.now(UTC) + timedelta(days=40)


_INTO_A_PAID_PAYOUT = (
    "insert into entries (party, kind, source_id, amount_minor, currency, payout_schedule, payable_at, payout_id)"
    " values ('source', 'commission', 1, 5, 'USD', 'monthly', now(), 1)"
)


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        books.plan(revshare_percent=50, cpa_minor=1000)
        yield books


def earn(books: Books, *amounts_minor: int, event: str = "deposit", **changes: Any) -> list[Any]:
    made = [books.conversion(event, payout_minor=2 * amount, **changes) for amount in amounts_minor]
    book_changes(books.used)
    return made


def due(books: Books, at: datetime = LATER) -> list[int]:
    return books.used.database.run(lambda connection: make_due(connection, at))


def post(admin: AdminClient, path: str, body: Any = None, **headers: str) -> Result:
    return admin.request("POST", f"/v1/payouts/{path}", {} if body is None else body, **headers)


def payout(admin: AdminClient, payout_id: int) -> Any:
    return admin.request("GET", f"/v1/payouts/{payout_id}").json


def test_a_payout_is_of_one_source_currency_and_schedule(books: Books, admin: AdminClient) -> None:
    books.plan(merchant_id=2, currency="EUR", revshare_percent=50)
    other = books.add("sources", name="other")
    books.connection.execute("update links set source_id = %s where link_id = 2", [other])
    books.event_type("ftd", payout_schedule="weekly")
    earn(books, 100, 200)
    earn(books, 300, event="ftd")
    books.rate("USD", "1")
    earn(books, 400, merchant_id=2, link_id=2)
    assert len(due(books)) == 3
    rows = admin.request("GET", "/v1/payouts").json["items"]
    assert [
        (row["source_id"], row["currency"], row["payout_schedule"], row["amount_minor"], row["entries"]) for row in rows
    ] == [(1, "USD", "monthly", 300, 2), (1, "USD", "weekly", 1000, 1), (other, "EUR", "monthly", 400, 1)]
    assert {row["state"] for row in rows} == {"open"}
    assert due(books) == []


def test_what_became_payable_in_the_present_period_waits_for_its_end(books: Books) -> None:
    earn(books, 100)
    assert due(books, datetime.now(UTC)) == []
    books.event_type("registration", commission="revshare", hold_days=365)
    earn(books, 700, event="registration")
    assert len(due(books)) == 1
    assert books.value("select sum(amount_minor) from entries where payout_id is not null") == 100


def test_below_the_minimum_of_its_event_types_nothing_is_paid(books: Books, admin: AdminClient) -> None:
    books.event_type("deposit", minimum_payout_minor=500)
    books.event_type("ftd", minimum_payout_minor=700, minimum_payout_currency="EUR")
    earn(books, 499)
    at = LATER.isoformat()

    def held() -> Any:
        answer = post(admin, "run", {"dry": True, "at": at}).json
        return [(row["amount_minor"], row["minimum_minor"], row["held_back"]) for row in answer["items"]]

    assert held() == [(499, 500, "below-minimum")]
    assert due(books) == []
    earn(books, 1)
    assert held() == [(500, 500, None)]
    # With a first deposit its minimum counts too, and what that is in dollars nobody knows.
    earn(books, 1, event="ftd")
    assert held() == [(1500, None, "rate-missing")]
    assert due(books) == []
    books.rate("USD", "1.25", LATER.date().isoformat())
    assert held() == [(1500, 875, None)]
    assert len(due(books)) == 1


def test_a_dry_run_changes_nothing_and_a_run_by_hand_does_what_it_said(books: Books, admin: AdminClient) -> None:
    earn(books, 100)
    assert post(admin, "run", {"dry": True, "at": LATER.isoformat()}).json["items"][0]["payout_id"] is None
    assert books.value("select count(*) from payouts") == 0
    ahead = post(admin, "run", {"at": LATER.isoformat()})
    assert (ahead.status_code, ahead.json["field"]) == (400, "at")
    assert post(admin, "run").json["items"] == []
    # An entry of an operator is payable at once; of last month, so that it is due.
    books.connection.execute(
        "insert into entries (party, kind, source_id, amount_minor, currency, actor, note, payout_schedule, payable_at)"
        " values ('source', 'adjustment', 1, 250, 'USD', 'me', 'bonus', 'weekly', now() - interval '40 days')"
    )
    (row,) = post(admin, "run").json["items"]
    assert (row["payout_id"], row["amount_minor"], row["held_back"]) == (1, 250, None)


def test_a_paid_payout_is_settled_and_locked(books: Books, admin: AdminClient) -> None:
    (conversion_id,) = earn(books, 400)
    (payout_id,) = due(books)
    assert post(admin, f"{payout_id}/pay").json["code"] == "payout-state"
    approved = post(admin, f"{payout_id}/approve").json
    assert (approved["state"], approved["decided_by"], approved["amount"]) == ("approved", "test", "4.00")
    paid = post(admin, f"{payout_id}/pay", {"reference": "SEPA 7"}).json
    assert (paid["state"], paid["paid_minor"], paid["paid_by"], paid["reference"]) == ("paid", 400, "test", "SEPA 7")
    assert (paid["computed_minor"], paid["entries"]) == (400, 1)
    entries = admin.request("GET", f"/v1/entries?payout_id={payout_id}").json["items"]
    assert [(row["kind"], row["amount_minor"], row["locked"], row["note"]) for row in entries] == [
        ("commission", 400, True, None),
        ("payout", -400, True, f"payout {payout_id}, SEPA 7"),
    ]
    (balance,) = admin.request("GET", "/v1/balances?party=source").json["items"]
    assert (balance["balance_minor"], balance["paid_minor"], balance["source_id"]) == (0, 400, 1)
    # A chargeback after payment is a negative entry, for the next payout.
    books.change(conversion_id, status="reversed")
    book_changes(books.used)
    assert books.entries(conversion_id)[-1] == ("source", "reversal", -400, "USD")
    assert books.value("select payout_id from entries where kind = 'reversal' and party = 'source'") is None
    later = LATER + timedelta(days=31)
    assert due(books, later) == []
    earn(books, 1000)
    (following,) = due(books, later)
    assert payout(admin, following)["amount_minor"] == 600


def test_a_reversal_before_payment_is_taken_off_the_same_payout(books: Books, admin: AdminClient) -> None:
    first, _ = earn(books, 400, 300)
    (payout_id,) = due(books)
    books.change(first, status="reversed")
    book_changes(books.used)
    assert payout(admin, payout_id)["amount_minor"] == 300
    post(admin, f"{payout_id}/approve")
    # From now on what was approved is what is paid.
    books.change(_second(books), status="reversed")
    book_changes(books.used)
    assert payout(admin, payout_id)["amount_minor"] == 300
    assert post(admin, f"{payout_id}/pay").json["paid_minor"] == 300
    (balance,) = admin.request("GET", "/v1/balances?source_id=1&party=source").json["items"]
    assert balance["balance_minor"] == -300


def _second(books: Books) -> Any:
    return books.value("select conversion_id from conversions where status = 'approved'")


def test_a_payout_that_came_to_nothing_cannot_be_approved(books: Books, admin: AdminClient) -> None:
    (conversion_id,) = earn(books, 400)
    (payout_id,) = due(books)
    books.change(conversion_id, status="reversed")
    book_changes(books.used)
    refused = post(admin, f"{payout_id}/approve")
    assert (refused.status_code, refused.json["code"]) == (409, "nothing-to-pay")


@pytest.mark.parametrize("override", [250, 900])
def test_an_override_says_why_and_is_settled_by_an_entry_of_its_own(
    books: Books, admin: AdminClient, override: int
) -> None:
    earn(books, 400)
    (payout_id,) = due(books)
    path = f"/v1/payouts/{payout_id}"
    refused = admin.request("PATCH", path, {"override_minor": override})
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (409, "note-required", "note")
    changed = admin.request("PATCH", path, {"override_minor": override, "note": "as agreed"})
    assert (changed.json["computed_minor"], changed.json["amount_minor"]) == (400, override)
    assert admin.request("PATCH", path, {"note": "x"}, If_Match='"1"').status_code == 412
    post(admin, f"{payout_id}/approve")
    assert admin.request("PATCH", path, {"override_minor": None}).json["code"] == "payout-state"
    assert post(admin, f"{payout_id}/pay").json["paid_minor"] == override
    sums = "select sum(amount_minor), bool_and(locked) from entries where payout_id = %s"
    assert books.connection.execute(sums, [payout_id]).fetchone() == (0, True)
    entries = admin.request("GET", f"/v1/entries?payout_id={payout_id}&kind=adjustment").json["items"]
    assert [(row["amount_minor"], row["note"], row["actor"]) for row in entries] == [
        (override - 400, "as agreed", "test")
    ]


def test_a_rejected_payout_frees_its_entries_for_whoever_runs_the_next_one(books: Books, admin: AdminClient) -> None:
    earn(books, 400)
    (payout_id,) = due(books)
    assert post(admin, f"{payout_id}/reject").json["code"] == "missing-field"
    assert post(admin, f"{payout_id}/reject", {"note": "wrong source"}).json["state"] == "rejected"
    # The schedule leaves it to the operator.
    assert due(books) == []
    books.connection.execute("set session_replication_role = replica")
    books.connection.execute("update entries set payable_at = now() - interval '40 days'")
    books.connection.execute(
        "update payouts set period_ends_at = date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'"
    )
    books.connection.execute("set session_replication_role = origin")
    assert due(books, datetime.now(UTC)) == []
    (row,) = post(admin, "run").json["items"]
    assert (row["payout_id"], row["amount_minor"]) == (payout_id + 1, 400)


@pytest.mark.parametrize(
    "statement",
    [
        "update entries set locked = false",
        "update entries set payout_id = null",
        _INTO_A_PAID_PAYOUT,
        "update payouts set state = 'open', paid_minor = null, paid_at = null",
        "update payouts set note = 'x'",
        "delete from payouts",
    ],
)
def test_the_database_itself_keeps_what_was_paid(books: Books, admin: AdminClient, statement: str) -> None:
    earn(books, 400)
    (payout_id,) = due(books)
    post(admin, f"{payout_id}/approve")
    post(admin, f"{payout_id}/pay")
    with pytest.raises(RestrictViolation):
        books.connection.execute(f"{statement} where payout_id = 1" if "insert" not in statement else statement)


def test_a_payout_is_not_paid_unless_its_entries_settle_it(books: Books, admin: AdminClient) -> None:
    earn(books, 400)
    (payout_id,) = due(books)
    paid = "update payouts set state = 'paid', paid_minor = 400, paid_at = now()"
    with pytest.raises(RestrictViolation, match="cannot go from open to paid"):
        books.connection.execute(paid)
    post(admin, f"{payout_id}/approve")
    with pytest.raises(RestrictViolation, match="not settled"):
        books.connection.execute(paid)


def test_the_task_makes_what_is_due_now(books: Books) -> None:
    earn(books, 400)
    make_payouts()
    assert books.value("select count(*) from payouts") == 0
    late = type(books.used)(
        books.used.database, books.used.redis, books.used.click_id_keys, books.used.stop, now_s=LATER.timestamp
    )
    install(late)
    make_payouts()
    make_payouts()
    assert books.value("select count(*) from payouts") == 1


def test_payouts_and_bookkeeping_at_once_never_disagree(
    books: Books, admin: AdminClient, database_url: str, redis_url: str
) -> None:
    made = earn(books, *[100] * 40)
    (payout_id,) = due(books)

    def take_back(slot: int) -> None:
        own = cases.resources(database_url, redis_url)
        with psycopg.connect(database_url, autocommit=True) as connection:
            for conversion_id in made[slot::2][:15]:
                Books(own, connection).change(conversion_id, status="reversed")
                book_changes(own)
        cases.close(own)

    def pay() -> None:
        wait_until(lambda: payout(admin, payout_id)["amount_minor"] < 3800, what="some to be taken back")
        assert post(admin, f"{payout_id}/approve").status_code == 200
        assert post(admin, f"{payout_id}/pay").status_code == 200

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(take_back, 0), pool.submit(take_back, 1), pool.submit(pay)]:
            future.result()
    paid = payout(admin, payout_id)["paid_minor"]
    assert books.value("select sum(amount_minor) from entries where payout_id = %s", payout_id) == 0
    balance = books.value("select sum(amount_minor) from entries where party = 'source'")
    assert balance == 10 * 100 - paid


def test_a_payout_of_so_many_entries_that_it_takes_longer_than_a_statement_may_is_made(books: Books) -> None:
    earn(books, 5000)
    books.connection.execute("alter function make_payout rename to make_payout_at_once")
    books.connection.execute(
        "create function make_payout(of_source bigint, of_currency text, of_schedule text, until timestamptz)"
        " returns bigint language sql as $$ select pg_sleep(0.5);"
        " select make_payout_at_once(of_source, of_currency, of_schedule, until) $$"
    )
    connection = books.used.database.wait()
    connection.execute("set statement_timeout = 300")
    assert len(make_due(connection, LATER)) == 1
    assert connection.execute("show statement_timeout").fetchone() == ("300ms",)
