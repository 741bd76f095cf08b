"""Commission plans, entries and exchange rates by real requests on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from falcon.testing import Result

from admin_client import AdminClient
from money_cases import Books, opened_books
from worker.money import book_changes


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


def said(result: Result) -> tuple[int, str, str | None]:
    """Return status, code and field of a problem."""
    return result.status_code, result.json["code"], result.json.get("field")


PLAN = {
    "name": "Plan",
    "starts_on": "2026-01-01",
    "currency": "usd",
    "countries": ["de", "AT", "de"],
    "cpa_minor": 4000,
}


def test_a_plan_is_made_assigned_and_kept(books: Books, admin: AdminClient) -> None:
    made = admin.request("POST", "/v1/commission-plans", PLAN | {"revshare_percent": 12.5, "baseline_minor": 2000})
    assert made.headers["location"] == f"/v1/commission-plans/{made.json['plan_id']}"
    shown = {"countries": ["AT", "DE"], "currency": "USD", "revshare_percent": 12.5, "starts_on": "2026-01-01"}
    assert {name: made.json[name] for name in shown} == shown
    plan_id, path = made.json["plan_id"], made.headers["location"]
    for target, field in (("links/1", "plan_id"), ("profiles/1", "plan_id"), ("merchants/1", "default_plan_id")):
        assert admin.request("PATCH", f"/v1/{target}", {field: plan_id}).json[field] == plan_id
        assert said(admin.request("PATCH", f"/v1/{target}", {field: 999})) == (400, "invalid-field", field)
        assert said(admin.request("DELETE", path)) == (409, "in-use", None)
        assert admin.request("PATCH", f"/v1/{target}", {field: None}).json[field] is None
    assert admin.request("PATCH", path, {"cpa_minor": 4100}).json["cpa_minor"] == 4100
    books.conversion(country="DE")
    book_changes(books.used)
    for change in ({"cpa_minor": 1}, {"countries": []}, {"starts_on": "2026-02-01"}, {"revshare_percent": None}):
        assert said(admin.request("PATCH", path, change)) == (409, "plan-in-use", None)
    assert said(admin.request("DELETE", path)) == (409, "in-use", None)
    retired = admin.request("PATCH", path, {"active": False, "description": "until October"})
    assert (retired.json["active"], retired.json["cpa_minor"]) == (False, 4100)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"countries": "DE"}, "countries"),
        ({"countries": ["DEU"]}, "countries"),
        ({"countries": [1]}, "countries[0]"),
        ({"starts_on": "2026-02-30"}, "starts_on"),
        ({"starts_on": "20260201"}, "starts_on"),
        ({"starts_on": 1}, "starts_on"),
        ({"revshare_percent": 101}, "revshare_percent"),
        ({"revshare_percent": 0.00001}, "revshare_percent"),
        ({"revshare_percent": True}, "revshare_percent"),
        ({"cpa_minor": -1}, "cpa_minor"),
        ({"cpa_minor": 1.5}, "cpa_minor"),
        ({"merchant_id": 999}, "merchant_id"),
        ({"currency": "DOLLAR"}, "currency"),
    ],
)
def test_a_plan_names_the_field_that_is_wrong(admin: AdminClient, change: Any, field: str) -> None:
    assert said(admin.request("POST", "/v1/commission-plans", PLAN | change)) == (400, "invalid-field", field)


def test_resolve_shows_the_winner_and_why_the_others_lost(books: Books, admin: AdminClient) -> None:
    of_link = books.plan(name="link", cpa_minor=5000, starts_on="2026-11-01")
    of_brand = books.plan(name="brand", merchant_id=1, cpa_minor=4000, baseline_minor=2000)
    other = books.plan(name="other", merchant_id=2)
    books.connection.execute("update links set plan_id = %s where link_id = 1", [of_link])
    path = "/v1/commission-plans/resolve?link_id=1&country=DE&event=ftd&at="
    before, after = (admin.request("GET", path + day).json for day in ("2026-10-31", "2026-11-01T00:00:00Z"))
    assert (before["plan_id"], before["rung"], before["day"]) == (of_brand, "brand", "2026-10-31")
    assert before["earns"] == {
        "event": "ftd",
        "commission": "cpa",
        "currency": "USD",
        "terms": {
            "cpa_minor": {"amount_minor": 4000, "amount": "40.00"},
            "baseline_minor": {"amount_minor": 2000, "amount": "20.00"},
            "cpl_minor": None,
            "revshare_percent": None,
        },
    }
    verdicts = [[(row["plan_id"], row["verdict"]) for row in each["candidates"]] for each in (before, after)]
    assert verdicts == [
        [(of_brand, "won"), (of_link, "not-started"), (other, "other-brand")],
        [(of_link, "won"), (of_brand, "lower-rung"), (other, "other-brand")],
    ]
    # What it says is what is booked.
    conversion_id = books.conversion(country="DE")
    book_changes(books.used)
    assert books.booking(conversion_id, "plan_id") == of_brand


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (400, "missing-field", "link_id")),
        ("link_id=0", (400, "invalid-field", "link_id")),
        ("link_id=999", (404, "not-found", None)),
        ("link_id=1&country=Germany", (400, "invalid-field", "country")),
        ("link_id=1&at=soon", (400, "invalid-field", "at")),
        ("link_id=1&event=none", (404, "not-found", None)),
        ("link_id=1&link=1", (400, "unknown-field", "link")),
    ],
)
def test_resolve_says_what_is_wrong(books: Books, admin: AdminClient, query: str, expected: Any) -> None:
    assert said(admin.request("GET", f"/v1/commission-plans/resolve?{query}")) == expected


def test_resolve_without_plans_says_that_none_won(books: Books, admin: AdminClient) -> None:
    answer = admin.request("GET", "/v1/commission-plans/resolve?link_id=1&event=ftd").json
    assert (answer["plan_id"], answer["candidates"], answer["earns"]["currency"]) == (None, [], None)
    assert set(answer["earns"]["terms"].values()) == {None}


def test_an_adjustment_is_an_entry_with_a_note(books: Books, admin: AdminClient) -> None:
    body = {"party": "source", "source_id": 1, "amount_minor": -250, "currency": "EUR", "note": "advance"}
    made = admin.request("POST", "/v1/entries", body)
    assert made.status_code == 201
    assert (made.json["kind"], made.json["actor"], made.json["amount"], made.json["payout_schedule"]) == (
        *("adjustment", "test", "-2.50", "monthly"),
    )
    owed = {"party": "merchant", "merchant_id": 1, "amount_minor": 900, "currency": "EUR", "note": "invoice 3"}
    assert admin.created("entries", **owed)["payout_schedule"] is None
    balances = admin.request("GET", "/v1/balances").json["items"]
    assert [(row["party"], row["merchant_id"], row["source_id"], row["balance"]) for row in balances] == [
        ("merchant", 1, None, "9.00"),
        ("source", None, 1, "-2.50"),
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount_minor": 0}, (400, "invalid-field", "amount_minor")),
        ({"amount_minor": 1.5}, (400, "invalid-field", "amount_minor")),
        ({"note": ""}, (400, "invalid-field", "note")),
        ({"source_id": None}, (400, "missing-field", "source_id")),
        ({"source_id": 999}, (400, "invalid-field", "source_id")),
        ({"party": "merchant"}, (400, "missing-field", "merchant_id")),
        ({"party": "merchant", "merchant_id": 999}, (400, "invalid-field", "merchant_id")),
        ({"conversion_id": "x"}, (400, "invalid-field", "conversion_id")),
        ({"conversion_id": str(uuid4())}, (400, "invalid-field", "conversion_id")),
        ({"locked": True}, (400, "unknown-field", "locked")),
    ],
)
def test_an_adjustment_names_the_field_that_is_wrong(
    books: Books, admin: AdminClient, change: Any, expected: Any
) -> None:
    body = {"party": "source", "source_id": 1, "amount_minor": 5, "currency": "USD", "note": "x"} | change
    assert said(admin.request("POST", "/v1/entries", body)) == expected
    assert books.entries() == []


def test_a_balance_beyond_any_single_amount_is_shown_exactly(books: Books, admin: AdminClient) -> None:
    books.connection.execute(
        "insert into entries (party, kind, source_id, amount_minor, currency, actor, note, payout_schedule, payable_at)"
        " select 'source', 'adjustment', 1, 1000000000000000, 'USD', 'test', 'large', 'monthly', now()"
        " from generate_series(1, 9300)"
    )
    (balance,) = admin.request("GET", "/v1/balances?party=source").json["items"]
    assert (balance["balance_minor"], balance["balance"]) == (9300 * 10**15, "93000000000000000.00")


def test_an_adjustment_of_a_conversion_is_not_undone_by_bookkeeping(books: Books, admin: AdminClient) -> None:
    books.plan(cpa_minor=4000)
    conversion_id = books.conversion()
    body = {"party": "source", "source_id": 1, "amount_minor": 5, "currency": "USD", "note": "bonus"}
    admin.created("entries", **body, conversion_id=str(conversion_id))
    book_changes(books.used)
    books.change(conversion_id, status="reversed")
    book_changes(books.used)
    (balance,) = admin.request("GET", "/v1/balances?party=source").json["items"]
    assert balance["balance_minor"] == 5


def test_entries_are_filtered_and_paged_in_their_order(books: Books, admin: AdminClient) -> None:
    books.plan(cpa_minor=4000)
    for _ in range(3):
        books.conversion()
    book_changes(books.used)
    first = admin.request("GET", "/v1/entries?party=source&limit=2").json
    rest = admin.request("GET", f"/v1/entries?party=source&limit=2&cursor={first['next_cursor']}").json
    ids = [row["entry_id"] for page in (first, rest) for row in page["items"]]
    assert len(ids) == 3
    assert ids == sorted(ids)
    assert rest["next_cursor"] is None
    assert admin.request("GET", "/v1/entries?kind=revenue,payout&merchant_id=1").json["items"][2]["kind"] == "revenue"
    assert said(admin.request("GET", "/v1/entries?kind=gift")) == (400, "invalid-field", "kind[0]")
    assert admin.request("DELETE", "/v1/entries").status_code == 405


def test_an_own_rate_comes_first_and_can_be_removed(books: Books, admin: AdminClient) -> None:
    theirs = books.rate("USD", "1.25")
    lookup = "/v1/exchange-rates/lookup?source=EUR&target=USD&day=2026-11-01"
    assert admin.request("GET", lookup).json == {
        "source": "EUR",
        "target": "USD",
        "day": "2026-11-01",
        "rate": "1.25",
        "rate_date": "2026-10-30",
        "rate_age_days": 2,
    }
    body = {"base": "usd", "quote": "EUR", "rate_date": "2026-10-01", "rate": "0.5", "valid_days": 40}
    made = admin.created("exchange-rates", **body)
    assert (made["origin"], made["rate"]) == ("operator", "0.5")
    found = admin.request("GET", lookup).json
    assert (found["rate"], found["rate_date"]) == ("2", "2026-10-01")
    assert said(admin.request("POST", "/v1/exchange-rates", body)) == (409, "rate-taken", None)
    assert said(admin.request("DELETE", f"/v1/exchange-rates/{theirs}")) == (409, "not-yours", None)
    path = f"/v1/exchange-rates/{made['rate_id']}"
    assert admin.request("GET", path).json == made
    assert [row["rate_id"] for row in admin.request("GET", "/v1/exchange-rates?origin=operator").json["items"]] == [
        made["rate_id"]
    ]
    assert admin.request("DELETE", path).status_code == 204
    assert admin.request("GET", lookup).json["rate"] == "1.25"
    assert said(admin.request("GET", lookup.replace("USD", "KES"))) == (404, "rate-missing", None)
    assert said(admin.request("GET", path)) == (404, "not-found", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate": 0.92}, "rate"),
        ({"rate": "0"}, "rate"),
        ({"rate": "-1"}, "rate"),
        ({"rate": "NaN"}, "rate"),
        ({"rate": "1e99"}, "rate"),
        ({"rate": "1,2"}, "rate"),
        ({"rate": "0.000"}, "rate"),
        ({"rate": "1_0"}, "rate"),
        ({"rate": " 0.5"}, "rate"),
        ({"rate": "\u0663"}, "rate"),
        # PostgreSQL keeps no such number.
        ({"rate": "1E-999999"}, "rate"),
        ({"rate": "1" * 13}, "rate"),
        ({"quote": "USD"}, "quote"),
        ({"valid_days": 367}, "valid_days"),
        ({"rate_date": "today"}, "rate_date"),
    ],
)
def test_a_rate_names_the_field_that_is_wrong(admin: AdminClient, change: Any, field: str) -> None:
    body = {"base": "USD", "quote": "EUR", "rate_date": "2026-10-01", "rate": "0.5"} | change
    assert said(admin.request("POST", "/v1/exchange-rates", body)) == (400, "invalid-field", field)
