"""Event types by real requests on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from falcon.testing import Result

from admin_client import AdminClient, connect
from config.configuration import events_key
from money_cases import Books, opened_books


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


def said(result: Result) -> tuple[int, str, str | None]:
    """Return status, code and field of a problem."""
    return result.status_code, result.json["code"], result.json.get("field")


def published_keys(database_url: str) -> set[str]:
    """Return the served keys that wait to be published, and forget them."""
    with closing(connect(database_url)) as database:
        rows = database.execute("delete from outbox returning keys").fetchall()
    return {key for row in rows for key in row["keys"]}


def test_the_built_in_event_types_are_there_and_stay(admin: AdminClient) -> None:
    types = {row["event"]: row for row in admin.request("GET", "/v1/event-types").json["items"]}
    assert {event: row["commission"] for event, row in types.items()} == {
        "registration": "cpl",
        "ftd": "cpa",
        "deposit": "revshare",
        "qualified": "cpa",
        "revenue_share": "revshare",
        "conversion": "hybrid",
    }
    assert said(admin.request("DELETE", "/v1/event-types/ftd")) == (409, "built-in", None)
    assert "revision" not in types["ftd"]


def test_an_own_event_type_is_made_changed_published_and_removed(admin: AdminClient, database_url: str) -> None:
    published_keys(database_url)
    body = {"event": "second_deposit", "name": "Second deposit", "commission": "cpa", "payout_schedule": "weekly"}
    made = admin.request("POST", "/v1/event-types", body)
    assert (made.status_code, made.headers["location"]) == (201, "/v1/event-types/second_deposit")
    assert (made.json["built_in"], made.json["approval"], made.json["hold_days"]) == (False, "auto", 0)
    assert published_keys(database_url) == {events_key()}
    path = made.headers["location"]
    changes = {"approval": "manual", "hold_days": 14, "minimum_payout_minor": 5000, "minimum_payout_currency": "EUR"}
    changed = admin.request("PATCH", path, changes, If_Match='"1"')
    assert {name: changed.json[name] for name in changes} == changes
    assert changed.headers["etag"] == '"2"'
    assert published_keys(database_url) == {events_key()}
    assert admin.request("PATCH", path, changes).headers["etag"] == '"2"'
    assert published_keys(database_url) == set()
    assert said(admin.request("PATCH", path, {"name": "x"}, If_Match='"1"')) == (412, "revision-mismatch", None)
    assert said(admin.request("POST", "/v1/event-types", body)) == (409, "event-taken", "event")
    assert admin.request("DELETE", path).status_code == 204
    assert published_keys(database_url) == {events_key()}
    assert said(admin.request("GET", path)) == (404, "not-found", None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event": "Bad"}, "event"),
        ({"event": "x", "commission": "half"}, "commission"),
        ({"event": "x", "payout_schedule": "daily"}, "payout_schedule"),
        ({"event": "x", "hold_days": 366}, "hold_days"),
        ({"event": "x", "minimum_payout_minor": -1}, "minimum_payout_minor"),
        ({"event": "x", "approval": None}, "approval"),
    ],
)
def test_an_event_type_names_the_field_that_is_wrong(admin: AdminClient, body: Any, field: str) -> None:
    assert said(admin.request("POST", "/v1/event-types", {"name": "x"} | body))[::2] == (400, field)


def test_an_event_type_with_conversions_stays(books: Books, admin: AdminClient) -> None:
    admin.created("event-types", event="vip", name="VIP")
    books.conversion("vip")
    assert said(admin.request("DELETE", "/v1/event-types/vip")) == (409, "in-use", None)


@pytest.mark.parametrize("word", ["%00", "x" * 41, "no_such_event"])
def test_a_word_that_is_no_event_type_is_404(admin: AdminClient, word: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        answer = admin.request(method, f"/v1/event-types/{word}", body)
        assert (answer.status_code, answer.json["code"]) == (404, "not-found")
