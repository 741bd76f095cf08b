"""The list of payouts in the orders that a client may ask for, and its export, which is read page by page."""

from __future__ import annotations

import pytest

from admin_api.money import payouts
from admin_client import AdminClient
from money_cases import Books, opened_books


def test_payouts_are_sorted_by_amount_and_by_the_end_of_their_period(
    admin: AdminClient, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_books(database_url, redis_url) as books:
        make(books)

    def listed(sort: str) -> list[int]:
        found: list[int] = []
        cursor = ""
        while True:
            page = admin.request("GET", f"/v1/payouts?limit=1&sort={sort}{cursor}").json
            found += [item["payout_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    assert listed("payout_id") == [1, 2, 3]
    assert listed("-amount_minor") == [2, 3, 1]
    assert listed("amount_minor") == [1, 3, 2]
    assert listed("-period_ends_at") == [3, 2, 1]
    monkeypatch.setattr(payouts, "EXPORT_ROWS_AT_ONCE", 1)
    exported = admin.request("GET", "/v1/payouts/export").text.splitlines()
    assert [line.partition(",")[0] for line in exported[1:]] == ["1", "2", "3"]


def make(books: Books) -> None:
    """Make three payouts with 1, 9 and 5 dollars."""
    for month, dollars in enumerate((1, 9, 5), 1):
        common = {"source_id": 1, "currency": "USD", "payout_schedule": "monthly"}
        payout_id = books.add("payouts", period_ends_at=f"2026-{month:02}-01T00:00:00Z", **common)
        entry = {"party": "source", "kind": "commission", "amount_minor": dollars * 100, "payout_id": payout_id}
        books.add("entries", payable_at="2026-01-01T00:00:00Z", **common, **entry)
