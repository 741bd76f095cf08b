"""The delivery log through the admin API: filters and pages, what is shown of an attempt, and replay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

import delivery_cases as partners
import worker_cases as cases
from admin_api.outgoing.delivery_objects import DeliveryFacts
from admin_api.runtime import Database
from admin_client import AdminClient
from tracking.outgoing import LEASE_S, sample_facts
from waiting import wait_until

URL = "https://partner.example/pb?c={external_id}&p={payout}"
PATH = "/v1/outgoing-postbacks"
# What is claimed as a deliveries process claims it, in two statements.
CLAIM = (
    "update deliveries set state = 'pending', due_at = now() + make_interval(secs => %s), attempts = attempts + 1",
    "insert into delivery_attempts (delivery_id, attempt) select delivery_id, attempts from deliveries",
)


@pytest.fixture
def deliveries(database_url: str, admin: AdminClient) -> list[dict[str, Any]]:
    """Return three failed deliveries of an outgoing postback, one of them of another event."""
    cases.configure(database_url)
    admin.created("outgoing-postbacks", name="A partner", url=URL)
    for event in ("ftd", "ftd", "deposit"):
        partners.conversion(database_url, partners.click(database_url), event=event)
    partners.plan(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update deliveries set state = 'failed', due_at = null, attempts = 10, tries = 10, finished_at = now()"
        )
        connection.execute(
            "insert into delivery_attempts (delivery_id, attempt, ended_at, response_status, error)"
            " select delivery_id, 10, now(), 500, 'status-not-2xx' from deliveries"
        )
    return partners.deliveries(database_url)


def test_one_with_real_deliveries_cannot_be_deleted(admin: AdminClient, deliveries: list[dict[str, Any]]) -> None:
    result = admin.request("DELETE", f"{PATH}/{deliveries[0]['outgoing_postback_id']}")
    assert (result.status_code, result.json["code"]) == (409, "in-use")


def test_the_log_is_the_newest_first_filtered_and_paged(admin: AdminClient, deliveries: list[dict[str, Any]]) -> None:
    listed = admin.request("GET", "/v1/deliveries").json["items"]
    assert [each["delivery_id"] for each in listed] == [
        str(each["delivery_id"]) for each in sorted(deliveries, key=lambda d: (d["planned_at"], d["delivery_id"]))[::-1]
    ]
    assert {(each["response_status"], each["error"]) for each in listed} == {(500, "status-not-2xx")}
    of_deposits = admin.request("GET", "/v1/deliveries?event=deposit").json["items"]
    assert [each["event"] for each in of_deposits] == ["deposit"]
    assert admin.request("GET", "/v1/deliveries?state=pending,delivered").json["items"] == []
    conversion_id = deliveries[0]["conversion_id"]
    assert len(admin.request("GET", f"/v1/deliveries?conversion_id={conversion_id}").json["items"]) == 1
    seen, cursor = [], ""
    while True:
        page = admin.request("GET", f"/v1/deliveries?limit=1{cursor}").json
        seen += [each["delivery_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [each["delivery_id"] for each in listed]


def test_a_wrong_filter_is_refused(admin: AdminClient) -> None:
    for query in ("state=lost", "event=Ftd!", "from=yesterday", "order=1", "cursor=x", "limit=0"):
        result = admin.request("GET", f"/v1/deliveries?{query}")
        assert result.status_code == 400, query
        assert result.json["field"].removesuffix("[0]") == query.partition("=")[0]
    for body in ({"filter": {"colour": "red"}}, {"filter": 1}, {"event": "ftd"}, {"token": 1}):
        assert admin.request("POST", "/v1/deliveries/replay", body).status_code == 400, body


def test_a_delivery_that_does_not_exist_is_404(admin: AdminClient) -> None:
    for name in ("x", "00000000-0000-0000-0000-000000000000"):
        assert admin.request("GET", f"/v1/deliveries/{name}").status_code == 404
        assert admin.request("POST", f"/v1/deliveries/{name}/replay").status_code == 404


def test_a_replayed_delivery_is_due_with_a_new_round_of_attempts(
    admin: AdminClient, deliveries: list[dict[str, Any]]
) -> None:
    path = f"/v1/deliveries/{deliveries[0]['delivery_id']}"
    result = admin.request("POST", f"{path}/replay")
    assert (result.status_code, result.json["state"]) == (202, "pending")
    shown = admin.request("GET", path).json
    assert (shown["state"], shown["attempts"], shown["finished_at"]) == ("pending", 10, None)
    assert [each["attempt"] for each in shown["attempt_log"]] == [10]


def test_a_delivery_that_is_being_sent_is_not_replayed(
    admin: AdminClient, database: Database, deliveries: list[dict[str, Any]]
) -> None:
    delivery_id = deliveries[0]["delivery_id"]
    database.execute(
        "update deliveries set state = 'pending', due_at = now() + interval '1 minute', attempts = 11"
        " where delivery_id = %s",
        [delivery_id],
    )
    database.execute("insert into delivery_attempts (delivery_id, attempt) values (%s, 11)", [delivery_id])
    result = admin.request("POST", f"/v1/deliveries/{delivery_id}/replay")
    assert (result.status_code, result.json["code"]) == (409, "under-way")
    assert admin.request("POST", "/v1/deliveries/replay", {"filter": {"state": "pending"}}).json["count"] == 0


def test_many_are_replayed_by_filter_after_a_look_at_how_many(
    admin: AdminClient, database_url: str, deliveries: list[dict[str, Any]]
) -> None:
    wanted = {"event": "ftd", "outgoing_postback_id": deliveries[0]["outgoing_postback_id"]}
    look = admin.request("POST", "/v1/deliveries/replay", {"filter": wanted})
    token = look.json["token"]
    assert (look.status_code, look.json) == (200, {"count": 2, "token": token, "changed": None})
    assert {each["state"] for each in partners.deliveries(database_url)} == {"failed"}
    done = admin.request("POST", "/v1/deliveries/replay", {"filter": wanted, "token": token})
    assert (done.status_code, done.json) == (200, {"count": 2, "token": None, "changed": 2})
    assert sorted(each["state"] for each in partners.deliveries(database_url)) == ["failed", "pending", "pending"]
    # Only failed ones unless told otherwise: the same again finds nothing.
    assert admin.request("POST", "/v1/deliveries/replay", {"filter": wanted}).json["count"] == 0
    again = admin.request("POST", "/v1/deliveries/replay", {"filter": wanted, "token": token})
    assert (again.status_code, again.json["code"]) == (409, "preview-outdated")


def test_what_is_overdue_or_suspended_is_measured(
    admin: AdminClient, database: Database, deliveries: list[dict[str, Any]]
) -> None:
    def measured(name: str) -> float:
        lines = admin.request("GET", "/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    assert (measured("waypost_deliveries_overdue"), measured("waypost_outgoing_suspended")) == (0, 0)
    database.execute("update deliveries set state = 'pending', due_at = now() - interval '11 seconds'")
    assert measured("waypost_deliveries_overdue") == len(deliveries)
    database.execute("update outgoing_postbacks set state = 'suspended'")
    assert (measured("waypost_deliveries_overdue"), measured("waypost_outgoing_suspended")) == (0, 1)


def test_every_documented_field_of_a_delivery_is_served(
    admin: AdminClient, database: Database, deliveries: list[dict[str, Any]]
) -> None:
    delivery_id = deliveries[0]["delivery_id"]
    database.execute(
        "update delivery_attempts set duration_ms = 12, method = 'POST', url = 'https://partner.example/',"
        " headers = %s, body = '{}', address = '192.0.2.9', response_headers = %s, response_body = 'no',"
        " detail = 'answered 500' where delivery_id = %s",
        [Jsonb({"webhook-id": str(delivery_id)}), Jsonb({"Server": "x"}), delivery_id],
    )
    shown = admin.request("GET", f"/v1/deliveries/{delivery_id}").json
    (attempt,) = shown["attempt_log"]
    schemas = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"]
    for each, schema in (
        (shown, "DeliveryWithAttempts"),
        (shown["facts"], "DeliveryFacts"),
        (attempt, "DeliveryAttempt"),
    ):
        assert list(each) == list(schemas[schema]["properties"]) == schemas[schema]["required"]
    assert (shown["facts"]["payout"], shown["facts"]["parameters"], shown["facts"]["sub1"]) == ("25.00", {}, None)
    assert (shown["response_status"], shown["error"]) == (500, "status-not-2xx")
    assert (attempt["headers"], attempt["response_headers"]) == ({"webhook-id": str(delivery_id)}, {"Server": "x"})
    assert (attempt["address"], attempt["duration_ms"], attempt["detail"]) == ("192.0.2.9", 12, "answered 500")
    # The list and the replay show the same object, but for the attempts.
    listed = admin.request("GET", f"/v1/deliveries?conversion_id={shown['conversion_id']}").json["items"]
    assert listed == [{name: value for name, value in shown.items() if name != "attempt_log"}]
    replayed = admin.request("POST", f"/v1/deliveries/{delivery_id}/replay").json
    changed = {name for name, value in replayed.items() if value != shown[name]}
    assert changed == {"state", "due_at", "finished_at"}


def test_every_fact_of_a_delivery_is_shown() -> None:
    assert set(DeliveryFacts.model_fields) == set(sample_facts())


def test_facts_of_an_older_release_are_shown_with_null_for_what_they_lack(
    admin: AdminClient, database: Database, deliveries: list[dict[str, Any]]
) -> None:
    database.execute("update deliveries set facts = facts - 'commission_minor' - 'sub10'")
    shown = admin.request("GET", f"/v1/deliveries/{deliveries[0]['delivery_id']}").json["facts"]
    assert (shown["commission_minor"], shown["sub10"], shown["payout_minor"]) == (None, None, 2500)


def test_several_wrong_filters_are_named_together(admin: AdminClient) -> None:
    query = admin.request("GET", "/v1/deliveries?state=failed,lost&click_id=7&is_test=maybe&colour=red")
    assert [each["field"] for each in query.json["errors"]] == ["state[1]", "click_id", "is_test", "colour"]
    body = {"filter": {"from": "yesterday", "event": "No Event", "colour": "red"}, "token": 1}
    refused = admin.request("POST", "/v1/deliveries/replay", body)
    assert refused.status_code == 400
    assert {(each["field"], each["code"]) for each in refused.json["errors"]} == {
        ("filter.from", "invalid-field"),
        ("filter.event", "invalid-field"),
        ("filter.colour", "unknown-field"),
        ("token", "invalid-field"),
    }
    (unknown,) = (each for each in refused.json["errors"] if each["code"] == "unknown-field")
    assert "outgoing_postback_id, state, event" in unknown["detail"]


@pytest.mark.parametrize("name", ["state", "event", "is_test", "from"])
def test_a_filter_that_is_null_replays_nothing(
    admin: AdminClient, database_url: str, deliveries: list[dict[str, Any]], name: str
) -> None:
    refused = admin.request("POST", "/v1/deliveries/replay", {"filter": {name: None}})
    assert (refused.status_code, refused.json["field"]) == (400, f"filter.{name}")
    assert {each["state"] for each in partners.deliveries(database_url)} == {"failed"}


def test_a_replay_that_waited_for_an_attempt_to_begin_does_not_send_twice(
    admin: AdminClient, database: Database, database_url: str, deliveries: list[dict[str, Any]]
) -> None:
    delivery_id = deliveries[0]["delivery_id"]

    def waits() -> bool:
        row = database.execute(
            "select count(*) as waiting from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock'"
        ).fetchone()
        return row == {"waiting": 1}

    with ThreadPoolExecutor(1) as thread, psycopg.connect(database_url) as worker:
        worker.execute(CLAIM[0], [LEASE_S])
        worker.execute(CLAIM[1])
        answer = thread.submit(admin.request, "POST", f"/v1/deliveries/{delivery_id}/replay")
        wait_until(waits, what="the replay to wait for the claim")
        worker.commit()
        result = answer.result()
    assert (result.status_code, result.json["code"]) == (409, "under-way")
    shown = admin.request("GET", f"/v1/deliveries/{delivery_id}").json
    assert shown["due_at"] > shown["last_attempt_at"], "the attempt keeps its time"


def test_a_replay_of_many_does_nothing_if_one_of_them_was_claimed_since_the_preview(
    admin: AdminClient, database_url: str, deliveries: list[dict[str, Any]]
) -> None:
    token = admin.request("POST", "/v1/deliveries/replay", {"filter": {}}).json["token"]
    with psycopg.connect(database_url) as worker:
        worker.execute(f"{CLAIM[0]} where event = 'deposit'", [LEASE_S])
    result = admin.request("POST", "/v1/deliveries/replay", {"filter": {}, "token": token})
    assert (result.status_code, result.json["code"]) == (409, "preview-outdated")
