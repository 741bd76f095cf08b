"""Replays over HTTP: asked for, queued up, watched, and read when they are done."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb
from redis import Redis
from rq import Queue

from admin_api.postbacks.replay_objects import JudgedConversion, JudgedPostback
from admin_api.postbacks.replay_table import judgements_query
from admin_api.runtime import Database
from admin_client import AdminClient
from query_plans import plan_of
from tracking.runtime import JobSerializer, Task
from worker.postbacks.replay_table import load_snapshots

FILTERS = ("postback_ids", "outcome", "reason", "merchant_id", "event", "from", "to")
JUDGED = {
    "outcome": "refused",
    "reason": "bad-field",
    "detail": "no event",
    "click_id": None,
    "event": None,
    "order_id": None,
    "status": None,
    "payout_minor": None,
    "currency": None,
    "conversion_id": None,
    "conversion": None,
}


def filtered(**wanted: Any) -> dict[str, Any]:
    """Return the filter of a replay as it is shown: null for what was not given."""
    return dict.fromkeys(FILTERS) | wanted


def jobs(redis: Redis) -> list[Any]:
    return Queue("postbacks", connection=redis, serializer=JobSerializer).jobs


def store_refused(database: Database) -> str:
    """Store a refused postback and return its id."""
    known = str(uuid4())
    database.execute(
        "insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body, user_agent,"
        " authenticated, answered, outcome, reason, spool_id, spool_number)"
        " values (%s, now(), '/', 'GET', '', '', '', '', '', true, 400, 'refused', 'bad-field', 's', 1)",
        [known],
    )
    return known


@pytest.fixture
def postback_id(database: Database) -> str:
    return store_refused(database)


def test_one_postback_is_replayed_by_its_id(admin: AdminClient, redis: Redis, postback_id: str) -> None:
    result = admin.request("POST", f"/v1/postbacks/{postback_id}/replay")
    assert result.status_code == 202
    replay = result.json
    expected = {
        "filter": filtered(postback_ids=[postback_id]),
        "dry": False,
        "state": "waiting",
        "found": None,
        "examined": 0,
        "changed": 0,
        "outcomes": {},
        "error": None,
        "requested_by": "test",
        "finished_at": None,
    }
    assert replay.items() >= expected.items()
    assert result.headers["Location"] == f"/v1/replays/{replay['replay_id']}"
    assert admin.request("GET", result.headers["Location"]).json == replay
    (job,) = jobs(redis)
    assert (job.func_name, job.args) == (Task.REPLAY.value, [replay["replay_id"]])


def test_one_postback_may_be_replayed_dry(admin: AdminClient, postback_id: str) -> None:
    result = admin.request("POST", f"/v1/postbacks/{postback_id}/replay", {"dry": True})
    assert (result.status_code, result.json["dry"]) == (202, True)


def test_many_are_replayed_by_a_filter(admin: AdminClient, database: Database, redis: Redis) -> None:
    wanted = {
        "outcome": "refused",
        "reason": "bad-field",
        "merchant_id": 1,
        "event": "ftd",
        "from": "2026-10-01",
        "to": "2026-11-01T12:00:00+02:00",
        "postback_ids": [str(uuid4())],
    }
    result = admin.request("POST", "/v1/postbacks/replay", {"filter": wanted, "dry": True})
    assert result.status_code == 202
    moments = {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T10:00:00Z"}
    assert result.json["replay"]["filter"] == wanted | moments
    row = database.execute("select filter from replays").fetchone()
    assert row == {"filter": wanted | moments}
    assert len(jobs(redis)) == 1


def test_many_are_replayed_once_a_preview_has_shown_how_many(
    admin: AdminClient, database: Database, redis: Redis
) -> None:
    path, body = "/v1/postbacks/replay", {"filter": {"outcome": "refused"}}
    look = admin.request("POST", path, body)
    assert (look.status_code, look.json["count"], look.json["replay"]) == (200, 0, None)
    assert database.execute("select 1 from replays").fetchone() is None
    for other in ({"filter": {"outcome": "parked"}}, {"filter": {"outcome": "refused", "merchant_id": 1}}):
        assert admin.request("POST", path, other | {"token": look.json["token"]}).json["code"] == "preview-outdated"
    stamp, _, digest = look.json["token"].partition("-")
    for token in ("x", f"0-{digest}", f"ffffffffffffffff-{digest}", f"{stamp}-{'0' * 32}"):
        assert admin.request("POST", path, body | {"token": token}).json["code"] == "preview-outdated"
    done = admin.request("POST", path, body | {"token": look.json["token"]})
    assert (done.status_code, done.json["count"], done.json["token"]) == (202, None, None)
    assert done.headers["Location"] == f"/v1/replays/{done.json['replay']['replay_id']}"
    row = database.execute("select created_at <= now() as earlier from replays").fetchone()
    assert row == {"earlier": True}
    assert len(jobs(redis)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "filter"),
        ({"filter": {}}, "filter"),
        ({"filter": []}, "filter"),
        ({"filter": {"status": "approved"}}, "filter.status"),
        ({"filter": {"outcome": "lost"}}, "filter.outcome"),
        ({"filter": {"reason": "because"}}, "filter.reason"),
        ({"filter": {"merchant_id": "one"}}, "filter.merchant_id"),
        ({"filter": {"from": "yesterday"}}, "filter.from"),
        ({"filter": {"to": 7}}, "filter.to"),
        ({"filter": {"event": "No Event"}}, "filter.event"),
        ({"filter": {"postback_ids": []}}, "filter.postback_ids"),
        ({"filter": {"postback_ids": ["x"]}}, "filter.postback_ids[0]"),
        ({"filter": {"postback_ids": [str(uuid4())] * 1001}}, "filter.postback_ids"),
        ({"filter": {"outcome": None}}, "filter.outcome"),
        ({"filter": {"outcome": "refused"}, "dry": "yes"}, "dry"),
        ({"filter": {"outcome": "refused"}, "wet": True}, "wet"),
    ],
)
def test_a_replay_that_cannot_be_is_refused_and_not_stored(
    admin: AdminClient, database: Database, redis: Redis, body: object, field: str
) -> None:
    result = admin.request("POST", "/v1/postbacks/replay", body)
    assert (result.status_code, result.json["field"]) == (400, field)
    assert database.execute("select 1 from replays").fetchone() is None
    assert jobs(redis) == []


def test_several_wrong_fields_of_a_replay_are_named_together(admin: AdminClient, database: Database) -> None:
    body = {"filter": {"outcome": "lost", "from": "soon", "status": "approved"}, "dry": "yes"}
    refused = admin.request("POST", "/v1/postbacks/replay", body)
    assert (refused.status_code, {each["field"] for each in refused.json["errors"]}) == (
        400,
        {"filter.outcome", "filter.from", "filter.status", "dry"},
    )
    (unknown,) = (each for each in refused.json["errors"] if each["code"] == "unknown-field")
    assert ", ".join(FILTERS[1:]) in unknown["detail"]
    empty = admin.request("POST", "/v1/postbacks/replay", {"filter": {}})
    assert all(name in empty.json["detail"] for name in FILTERS)


@pytest.mark.parametrize("unknown", ["x", "4f0c7f9e-0d5c-4b39-9d3b-1c8a5e6f7a01"])
def test_an_unknown_postback_is_404(admin: AdminClient, database: Database, unknown: str) -> None:
    assert admin.request("POST", f"/v1/postbacks/{unknown}/replay").status_code == 404
    assert database.execute("select 1 from replays").fetchone() is None


@pytest.mark.parametrize("path", ["/v1/replays/7", "/v1/replays/x", "/v1/replays/7/judgements"])
def test_an_unknown_replay_is_404(admin: AdminClient, path: str) -> None:
    assert admin.request("GET", path).status_code == 404


def test_without_redis_a_replay_is_stored_and_begins_later(
    admin: AdminClient, postback_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        admin.collaborators.redis.connection_pool, "connection_kwargs", {"host": "127.0.0.1", "port": 1}
    )
    admin.collaborators.redis.connection_pool.disconnect()
    result = admin.request("POST", f"/v1/postbacks/{postback_id}/replay")
    assert (result.status_code, result.json["state"]) == (202, "waiting")


def test_replays_are_listed_newest_first(admin: AdminClient, postback_id: str) -> None:
    made = [admin.request("POST", f"/v1/postbacks/{postback_id}/replay").json["replay_id"] for _ in range(3)]
    first = admin.request("GET", "/v1/replays?limit=2").json
    second = admin.request("GET", f"/v1/replays?limit=2&cursor={first['next_cursor']}").json
    assert [item["replay_id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_judgements_are_listed_in_order_all_or_those_that_changed(
    admin: AdminClient, database: Database, postback_id: str
) -> None:
    replay_id = admin.request("POST", f"/v1/postbacks/{postback_id}/replay").json["replay_id"]
    known = [postback_id, *(store_refused(database) for _ in range(2))]
    for number, each in enumerate(known):
        store_judgement(database, replay_id, each, changed=number != 1, after=JUDGED | {"outcome": "recorded"})

    def listed(query: str) -> list[str]:
        items = admin.request("GET", f"/v1/replays/{replay_id}/judgements?{query}").json["items"]
        return [item["postback_id"] for item in items]

    assert listed("") == known
    assert listed("changed=true") == [known[0], known[2]]
    page = admin.request("GET", f"/v1/replays/{replay_id}/judgements?limit=2").json
    assert listed(f"cursor={page['next_cursor']}") == [known[2]]
    (first, _) = page["items"]
    assert (first["before"], first["after"]) == (JUDGED, JUDGED | {"outcome": "recorded"})
    assert (first["changed"], first["note"]) == (True, "a note")


def store_judgement(
    database: Database, replay_id: int, postback_id: str, *, after: dict[str, Any], changed: bool = True
) -> None:
    """Store what a replay made of a postback that was JUDGED."""
    database.execute(
        "insert into postback_judgements (replay_id, postback_id, changed, before, after, note)"
        " values (%s, %s, %s, %s, %s, 'a note')",
        [replay_id, postback_id, changed, Jsonb(JUDGED), Jsonb(after)],
    )


def test_every_documented_field_of_a_replay_and_its_judgements_is_served(
    admin: AdminClient, database: Database, postback_id: str
) -> None:
    replay = admin.request("POST", f"/v1/postbacks/{postback_id}/replay").json
    database.execute("update replays set outcomes = %s", [Jsonb({"refused": {"recorded": 1}})])
    conversion = {"event": "ftd", "status": "approved", "reason": None, "payout_minor": 2500, "currency": "USD"}
    after = JUDGED | {"outcome": "recorded", "conversion_id": str(uuid4()), "conversion": conversion}
    store_judgement(database, replay["replay_id"], postback_id, after=after)
    (judgement,) = admin.request("GET", f"/v1/replays/{replay['replay_id']}/judgements").json["items"]
    (listed,) = admin.request("GET", "/v1/replays").json["items"]
    schemas = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"]
    for shown, name in (
        (replay, "Replay"),
        (listed, "Replay"),
        (replay["filter"], "ReplayedFilter"),
        (judgement, "Judgement"),
        (judgement["before"], "JudgedPostback"),
        (judgement["after"], "JudgedPostback"),
        (judgement["after"]["conversion"], "JudgedConversion"),
    ):
        assert list(shown) == list(schemas[name]["properties"]) == schemas[name]["required"]
    assert (judgement["before"], judgement["after"]) == (JUDGED, after)
    assert listed["outcomes"] == {"refused": {"recorded": 1}}


def test_all_that_the_worker_keeps_of_a_judged_postback_is_shown(
    database: Database, database_url: str, postback_id: str
) -> None:
    conversion_id = uuid4()
    database.execute(
        "insert into conversions (conversion_id, click_id, merchant_id, link_id, event, status, authenticated,"
        " clicked_at, received_at) values (%s, gen_random_uuid(), 1, 1, 'ftd', 'approved', true, now(), now())",
        [conversion_id],
    )
    database.execute("update postbacks set conversion_id = %s", [conversion_id])
    with psycopg.connect(database_url) as worker:
        (snapshot,) = load_snapshots(worker, [UUID(postback_id)]).values()
    assert set(snapshot) == set(JudgedPostback.model_fields)
    assert set(snapshot["conversion"]) == set(JudgedConversion.model_fields)


@pytest.fixture(scope="module")
def many(module_database: Database) -> Database:
    """Return a database of many judgements of a hundred replays. Their postbacks are not there, so are not checked."""
    database = module_database
    database.execute("set session_replication_role = replica")
    database.execute("insert into replays (filter, dry) select '{}', false from generate_series(1, 100)")
    database.execute(
        "insert into postback_judgements (replay_id, postback_id, changed, before, after)"
        " select 1 + n / 300, gen_random_uuid(), n % 50 = 1, '{}', '{}' from generate_series(0, 29999) as n"
    )
    database.execute("analyze postback_judgements")
    return database


@pytest.mark.parametrize("changed", [False, True])
def test_a_page_of_judgements_reads_those_of_its_replay_alone(many: Database, changed: bool) -> None:
    plan = plan_of(many, *judgements_query(90, 0, 51, changed=changed))
    assert "Seq Scan" not in plan.kinds
    assert plan.rows_read <= 300
