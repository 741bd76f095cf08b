"""Conversions and decisions about them by real requests on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from falcon.testing import Result

from admin_client import AdminClient
from money_cases import DAY, Books, opened_books
from worker.money import book_changes, book_postponed


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


def said(result: Result) -> tuple[int, str, str | None]:
    """Return status, code and field of a problem."""
    return result.status_code, result.json["code"], result.json.get("field")


def test_conversions_are_filtered_and_paged_newest_first(books: Books, admin: AdminClient) -> None:
    books.plan(cpa_minor=4000)
    made = [
        str(books.conversion(received_at=DAY + timedelta(minutes=minute), status="pending", order_id=f"A {minute}"))
        for minute in range(5)
    ]
    other = str(books.conversion("deposit", merchant_id=2, link_id=2, country="DE", received_at=DAY))
    book_changes(books.used)

    def found(query: str) -> list[str]:
        return [row["conversion_id"] for row in admin.request("GET", f"/v1/conversions?{query}").json["items"]]

    assert found("status=pending") == made[::-1]
    assert found("status=pending,approved&merchant_id=2") == [other]
    assert found("event=deposit") == found("country=DE") == found("link_id=2") == [other]
    assert found("source_id=1") == made[::-1]
    assert found("order_id=A%203") == [made[3]]
    assert found("from=2026-10-30T12:02:00Z&to=2026-10-30T12:04:00Z") == [made[3], made[2]]
    assert found("authenticated=false") == []
    first = admin.request("GET", "/v1/conversions?status=pending&limit=3").json
    rest = admin.request("GET", f"/v1/conversions?status=pending&limit=3&cursor={first['next_cursor']}").json
    assert [row["conversion_id"] for page in (first, rest) for row in page["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    for query, field in (("status=open", "status[0]"), ("source_id=x", "source_id"), ("click_id=1", "click_id")):
        assert said(admin.request("GET", f"/v1/conversions?{query}")) == (400, "invalid-field", field)


def test_an_operator_decides_within_the_legal_steps(books: Books, admin: AdminClient) -> None:
    books.plan(cpa_minor=4000)
    path = f"/v1/conversions/{books.conversion(status='pending')}"
    book_changes(books.used)
    approved = admin.request("PATCH", path, {"status": "approved", "note": "checked by phone"}).json
    assert (approved["status"], approved["reason"], approved["payout"]) == ("approved", "operator-decision", "50.00")
    change = approved["changes"][-1]
    assert (change["cause"], change["actor"], change["note"]) == ("operator", "test", "checked by phone")
    assert admin.request("PATCH", path, {"status": "approved"}).json["changes"] == approved["changes"]
    assert said(admin.request("PATCH", path, {"status": "rejected"})) == (409, "illegal-transition", "status")
    book_changes(books.used)
    reversed_ = admin.request("PATCH", path, {"status": "reversed"}).json
    assert [row["kind"] for row in reversed_["entries"]] == ["revenue", "commission"]
    book_changes(books.used)
    shown = admin.request("GET", path).json
    assert [row["kind"] for row in shown["entries"]] == ["revenue", "commission", "reversal", "reversal"]
    for status in ("approved", "rejected"):
        assert said(admin.request("PATCH", path, {"status": status})) == (409, "illegal-transition", "status")
    assert said(admin.request("PATCH", path, {"status": "pending"})) == (400, "invalid-field", "status")
    assert said(admin.request("PATCH", path, {})) == (400, "missing-field", "status")
    for unknown in (uuid4(), "x"):
        assert said(admin.request("PATCH", f"/v1/conversions/{unknown}", {"status": "approved"}))[0] == 404


@pytest.mark.parametrize(("action", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_many_are_decided_as_previewed_or_not_at_all(
    books: Books, admin: AdminClient, action: str, status: str
) -> None:
    for currency, count in (("USD", 3), ("EUR", 2)):
        for _ in range(count):
            books.conversion(status="pending", currency=currency)
    untouched = books.conversion("deposit", status="pending")
    books.conversion()
    path, body = f"/v1/conversions/{action}", {"filter": {"event": "ftd"}}
    preview = admin.request("POST", path, body).json
    assert (preview["count"], preview["changed"]) == (5, None)
    assert preview["sums"] == [
        {"currency": "EUR", "payout_minor": 10_000, "conversions": 2},
        {"currency": "USD", "payout_minor": 15_000, "conversions": 3},
    ]
    books.conversion(status="pending")
    assert said(admin.request("POST", path, body | {"token": preview["token"]})) == (409, "preview-outdated", "token")
    assert books.value("select count(*) from conversions where status = 'pending'") == 7
    token = admin.request("POST", path, body).json["token"]
    # A token is of its action too.
    other = "reject" if action == "approve" else "approve"
    assert said(admin.request("POST", f"/v1/conversions/{other}", body | {"token": token}))[1] == "preview-outdated"
    done = admin.request("POST", path, body | {"token": token, "note": "batch"})
    assert (done.json["changed"], done.json["count"], done.json["token"]) == (6, 6, None)
    decided = "select count(*) from conversion_changes where cause = 'operator' and actor = 'test' and note = 'batch'"
    assert (
        books.value(decided) == books.value("select count(*) from conversions where reason = 'operator-decision'") == 6
    )
    assert books.value("select count(*) from conversions where status = %s and event = 'ftd'", status) >= 6
    assert books.value("select status from conversions where conversion_id = %s", untouched) == "pending"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "missing-field", "filter")),
        ({"filter": "all"}, (400, "invalid-field", "filter")),
        ({"filter": {"state": "x"}}, (400, "unknown-field", "filter.state")),
        ({"filter": {"merchant_id": 1.5}}, (400, "invalid-field", "filter.merchant_id")),
    ],
)
def test_a_wrong_filter_decides_nothing(admin: AdminClient, body: Any, expected: Any) -> None:
    assert said(admin.request("POST", "/v1/conversions/approve", body)) == expected


def test_rebooking_chooses_terms_anew(books: Books, admin: AdminClient) -> None:
    conversion_id = books.conversion()
    book_changes(books.used)
    books.plan(cpa_minor=4000)
    body = {"filter": {"from": "2026-10-01", "event": "ftd"}}
    preview = admin.request("POST", "/v1/conversions/rebook", body).json
    done = admin.request("POST", "/v1/conversions/rebook", body | {"token": preview["token"]}).json
    assert (done["changed"], done["sums"]) == (1, preview["sums"])
    book_postponed()
    shown = admin.request("GET", f"/v1/conversions/{conversion_id}").json
    assert (shown["commission_amount"], shown["plan_rung"], shown["commission_reasons"]) == ("40.00", "any", [])
