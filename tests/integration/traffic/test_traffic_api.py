"""The admin API shows and changes the lists, shows runs and asks for them, and shows the clicks of a link by class."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue

import worker_cases as cases
from admin_api.runtime import Database
from admin_client import AdminClient
from tracking.runtime import QueueName
from tracking.traffic import TrafficLimits
from worker.clicks import store_batch
from worker.runtime import Resources
from worker.traffic import check_counts, class_some, settle, settle_clicks, settling

CURL = "curl/8.5.0"


@pytest.fixture
def worker(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


def store(worker: Resources) -> None:
    """Store three clicks of a visitor, one of a program, and a HEAD request."""
    clicks = [*(cases.click() for _ in range(3)), cases.click(user_agent=CURL), cases.click(method="HEAD")]
    store_batch(cases.SPOOL, 0, cases.payloads(clicks))


def settle_all(worker: Resources) -> None:
    settle(worker.database.run, TrafficLimits(), worker.now_ms(), lambda: True)


def test_lists_are_changed_by_name_and_only_as_they_were_read(admin: AdminClient) -> None:
    first = admin.request("GET", "/v1/traffic-lists")
    assert (first.json["networks"], first.json["changed_by"]) == ([], None)
    body = {"networks": ["203.0.113.0/24", "2001:db8::/32"], "asns": [64500], "bot_agents": ["AcmeMonitor"]}
    changed = admin.request("PATCH", "/v1/traffic-lists", body, **{"If-Match": first.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert changed.json["networks"] == ["2001:db8::/32", "203.0.113.0/24"]
    assert changed.json["revision"] == first.json["revision"] + 1
    stale = admin.request("PATCH", "/v1/traffic-lists", {"asns": []}, **{"If-Match": first.headers["etag"]})
    assert (stale.status_code, stale.json["code"]) == (412, "revision-mismatch")
    same = admin.request("PATCH", "/v1/traffic-lists", {"asns": [64500]})
    assert same.json["revision"] == changed.json["revision"]


@pytest.mark.parametrize(
    "body", [{"networks": ["203.0.113.7/24"]}, {"networks": ["all"]}, {"asns": [0]}, {"bot_agents": ["a"]}]
)
def test_a_list_that_cannot_be_one_is_refused(admin: AdminClient, body: dict[str, list[object]]) -> None:
    assert admin.request("PATCH", "/v1/traffic-lists", body).status_code == 400


def test_the_days_of_a_link_have_gross_net_and_unique_clicks(admin: AdminClient, worker: Resources) -> None:
    store(worker)
    settle_all(worker)
    answer = admin.request("GET", "/v1/links/1/traffic").json
    (day,) = answer["days"]
    assert (day["gross"], day["net"], day["uniques"]) == (5, 1, 1)
    counts = {"head": 1, "prefetch": 0, "bot": 1, "datacenter": 0, "rate": 0, "duplicate": 2, "valid": 1}
    assert day["classes"] == counts
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert admin.request("GET", f"/v1/links/1/traffic?first_day={tomorrow}").json["days"] == []
    assert admin.request("GET", "/v1/links/999/traffic").status_code == 404


def test_a_changed_list_is_a_run_with_old_and_new_counts(admin: AdminClient, worker: Resources) -> None:
    store(worker)
    settle_all(worker)
    admin.request("PATCH", "/v1/traffic-lists", {"exempt_agents": ["curl"]})
    while worker.database.run(class_some):
        pass
    (run,) = admin.request("GET", "/v1/class-runs").json["items"]
    assert (run["state"], run["requested_by"], run["changed"]) == ("done", "lists", 1)
    (day,) = admin.request("GET", f"/v1/class-runs/{run['run_id']}").json["days"]
    assert day["classes"]["bot"] == {"before": 1, "after": 0}
    assert day["classes"]["valid"] == {"before": 1, "after": 2}


def test_a_run_can_be_asked_for(admin: AdminClient, worker: Resources) -> None:
    store(worker)
    settle_all(worker)
    days = {"first_day": "2026-01-01", "to": "2100-01-01"}
    asked = admin.request("POST", "/v1/class-runs", days)
    assert (asked.status_code, asked.json["state"]) == (202, "waiting")
    while worker.database.run(class_some):
        pass
    run = admin.request("GET", asked.headers["location"]).json
    assert (run["state"], run["changed"], len(run["days"])) == ("done", 0, 1)
    backwards = admin.request("POST", "/v1/class-runs", {"first_day": "2026-02-01", "to": "2026-01-01"})
    assert backwards.status_code == 400
    assert admin.request("GET", "/v1/class-runs/77").status_code == 404


def test_counts_that_are_not_those_of_the_rows_are_an_issue_until_they_are(
    admin: AdminClient, worker: Resources, database: Database
) -> None:
    store(worker)
    check_counts()
    assert admin.request("GET", "/v1/issues?kind=counts-differ").json["items"] == []
    database.execute("update click_days set clicks = clicks + 1 where class = 'bot'")
    check_counts()
    (issue,) = admin.request("GET", "/v1/issues?kind=counts-differ").json["items"]
    (difference,) = issue["detail"]["differences"]
    assert (difference["class"], difference["counted"], difference["stored"]) == ("bot", 2, 1)
    database.execute("update click_days set clicks = clicks - 1 where class = 'bot'")
    check_counts()
    assert admin.request("GET", f"/v1/issues/{issue['issue_id']}").json["state"] == "resolved"


def test_settling_gives_way_to_a_backlog_but_not_for_long(worker: Resources) -> None:
    store(worker)
    queue = Queue(QueueName.CLICKS, connection=worker.redis)
    for _ in range(settling.BACKLOG_BATCHES + 1):
        queue.enqueue_call("worker.clicks.store_batch")
    waiting = "select count(*)::int from settling"
    settle_clicks()
    assert worker.database.wait().execute(waiting).fetchone() == (1,)
    worker.database.wait().execute("update settling set noted_at = now() - interval '1 hour'")
    settle_clicks()
    assert worker.database.wait().execute(waiting).fetchone() == (0,)
