"""After a list changed, stored clicks are classed anew, and the daily counts with them, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import worker_cases as cases
from tracking.traffic import TrafficLimits
from worker.clicks import store_batch
from worker.runtime import Resources
from worker.traffic import class_some, classing, settle

DAY_MS = 86_400_000
LIMITS = TrafficLimits(duplicate_window_s=10, per_address_per_minute=0, unique_window_hours=24)
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"


@pytest.fixture
def worker(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    monkeypatch.setattr(classing, "CLICKS_AT_ONCE", 3)
    with cases.installed(database_url, redis_url) as used:
        yield used


def store(worker: Resources, first: int, *changes: dict[str, Any], days_ago: int = 0) -> None:
    """Store clicks of one visitor, a second apart."""
    start_ms = worker.now_ms() - 60_000 - days_ago * DAY_MS
    clicks = []
    for number, change in enumerate(changes):
        at_ms = start_ms + number * 1000
        click_id = cases.mint_at(at_ms, first + number)
        clicks.append(cases.click(click_id=click_id, at_ms=at_ms, **{"user_agent": CHROME, **change}))
    store_batch(cases.SPOOL, first, cases.payloads(clicks))
    settle_all(worker)


def settle_all(worker: Resources) -> None:
    settle(worker.database.run, LIMITS, worker.now_ms(), lambda: True)


def class_all(worker: Resources) -> None:
    while worker.database.run(class_some):
        pass
    settle_all(worker)


def change_lists(worker: Resources, columns: str, *values: object) -> None:
    worker.database.wait().execute(f"update traffic_lists set {columns}, revision = revision + 1", values)


def classes(worker: Resources) -> list[tuple[str, bool]]:
    found = worker.database.wait().execute("select class, is_unique from clicks order by click_id").fetchall()
    counted = worker.database.wait().execute(
        "select class, sum(clicks)::int, sum(uniques)::int from click_days group by 1 having sum(clicks) > 0 order by 1"
    )
    rows = worker.database.wait().execute(
        "select class, count(*)::int, count(*) filter (where is_unique)::int from clicks group by 1 order by 1"
    )
    assert counted.fetchall() == rows.fetchall()
    return found


def runs(worker: Resources, columns: str) -> list[tuple[Any, ...]]:
    return worker.database.wait().execute(f"select {columns} from class_runs order by run_id").fetchall()


def test_nothing_is_classed_anew_while_the_lists_stay(worker: Resources) -> None:
    store(worker, 0, {}, {"user_agent": "curl/8.5.0"})
    class_all(worker)
    assert runs(worker, "run_id") == []
    assert classes(worker) == [("valid", True), ("bot", False)]


def test_an_agent_on_the_list_makes_bots_and_what_followed_them_is_settled_again(worker: Resources) -> None:
    # The same visitor: the second and third are duplicates of the first.
    store(worker, 0, {}, {}, {}, {"user_agent": "Acme Monitor"}, {"user_agent": "curl/8.5.0"}, days_ago=1)
    store(worker, 5, {"ip": "192.0.2.9"})
    assert [kind for kind, _ in classes(worker)] == ["valid", "duplicate", "duplicate", "valid", "bot", "valid"]
    change_lists(worker, "bot_agents = %s, exempt_agents = %s", ["acme"], ["curl"])
    class_all(worker)
    assert [kind for kind, _ in classes(worker)] == ["valid", "duplicate", "duplicate", "bot", "valid", "valid"]
    assert runs(worker, "state, requested_by, changed") == [("done", "lists", 2)]
    counts = worker.database.wait().execute(
        "select class, sum(clicks_before)::int, sum(clicks_after)::int from class_run_counts group by 1 order by 1"
    )
    assert counts.fetchall() == [("bot", 1, 1), ("duplicate", 2, 2), ("valid", 3, 3)]
    class_all(worker)
    assert len(runs(worker, "run_id")) == 1


def test_a_network_on_the_list_makes_data_centres_and_taking_it_off_makes_people(worker: Resources) -> None:
    store(worker, 0, {"ip": "198.51.100.7"}, {"ip": "198.51.100.7"}, {"ip": "192.0.2.1"})
    change_lists(worker, "networks = %s::cidr[]", ["198.51.100.0/24"])
    class_all(worker)
    assert classes(worker) == [("datacenter", False), ("datacenter", False), ("valid", True)]
    change_lists(worker, "networks = '{}'")
    class_all(worker)
    assert classes(worker) == [("valid", True), ("duplicate", False), ("valid", True)]


def test_a_batch_that_was_classed_by_older_lists_makes_its_day_stale(worker: Resources) -> None:
    store(worker, 0, {"user_agent": "Acme Monitor"})
    worker.database.wait().execute("update settling set lists = 'old'")
    change_lists(worker, "bot_agents = %s", ["acme"])
    class_all(worker)
    # As a worker does that read the lists before they changed.
    store(worker, 1, {"user_agent": CHROME})
    worker.database.wait().execute(
        "insert into settling (low, high, spool_id, first, past, lists)"
        " select min(click_id::text)::uuid, max(click_id::text)::uuid, %s, 0, 2, 'old' from clicks",
        [cases.SPOOL],
    )
    settle_all(worker)
    class_all(worker)
    assert runs(worker, "state") == [("done",), ("done",)]


def test_erased_clicks_and_requests_of_another_kind_stay_as_they_are(worker: Resources) -> None:
    store(worker, 0, {"method": "HEAD"}, {"purpose": "prefetch"}, {})
    worker.database.wait().execute("update clicks set user_agent = '', erased_at = now() where class = 'valid'")
    change_lists(worker, "bot_agents = %s", ["mozilla"])
    class_all(worker)
    assert [kind for kind, _ in classes(worker)] == ["head", "prefetch", "valid"]


def test_lists_that_change_meanwhile_end_the_run_and_begin_another(worker: Resources) -> None:
    store(worker, 0, *[{}] * 4)
    change_lists(worker, "bot_agents = %s", ["chrome"])
    assert worker.database.run(class_some)
    change_lists(worker, "bot_agents = '{}'")
    class_all(worker)
    assert [state for (state,) in runs(worker, "state")] == ["superseded", "done"]
    assert classes(worker) == [("valid", True), *[("duplicate", False)] * 3]


def test_days_that_are_asked_for_are_classed_whatever_their_lists(worker: Resources) -> None:
    store(worker, 0, {}, days_ago=2)
    store(worker, 1, {})
    worker.database.wait().execute("update clicks set class = 'bot', is_unique = false")
    worker.database.wait().execute("update click_days set class = 'bot', uniques = 0")
    worker.database.wait().execute(
        "insert into class_runs (from_day, to_day, requested_by)"
        " select day, day, 'ops' from class_days order by day limit 1"
    )
    class_all(worker)
    assert [kind for kind, _ in classes(worker)] == ["valid", "bot"]


def test_a_run_goes_on_where_a_killed_process_left_it(worker: Resources, database_url: str) -> None:
    store(worker, 0, *[{"ip": f"192.0.2.{number}"} for number in range(8)])
    change_lists(worker, "bot_agents = %s", ["chrome"])
    assert worker.database.run(class_some)
    with psycopg.connect(database_url, autocommit=True) as killed, killed.transaction(force_rollback=True):
        assert class_some(killed)
    assert runs(worker, "state, changed") == [("running", 3)]
    class_all(worker)
    assert classes(worker) == [("bot", False)] * 8
    assert runs(worker, "state, changed") == [("done", 8)]
