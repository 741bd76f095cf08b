"""Conversions count for the caps of their link and destination, and the counts reach the edge and the operator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.types.json import Jsonb

import worker_cases as cases
from admin_api.runtime import Database
from admin_client import AdminClient
from config.caps import load_conversions
from worker.caps import count_conversions, counting
from worker.clicks import store_batch as store_clicks
from worker.postbacks import store_batch
from worker.runtime import Resources

LINK_CAP, DESTINATION_CAP, TOTAL_CAP = 70, 71, 72
DESTINATION = 40


@pytest.fixture
def worker(database_url: str, redis_url: str, database: Database) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        database.execute("update links set routing = %s where link_id = 1", [document()])
        yield used


def cap(cap_id: int, limit: int, per: str = "day", count: str = "conversions") -> dict[str, Any]:
    return {"cap_id": cap_id, "count": count, "per": per, "limit": limit}


def document() -> Jsonb:
    destination = {"destination_id": DESTINATION, "caps": [cap(DESTINATION_CAP, 1)]}
    return Jsonb(
        {
            "rules": [{"rule_id": 1, "destinations": [destination]}],
            "caps": [cap(LINK_CAP, 2), cap(TOTAL_CAP, 3, "total")],
        }
    )


def convert(worker: Resources, number: int, destination_id: int | None = None) -> None:
    routing = None if destination_id is None else [1, [], 1, destination_id, None, {}]
    click = cases.click(routing=routing)
    store_clicks(cases.SPOOL, number, cases.payloads([click]))
    store_batch(cases.POSTBACK_SPOOL, number, cases.postback_payloads([cases.postback(click.click_id)]))


def counts(worker: Resources) -> dict[int, tuple[int, bool]]:
    count_conversions()
    found = load_conversions(worker.redis)
    assert found is not None
    return {cap_id: (conversions, reached) for cap_id, (_, conversions, reached) in found.by_cap.items()}


def test_conversions_count_for_their_link_and_their_destination(worker: Resources) -> None:
    assert counts(worker) == {LINK_CAP: (0, False), DESTINATION_CAP: (0, False), TOTAL_CAP: (0, False)}
    convert(worker, 0, DESTINATION)
    assert counts(worker) == {LINK_CAP: (1, False), DESTINATION_CAP: (1, True), TOTAL_CAP: (1, False)}
    convert(worker, 1)
    assert counts(worker) == {LINK_CAP: (2, True), DESTINATION_CAP: (1, True), TOTAL_CAP: (2, False)}


def test_rejected_conversions_do_not_count(worker: Resources, database: Database) -> None:
    convert(worker, 0, DESTINATION)
    counts(worker)
    database.execute("update conversions set status = 'rejected'")
    assert counts(worker)[DESTINATION_CAP] == (0, False)


def test_the_next_day_counts_from_nothing_and_a_total_goes_on(worker: Resources) -> None:
    convert(worker, 0, DESTINATION)
    assert counts(worker)[DESTINATION_CAP] == (1, True)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    found = counting.count_due(worker.database.wait(), int(tomorrow))
    assert found[DESTINATION_CAP][1:] == (0, False)
    assert found[TOTAL_CAP][1:] == (1, False)


def test_only_what_changed_is_counted_anew(worker: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    counts(worker)
    counted: list[int] = []
    real = counting.count

    def noted(connection: Any, cap: Any, since: Any) -> int:
        counted.append(cap.cap_id)
        return real(connection, cap, since)

    monkeypatch.setattr(counting, "count", noted)
    counts(worker)
    assert counted == []
    convert(worker, 0)
    counts(worker)
    assert sorted(counted) == [LINK_CAP, TOTAL_CAP]


def test_a_lowered_limit_is_reached_at_once(worker: Resources, database: Database) -> None:
    convert(worker, 0)
    assert counts(worker)[TOTAL_CAP] == (1, False)
    database.execute("update caps set cap_limit = 1 where cap_id = %s", [TOTAL_CAP])
    assert counts(worker)[TOTAL_CAP] == (1, True)


def test_counts_are_shown_with_when_the_limit_was_reached(worker: Resources, admin: AdminClient) -> None:
    convert(worker, 0, DESTINATION)
    counts(worker)
    shown = {cap["cap_id"]: cap for cap in admin.request("GET", "/v1/caps?link_id=1&count=conversions").json["items"]}
    assert (shown[LINK_CAP]["used"], shown[LINK_CAP]["left"], shown[LINK_CAP]["exhausted_since"]) == (1, 1, None)
    reached = shown[DESTINATION_CAP]
    assert (reached["destination_id"], reached["used"], reached["left"]) == (DESTINATION, 1, 0)
    assert reached["exhausted_since"] is not None
    assert reached["overshoot_bound"] is None
    assert shown[TOTAL_CAP]["period_end"] is None
