"""Conversions and money as the API shows and reads them: every documented field is served, every wrong one is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from admin_client import AdminClient
from money_cases import Books, opened_books
from worker.money import book_changes

SCHEMAS = {
    "Conversion": "/v1/conversions",
    "Entry": "/v1/entries?party=source",
    "Balance": "/v1/balances?party=source",
    "ExchangeRate": "/v1/exchange-rates",
    "Payout": "/v1/payouts",
    "EventType": "/v1/event-types",
    "CommissionPlan": "/v1/commission-plans",
}


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    """Yield books with a deposit in euros under a plan in dollars, booked and in an open payout."""
    with opened_books(database_url, redis_url) as books:
        books.plan(revshare_percent=50, cpa_minor=1000)
        books.rate("USD", "1.25", "2026-10-28")
        books.conversion("deposit", currency="EUR", country="DE", order_id="A 7", reason="operator-decision")
        book_changes(books.used)
        made = "select make_payout(1, 'USD', 'monthly', now() + interval '1 day')"
        books.connection.execute(made)
        yield books


def served(admin: AdminClient, path: str) -> Any:
    """Return the first object of a list."""
    return admin.request("GET", path).json["items"][0]


@pytest.mark.parametrize(("schema", "path"), SCHEMAS.items())
def test_every_documented_field_of_a_listed_object_is_served(
    books: Books, admin: AdminClient, schema: str, path: str
) -> None:
    documented = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"][schema]
    assert list(served(admin, path)) == list(documented["properties"]) == documented["required"]


def test_every_documented_field_of_a_conversion_and_its_history_is_served(books: Books, admin: AdminClient) -> None:
    schemas = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"]
    listed = served(admin, "/v1/conversions")
    shown = admin.request("GET", f"/v1/conversions/{listed['conversion_id']}").json
    for each, schema in (
        (shown, "ConversionDetails"),
        (shown["changes"][0], "ConversionChange"),
        (shown["entries"][0], "Entry"),
    ):
        assert list(each) == list(schemas[schema]["properties"]) == schemas[schema]["required"]
    # The same object as in the list, and the same entries as in theirs.
    assert listed.items() <= shown.items()
    assert shown["entries"] == admin.request("GET", f"/v1/entries?conversion_id={shown['conversion_id']}").json["items"]


def test_a_conversion_says_what_it_earns_and_by_which_days_rate(books: Books, admin: AdminClient) -> None:
    shown = served(admin, "/v1/conversions")
    expected = {
        "payout": "50.00",
        "payout_minor": 5000,
        "currency": "EUR",
        "commission": "revshare",
        "commission_amount": "31.25",
        "commission_minor": 3125,
        "commission_currency": "USD",
        "commission_reasons": [],
        "plan_rung": "any",
        "original_minor": 5000,
        "original_currency": "EUR",
        "rate": "1.25",
        "rate_date": "2026-10-28",
        # Received on 30 October.
        "rate_age_days": 2,
        "postponed": False,
        "country": "DE",
        "received_at": "2026-10-30T12:00:00Z",
        "reason": "operator-decision",
    }
    assert {name: shown[name] for name in expected} == expected


def test_a_conversion_that_is_not_booked_has_no_commission_yet(books: Books, admin: AdminClient) -> None:
    books.conversion(payout_minor=None, currency=None, link_id=2, merchant_id=2)
    shown = served(admin, "/v1/conversions?merchant_id=2")
    of_booking = [name for name in shown if name.startswith(("commission", "rate", "original", "plan"))]
    assert len(of_booking) == 12
    assert {shown[name] for name in (*of_booking, "postponed", "payable_at", "booked_at", "payout")} == {None}


def test_an_entry_and_a_payout_say_the_same_amounts(books: Books, admin: AdminClient) -> None:
    entry, payout = served(admin, "/v1/entries?party=source"), served(admin, "/v1/payouts")
    assert (entry["amount"], entry["amount_minor"], entry["payout_id"]) == ("31.25", 3125, payout["payout_id"])
    assert (entry["rate"], entry["rate_date"], entry["rate_age_days"]) == ("1.25", "2026-10-28", 2)
    amounts = {"computed": "31.25", "override": None, "amount": "31.25", "paid": None, "amount_minor": 3125}
    assert {name: payout[name] for name in amounts} == amounts
    assert (payout["source"], payout["state"], payout["entries"]) == ("source", "open", 1)


def faults(admin: AdminClient, method: str, path: str, body: Any = None) -> list[tuple[str, str]]:
    """Return field and code of everything that is wrong with a request."""
    answer = admin.request(method, path, body)
    assert answer.status_code == 400
    first = answer.json["errors"][0]
    assert (answer.json["field"], answer.json["code"], answer.json["detail"]) == tuple(first.values())
    return [(each["field"], each["code"]) for each in answer.json["errors"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        (
            "POST",
            "event-types",
            {"event": "Bad", "hold_days": -1, "commission": "half", "built_in": True},
            [
                ("name", "missing-field"),
                ("commission", "invalid-field"),
                ("hold_days", "invalid-field"),
                ("event", "invalid-field"),
                ("built_in", "unknown-field"),
            ],
        ),
        (
            "PATCH",
            "event-types/ftd",
            {"name": "", "approval": "never", "event": "x"},
            [("name", "invalid-field"), ("approval", "invalid-field"), ("event", "unknown-field")],
        ),
        (
            "POST",
            "conversions/approve",
            {"filter": {"status": ["pending", "open"], "link_id": "x", "colour": 1}, "note": 5},
            [
                ("filter.status[1]", "invalid-field"),
                ("filter.link_id", "invalid-field"),
                ("filter.colour", "unknown-field"),
                ("note", "invalid-field"),
            ],
        ),
        (
            "GET",
            "conversions?status=open&order_id=%01&from=soon&limit=501&colour=red",
            None,
            [
                ("limit", "invalid-field"),
                ("status[0]", "invalid-field"),
                ("order_id", "invalid-field"),
                ("from", "invalid-field"),
                ("colour", "unknown-field"),
            ],
        ),
        (
            "POST",
            "entries",
            {"party": "bank", "amount_minor": 0, "currency": "EURO", "conversion_id": "x"},
            [
                ("party", "invalid-field"),
                ("amount_minor", "invalid-field"),
                ("currency", "invalid-field"),
                ("note", "missing-field"),
                ("conversion_id", "invalid-field"),
            ],
        ),
        (
            "POST",
            "exchange-rates",
            {"base": "usd ", "quote": "E", "rate_date": "2026-10-01", "rate": 0.5, "valid_days": 367},
            [("quote", "invalid-field"), ("rate", "invalid-field"), ("valid_days", "invalid-field")],
        ),
        (
            "GET",
            "exchange-rates/lookup?day=soon",
            None,
            [
                (name, code)
                for name, code in [("source", "missing-field"), ("target", "missing-field"), ("day", "invalid-field")]
            ],
        ),
        (
            "GET",
            "payouts/export?state=open,lost&limit=5",
            None,
            [("state[1]", "invalid-field"), ("limit", "unknown-field")],
        ),
        (
            "PATCH",
            "payouts/1",
            {"override_minor": 0, "state": "paid"},
            [("override_minor", "invalid-field"), ("state", "unknown-field")],
        ),
        ("POST", "payouts/run", {"dry": 1, "at": 5}, [("dry", "invalid-field"), ("at", "invalid-field")]),
    ],
)
def test_everything_wrong_with_a_request_is_said_at_once(
    admin: AdminClient, method: str, path: str, body: Any, expected: list[tuple[str, str]]
) -> None:
    assert faults(admin, method, f"/v1/{path}", body) == expected


def test_a_filter_that_is_null_is_refused_and_not_taken_for_all(admin: AdminClient) -> None:
    body = {"filter": {"merchant_id": None}}
    assert faults(admin, "POST", "/v1/conversions/approve", body) == [("filter.merchant_id", "invalid-field")]


def test_rates_in_a_currency_that_is_no_longer_used_are_found(books: Books, admin: AdminClient) -> None:
    books.rate("HRK", "7.53", "2022-12-30")
    assert [row["quote"] for row in admin.request("GET", "/v1/exchange-rates?quote=hrk").json["items"]] == ["HRK"]
    found = admin.request("GET", "/v1/exchange-rates/lookup?source=EUR&target=HRK&day=2022-12-31").json
    assert (found["rate"], found["rate_age_days"]) == ("7.53", 1)
