"""Postbacks about one conversion that are stored in another order than they were received, few and many."""

from __future__ import annotations

from collections.abc import Iterator
from time import time
from typing import Any

import psycopg
import pytest

import worker_cases as cases
from tracking.spool import Postback
from worker.clicks import task as clicks
from worker.postbacks import processing, store_batch
from worker.runtime import Resources

NOW_MS = int(time() * 1000)
OTHER_SPOOL = "8-0-3fa9c1d2-postbacks"


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


@pytest.fixture
def click_id() -> str:
    made = cases.click()
    clicks.store_batch(cases.SPOOL, 0, cases.payloads([made]))
    return made.click_id


def reports(click_id: str, count: int, *, authenticated: bool, **fields: Any) -> list[Postback]:
    """Return reports of one order, a millisecond apart, each of another amount."""
    who: dict[str, Any] = {} if authenticated else {"merchant_id": None, "authenticated": False}
    return [
        cases.postback(
            click_id, at_ms=NOW_MS + at, fields={"order_id": "A-1", "payout_minor": 1000 + at, **fields}, **who
        )
        for at in range(count)
    ]


def store_by_turns(sent: list[Postback]) -> None:
    """Store every second one from a spool of its own, a few at a time, those received later first."""
    early, late = sent[0::2], sent[1::2]
    for at in range(0, len(early), 5):
        store_batch(OTHER_SPOOL, at, cases.postback_payloads(late[at : at + 5]))
        store_batch(cases.POSTBACK_SPOOL, at, cases.postback_payloads(early[at : at + 5]))


def writes(database_url: str) -> int:
    """Return how many rows of postbacks were updated so far."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        updated = "select sum(n_tup_upd) from pg_stat_user_tables where relname like 'postbacks%'"
        row = connection.execute(updated).fetchone()
    assert row is not None
    return int(row[0])


def conversion(database_url: str) -> tuple[Any, ...]:
    ((*found,),) = cases.rows(database_url, "select status, payout_minor, received_at from conversions")
    return (found[0], found[1], int(found[2].timestamp() * 1000))


def test_a_history_that_two_processes_took_is_decided_in_the_order_of_reception(
    click_id: str, database_url: str
) -> None:
    store_by_turns(reports(click_id, 40, authenticated=True))
    assert conversion(database_url) == ("approved", 1039, NOW_MS)
    outcomes = "select outcome, count(*) from postbacks group by 1 order by 1"
    assert cases.rows(database_url, outcomes) == [("recorded", 1), ("transition", 39)]


def test_late_postbacks_write_only_what_they_change(click_id: str, database_url: str, used: Resources) -> None:
    store_by_turns(reports(click_id, 40, authenticated=True))
    used.database.close()
    # One for each of them; and those that became the first report, and stopped being it.
    assert 40 <= writes(database_url) < 60


@pytest.mark.parametrize("authenticated", [True, False])
def test_a_flood_about_one_conversion_is_decided_as_it_is_stored(
    click_id: str, database_url: str, monkeypatch: pytest.MonkeyPatch, authenticated: bool
) -> None:
    monkeypatch.setattr(processing, "REORDERED_MAX", 20)
    monkeypatch.setattr(processing, "REORDERED_UNAUTHENTICATED_MAX", 20)
    decided: list[int] = []
    decide_in_order = processing.decide_in_order

    def counted(claims: Any, *rest: Any) -> Any:
        decided.append(len(claims))
        return decide_in_order(claims, *rest)

    monkeypatch.setattr(processing, "decide_in_order", counted)
    store_by_turns(reports(click_id, 80, authenticated=authenticated))
    assert 10 < max(decided) <= 21
    # In order up to the limit, and then as they come: the last one stored is not the last one received.
    status, payout_minor, _ = conversion(database_url)
    assert (status, payout_minor) == ("approved" if authenticated else "pending", 1078)


def test_visitors_cannot_keep_the_accounts_own_postbacks_from_being_put_in_order(
    click_id: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "REORDERED_UNAUTHENTICATED_MAX", 5)
    flood = reports(click_id, 60, authenticated=False)
    store_batch(OTHER_SPOOL, 0, cases.postback_payloads(flood))
    chargeback, made = (
        cases.postback(click_id, at_ms=NOW_MS + at, fields={"order_id": "A-1", "status": status})
        for at, status in ((200, "reversed"), (100, "approved"))
    )
    store_batch(cases.POSTBACK_SPOOL, 0, cases.postback_payloads([chargeback]))
    store_batch(cases.POSTBACK_SPOOL, 1, cases.postback_payloads([made]))
    assert conversion(database_url)[0] == "reversed"
