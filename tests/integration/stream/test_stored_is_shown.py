"""What the workers store comes out of a round: clicks, changes of conversions, entries, issues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import worker_cases as cases
from admin_api.runtime import Database, Pool, open_pool
from admin_api.stream import rows
from admin_api.stream.notes import load_position
from admin_api.stream.rounds import Round, load_round
from admin_api.stream.selection import EventType, Selection
from event_streams import parse_events
from money_cases import Books, opened_books
from worker.clicks import store_batch
from worker.money import run_bookkeeping

ALL = Selection(frozenset(EventType), revenue=True)
PARTNER = Selection(frozenset({EventType.CLICK, EventType.CONVERSION, EventType.ENTRY}), source_id=1)


@pytest.fixture
def books(database_url: str, redis_url: str) -> Iterator[Books]:
    with opened_books(database_url, redis_url) as books:
        yield books


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    pool = open_pool(database_url, 1)
    yield pool
    pool.close()


def next_round(pool: Pool, after: str) -> Round:
    with pool.connection() as database:
        return load_round(database, after)


def here(pool: Pool) -> str:
    with pool.connection() as database:
        return load_position(database)


def events(done: Round, selection: Selection = ALL) -> list[tuple[str, Any]]:
    return [(event.name, event.data) for event in parse_events(done.bytes_for(selection))]


def test_a_stored_batch_is_shown_with_whose_it_is_and_without_addresses(books: Books, pool: Pool) -> None:
    start = here(pool)
    stored = [cases.click(link_id=1), cases.click(link_id=2)]
    store_batch(cases.SPOOL, 1, cases.payloads(stored))
    found = events(next_round(pool, start))
    assert [(name, data["click_id"], data["source_id"]) for name, data in found] == [
        ("click", stored[0].click_id, 1),
        ("click", stored[1].click_id, None),
    ]
    assert {"ip", "user_agent", "query", "referrer", "location"}.isdisjoint(found[0][1])
    assert [data["click_id"] for _, data in events(next_round(pool, start), PARTNER)] == [stored[0].click_id]


def test_a_batch_that_comes_twice_is_shown_once(books: Books, pool: Pool) -> None:
    start = here(pool)
    payloads = cases.payloads([cases.click()])
    store_batch(cases.SPOOL, 1, payloads)
    store_batch(cases.SPOOL, 1, payloads)
    assert len(events(next_round(pool, start))) == 1


def test_a_link_that_was_given_away_keeps_its_clicks_of_before(books: Books, pool: Pool) -> None:
    before = cases.click(link_id=1)
    books.add("sources", name="other")
    books.connection.execute("update links set source_id = 2 where link_id = 1")
    start = here(pool)
    store_batch(cases.SPOOL, 1, cases.payloads([before, cases.click(link_id=1)]))
    found = events(next_round(pool, start))
    assert [data["source_id"] for _, data in found] == [1, 2]
    assert len(events(next_round(pool, start), PARTNER)) == 1


def test_clicks_beyond_what_a_round_reads_are_counted(
    books: Books, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "CLICKS_MAX", 5)
    start = here(pool)
    for batch in range(2):
        store_batch(cases.SPOOL, 1 + 4 * batch, cases.payloads([cases.click() for _ in range(4)]))
    *shown, summary = events(next_round(pool, start))
    assert len(shown) == 5
    assert summary == ("summary", {"type": "click", "others": 0, "unread": 3})
    assert events(next_round(pool, start), PARTNER)[-1][1]["unread"] is None


def test_a_conversion_and_what_is_booked_for_it_are_shown_by_right(books: Books, pool: Pool) -> None:
    plan_id = books.plan(cpa_minor=1000, merchant_id=1)
    books.connection.execute("update links set plan_id = %s where link_id = 1", [plan_id])
    start = here(pool)
    conversion_id = books.conversion(clicked_at=datetime.now(UTC))
    done = next_round(pool, start)
    ((name, data),) = events(done)
    said = (name, data["conversion_id"], data["status"], data["payout_minor"])
    assert said == ("conversion", str(conversion_id), "approved", 5000)
    ((_, hidden),) = events(done, PARTNER)
    assert "payout_minor" not in hidden
    run_bookkeeping()
    booked = next_round(pool, done.position)
    entries = {data["party"]: data["amount_minor"] for name, data in events(booked) if name == "entry"}
    assert entries == {"merchant": 5000, "source": 1000}
    assert [(data["party"], data["amount_minor"]) for _, data in events(booked, PARTNER)] == [("source", 1000)]


def test_an_issue_is_shown_when_it_is_opened_and_when_it_is_resolved(books: Books, pool: Pool) -> None:
    start = here(pool)
    books.connection.execute("select open_issue('rates-stale', 'x', 'Rates are old', '{}', null, null, null, null)")
    done = next_round(pool, start)
    ((name, data),) = events(done)
    assert (name, data["kind"], data["state"], data["count"]) == ("issue", "rates-stale", "open", 1)
    assert events(done, PARTNER) == []
    books.connection.execute("update issues set note = 'seen'")
    assert events(next_round(pool, done.position)) == []
    books.connection.execute("update issues set state = 'resolved', resolved_at = now()")
    assert [data["state"] for _, data in events(next_round(pool, done.position))] == ["resolved"]


def test_classing_clicks_anew_shows_nothing(books: Books, pool: Pool) -> None:
    start = here(pool)
    low, high = sorted([cases.click().click_id, cases.click().click_id])
    books.connection.execute("insert into settling (low, high) values (%s, %s)", [low, high])
    assert events(next_round(pool, start)) == []


def test_the_admin_role_may_cause_and_read_notes(books: Books, pool: Pool, database: Database) -> None:
    start = here(pool)
    with pool.connection() as admin:
        admin.execute("select open_issue('rates-stale', 'x', 'Rates are old', '{}', null, null, null, null)")
    assert [name for name, _ in events(next_round(pool, start))] == ["issue"]
