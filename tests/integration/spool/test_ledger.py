"""The ledger, on rows as the worker writes them and reports as agents send them."""

from __future__ import annotations

from threading import Timer
from time import time

import orjson
import pytest
from redis import Redis

from admin_api.runtime import Database
from admin_api.spool import ledger
from admin_client import AdminClient
from config.configuration import SPOOLS_KEY

LATER = 10.0


def report(redis: Redis, spool: str, issued: int, declared_lost: int = 0, age_s: float = -LATER) -> None:
    counts = {"issued": issued, "declared_lost": declared_lost, "frames": issued - declared_lost, "bytes": 0}
    redis.hset(SPOOLS_KEY, spool, orjson.dumps(counts | {"at": time() - age_s}))


def progress(database: Database, spool: str, done: int, **counts: object) -> None:
    row = {"spool_id": spool, "done": done, "ahead": "[]", "missing": 0, "poisoned": 0} | counts
    database.execute(
        "insert into spool_progress (spool_id, done, ahead, missing, poisoned)"
        " values (%(spool_id)s, %(done)s, %(ahead)s, %(missing)s, %(poisoned)s)",
        row,
    )


def stored_clicks(database: Database, count: int) -> None:
    database.execute("insert into click_days values ('2026-01-01', 1, 'valid', %s)", [count])


def stored_postbacks(database: Database, count: int) -> None:
    database.execute(
        "insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body, user_agent,"
        " authenticated, answered, outcome, spool_id, spool_number)"
        " select gen_random_uuid(), now(), '', '', '', '', '', '', '', false, 200, 'refused', 's', n"
        " from generate_series(1, %s) as n",
        [count],
    )


def figures(admin: AdminClient) -> dict[str, object]:
    result = admin.request("GET", "/v1/ledger")
    assert result.status_code == 200, result.text
    answer: dict[str, object] = result.json
    assert "as_of" in answer
    return answer


def five(answer: object) -> tuple[int, ...]:
    assert isinstance(answer, dict)
    return tuple(answer[name] for name in ("issued", "stored", "in_flight", "declared_lost", "difference"))


def test_nothing_balances(admin: AdminClient) -> None:
    answer = figures(admin)
    assert five(answer) == five(answer["postbacks"]) == (0, 0, 0, 0, 0)
    assert answer["stale"] is False


def test_every_record_is_somewhere(admin: AdminClient, database: Database, redis: Redis) -> None:
    report(redis, "1-0-clicks", issued=100, declared_lost=7)
    progress(database, "1-0-clicks", 60, ahead="[[70, 80], [85, 86]]", missing=2, poisoned=1)
    stored_clicks(database, 68)
    report(redis, "1-0-postbacks", issued=9)
    progress(database, "1-0-postbacks", 5)
    stored_postbacks(database, 5)
    answer = figures(admin)
    assert five(answer) == (100, 68, 22, 10, 0)
    assert five(answer["postbacks"]) == (9, 5, 4, 0, 0)


@pytest.mark.parametrize(("rows", "difference"), [(9, 1), (11, -1)])
def test_a_lost_or_doubled_row_shows(
    admin: AdminClient, database: Database, redis: Redis, rows: int, difference: int
) -> None:
    report(redis, "1-0-clicks", issued=10)
    progress(database, "1-0-clicks", 10)
    stored_clicks(database, rows)
    assert figures(admin)["difference"] == difference


def test_a_spool_that_only_the_database_knows_counts_as_stored(
    admin: AdminClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "WAIT_S", 0.1)
    progress(database, "7-3-clicks", 10, missing=1)
    stored_clicks(database, 9)
    assert five(figures(admin)) == (10, 9, 0, 1, 0)


def test_the_answer_waits_for_reports_newer_than_the_rows(admin: AdminClient, database: Database, redis: Redis) -> None:
    report(redis, "1-0-clicks", issued=10, age_s=60)
    progress(database, "1-0-clicks", 12)
    stored_clicks(database, 12)
    fresh = Timer(0.2, report, (redis, "1-0-clicks", 15))
    fresh.start()
    answer = figures(admin)
    fresh.join()
    assert five(answer) == (15, 12, 3, 0, 0)
    assert answer["stale"] is False


def test_without_a_fresh_report_the_answer_says_so(
    admin: AdminClient, database: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "WAIT_S", 0.1)
    report(redis, "1-0-clicks", issued=10, age_s=60)
    answer = figures(admin)
    assert five(answer) == (10, 0, 10, 0, 0)
    assert answer["stale"] is True
