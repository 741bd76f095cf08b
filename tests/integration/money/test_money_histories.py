"""Random histories of money through the admin API, the worker and PostgreSQL, checked after every step.

Whatever operators, merchants and the schedule do, in whatever order: balances are sums of entries, what was paid stays
as it was, currencies are never mixed, and booking again, in any order, changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from admin_client import AdminClient
from money_cases import DAY, Books, opened_books
from tracking.money import (
    DEPOSIT_EVENTS,
    Amount,
    CommissionKind,
    Rate,
    RateOrigin,
    compute_commission,
    plan_from_row,
    rate_finder,
)
from worker.money import book_changes, book_postponed
from worker.money.bookkeeping import book
from worker.money.payouts import make_due

EVENTS = ("registration", "ftd", "deposit", "qualified", "conversion")
CURRENCIES = ("EUR", "USD", "JPY")
STATUSES = ("pending", "approved", "rejected", "reversed")
STEPS = 180


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


class History:
    """One random history: each step is one thing that somebody does."""

    def __init__(self, books: Books, admin: AdminClient, random: Random) -> None:
        self.books = books
        self.admin = admin
        self.random = random
        self.click_ids = [uuid4() for _ in range(4)]
        self.conversions: list[UUID] = []
        self.locked: dict[int, str] = {}
        self.adjusted: dict[tuple[str, str], int] = defaultdict(int)
        self.runs = 0
        # As often as they are here.
        self.steps: list[Callable[[], None]] = [
            *[self.report] * 10,
            *[self.judge] * 4,
            *[self.decide] * 4,
            *[self.correct] * 3,
            *[self.work] * 5,
            *[self.decide_payout] * 6,
            *[self.run] * 4,
            *[self.adjust, self.decide_many, self.add_plan, self.change_event_type, self.add_rate, self.renew],
        ]

    def step(self) -> None:
        self.random.choice(self.steps)()
        self.check()

    def amount(self) -> int | None:
        return self.random.choice([None, 0, 1, 333, 2500, 5000, 123_457])

    def report(self) -> None:
        payout_minor = self.amount()
        conversion_id = self.books.conversion(
            self.random.choice(EVENTS),
            click_id=self.random.choice(self.click_ids),
            payout_minor=payout_minor,
            currency=None if payout_minor is None else self.random.choice(CURRENCIES),
            status=self.random.choice(["pending", "approved", "approved"]),
            received_at=DAY + timedelta(days=self.random.choice([0, 0, 1, 30])),
        )
        self.conversions.append(conversion_id)

    def judge(self) -> None:
        """A merchant changes its mind, as far as the judge lets it."""
        if self.conversions:
            to, of = self.random.choice([("approved", "pending"), ("rejected", "pending"), ("reversed", "approved")])
            self.books.connection.execute(
                "update conversions set status = %s where conversion_id = %s and status = %s",
                [to, self.random.choice(self.conversions), of],
            )

    def decide(self) -> None:
        if self.conversions:
            path = f"/v1/conversions/{self.random.choice(self.conversions)}"
            answer = self.admin.request("PATCH", path, {"status": self.random.choice(STATUSES[1:]), "note": "n"})
            assert answer.status_code in (200, 409), answer.text

    def decide_many(self) -> None:
        path, body = "/v1/conversions/approve", {"filter": {"event": self.random.choice(EVENTS)}}
        token = self.admin.request("POST", path, body).json["token"]
        assert self.admin.request("POST", path, body | {"token": token}).status_code == 200

    def correct(self) -> None:
        if self.conversions:
            currency = self.random.choice(CURRENCIES)
            self.books.change(
                self.random.choice(self.conversions), payout_minor=self.random.randint(0, 9999), currency=currency
            )

    def adjust(self) -> None:
        party = self.random.choice(["merchant", "source"])
        body = {"party": party, f"{party}_id": 1, "amount_minor": self.random.choice([-700, 250]), "note": "n"}
        currency = self.random.choice(CURRENCIES)
        self.admin.created("entries", **body, currency=currency)
        self.adjusted[party, currency] += int(body["amount_minor"])

    def add_plan(self) -> None:
        plan_id = self.books.plan(
            currency=self.random.choice(CURRENCIES),
            cpa_minor=self.random.choice([None, 4000, 4000]),
            cpl_minor=150,
            revshare_percent=self.random.choice([None, Decimal("33.3333")]),
            baseline_minor=self.random.choice([None, 3000]),
            merchant_id=self.random.choice([None, 1]),
        )
        if self.random.random() < 0.3:
            self.books.connection.execute("update links set plan_id = %s where link_id = 1", [plan_id])

    def change_event_type(self) -> None:
        changes = {
            "commission": self.random.choice([*CommissionKind, *[CommissionKind.HYBRID] * 5]).value,
            "payout_schedule": self.random.choice(["weekly", "fortnightly", "monthly"]),
            "minimum_payout_minor": self.random.choice([0, 0, 3000]),
        }
        path = f"/v1/event-types/{self.random.choice(EVENTS)}"
        assert self.admin.request("PATCH", path, changes).status_code == 200

    def add_rate(self) -> None:
        quote, rate = self.random.choice([("USD", "1.0857"), ("JPY", "165.93")])
        day = (DAY + timedelta(days=self.random.choice([0, 30]))).date().isoformat()
        body = {"base": "EUR", "quote": quote, "rate_date": day, "rate": rate}
        assert self.admin.request("POST", "/v1/exchange-rates", body).status_code in (201, 409)

    def add_rates(self) -> None:
        """Add every rate that a conversion may need."""
        for day in (0, 30):
            for quote, rate in (("USD", "1.0857"), ("JPY", "165.93")):
                body = {"base": "EUR", "quote": quote, "rate_date": (DAY + timedelta(days=day)).date().isoformat()}
                self.admin.request("POST", "/v1/exchange-rates", body | {"rate": rate})

    def renew(self) -> None:
        chosen = [each for each in self.conversions if self.random.random() < 0.3]
        self.books.connection.execute("update bookings set renew = true where conversion_id = any(%s)", [chosen])

    def work(self) -> None:
        book_changes(self.books.used)
        if self.random.random() < 0.3:
            book_postponed()

    def run(self) -> None:
        self.runs += 1
        at = datetime.now(UTC) + timedelta(days=31 * self.runs)
        self.books.used.database.run(lambda connection: make_due(connection, at))

    def decide_payout(self) -> None:
        payouts = self.admin.request("GET", "/v1/payouts?state=open,approved").json["items"]
        if payouts:
            payout = self.random.choice(payouts)
            path = f"/v1/payouts/{payout['payout_id']}"
            usual = "approve" if payout["state"] == "open" else "pay"
            action = self.random.choice([*[usual] * 6, "approve", "pay", "reject", "override"])
            if action == "override":
                self.admin.request("PATCH", path, {"override_minor": self.random.randint(1, 9999), "note": "n"})
            else:
                body = {"note": "n"} if action == "reject" else {}
                assert self.admin.request("POST", f"{path}/{action}", body).status_code in (200, 409)

    def check(self) -> None:
        """What holds after every step."""
        execute = self.books.connection.execute
        sums = "select party, coalesce(source_id, merchant_id), currency, sum(amount_minor) from entries"
        by_party = "select party, 1, currency, sum(amount_minor) from entries group by 1, 3 order by 1, 3"
        shown = self.admin.request("GET", "/v1/balances").json["items"]
        balances = [(row["party"], 1, row["currency"], row["balance_minor"]) for row in shown]
        assert balances == execute(by_party).fetchall()
        rows = dict(execute("select entry_id, md5(to_jsonb(entries)::text) from entries where locked").fetchall())
        assert {entry_id: rows.get(entry_id) for entry_id in self.locked} == self.locked
        self.locked = rows
        settled = f"{sums} join payouts using (payout_id, source_id, currency) where state = 'paid' group by 1, 2, 3"
        assert all(row[3] == 0 for row in execute(settled).fetchall())
        assert execute(
            "select count(*) from entries e join payouts p using (payout_id)"
            " where e.currency <> p.currency or e.source_id <> p.source_id"
        ).fetchone() == (0,)

    def finish(self) -> None:
        """Book what is left, with every rate there is; then the books must say what a second reckoning says."""
        self.add_rates()
        book_changes(self.books.used)
        book_postponed()
        self.check()
        count = self.books.value("select count(*) from entries")
        self.random.shuffle(self.conversions)
        for conversion_id in self.conversions:
            self.books.used.database.run(lambda connection, each=conversion_id: book(connection, each))
        assert self.books.value("select count(*) from entries") == count
        assert self.booked() == self.reckoned()

    def booked(self) -> dict[tuple[Any, ...], int]:
        rows = self.books.connection.execute(
            "select conversion_id, party, currency, sum(amount_minor)::bigint from entries"
            " where conversion_id is not null group by 1, 2, 3 having sum(amount_minor) <> 0"
        ).fetchall()
        return {tuple(key): amount for *key, amount in rows}

    def reckoned(self) -> dict[tuple[Any, ...], int]:
        """Return what should be booked, from the conversions and their terms alone."""
        with self.rows() as load:
            plans = {row["plan_id"]: plan_from_row(row) for row in load("select * from commission_plans")}
            rates = [
                Rate(RateOrigin(row["origin"]), row["base"], row["quote"], row["rate_date"], row["rate"])
                for row in load("select * from exchange_rates")
            ]
            conversions = load("select *, (received_at at time zone 'UTC')::date as day from conversions")
            terms = {row["conversion_id"]: row for row in load("select * from bookings")}
        approved = [row for row in conversions if row["status"] == "approved"]
        expected: dict[tuple[Any, ...], int] = {}
        for row in approved:
            if row["payout_minor"]:
                expected[row["conversion_id"], "merchant", row["currency"]] = row["payout_minor"]
            booked = terms[row["conversion_id"]]
            plan = plans.get(booked["plan_id"])
            if plan is None or booked["commission"] == "none":
                continue
            deposits = [
                Amount(each["payout_minor"], each["currency"], each["day"])
                for each in approved
                if each["click_id"] == row["click_id"]
                and each["event"] in DEPOSIT_EVENTS
                and each["payout_minor"] is not None
            ]
            own = None if row["payout_minor"] is None else Amount(row["payout_minor"], row["currency"], row["day"])
            earned = compute_commission(CommissionKind(booked["commission"]), plan, own, deposits, rate_finder(rates))
            assert earned.missing is None
            if earned.amount_minor:
                expected[row["conversion_id"], "source", plan.currency] = earned.amount_minor
        return expected

    @contextmanager
    def rows(self) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
        """Yield how to load rows by column name."""
        with self.admin.collaborators.pool.connection() as database:
            yield lambda query: database.execute(query.encode()).fetchall()


@pytest.mark.parametrize("seed", range(6))
def test_the_books_hold_through_any_history(books: Books, admin: AdminClient, seed: int) -> None:
    history = History(books, admin, Random(seed))
    history.add_plan()
    if seed % 2:
        # Else a rate comes when somebody adds it, and commissions wait.
        history.add_rates()
    for _ in range(STEPS):
        history.step()
    history.finish()
    # It was a history of something: commissions were booked, taken back and paid.
    kinds = dict(books.connection.execute("select kind, count(*) from entries group by 1").fetchall())
    assert kinds["commission"] >= 5
    assert {"payout", "reversal", "adjustment", "revenue"} <= set(kinds)
