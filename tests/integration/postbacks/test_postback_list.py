"""The list of postbacks: every filter, pages that lose and repeat nothing, plans that do not grow with the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from falcon.testing import Result
from psycopg.types.json import Jsonb

from admin_api.http import encode_place
from admin_api.postbacks.postback_objects import PostbackQuery
from admin_api.postbacks.postbacks import postbacks_query
from admin_api.runtime import Database
from admin_client import AdminClient
from query_plans import plan_of
from tracking.postbacks.fixes import FIXES

NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)


def add_postback(database: Database, **changes: Any) -> UUID:
    """Store a postback: a recorded ftd of account 1 at NOON, unless said otherwise."""
    values = {
        "postback_id": uuid4(),
        "received_at": NOON,
        "route": "/postback/{token}",
        "method": "GET",
        "host": "track.example.com",
        "query": "click_id=x&event=ftd",
        "content_type": "",
        "body": "",
        "ip": "198.51.100.4",
        "user_agent": "curl/8",
        "merchant_id": 1,
        "authenticated": True,
        "click_id": uuid4(),
        "event": "ftd",
        "order_id": None,
        "payout_minor": 2500,
        "currency": "USD",
        "answered": 200,
        "outcome": "recorded",
        "reason": None,
        "spool_id": "s",
        "spool_number": 1,
    } | changes
    names, places = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    database.execute(f"insert into postbacks ({names}) values ({places})".encode(), values)
    postback_id: UUID = values["postback_id"]
    return postback_id


def listed(admin: AdminClient, query: str = "") -> list[str]:
    result = admin.request("GET", f"/v1/postbacks{query}")
    assert result.status_code == 200, result.text
    return [item["postback_id"] for item in result.json["items"]]


def problem(result: Result) -> tuple[int, str | None]:
    assert result.headers["content-type"] == "application/problem+json"
    return result.status_code, result.json.get("field")


def test_a_postback_is_shown_with_its_raw_request_and_what_mends_it(admin: AdminClient, database: Database) -> None:
    stored = add_postback(
        database, outcome="refused", reason="bad-token", answered=401, body="{}", detail="the token is not known"
    )
    (item,) = admin.request("GET", "/v1/postbacks").json["items"]
    assert (item["postback_id"], item["outcome"], item["reason"]) == (str(stored), "refused", "bad-token")
    assert (item["fix"], item["detail"]) == (FIXES["bad-token"], "the token is not known")
    assert (item["payout"], item["payout_minor"], item["corrections"]) == ("25.00", 2500, [])
    assert item["request"] == {
        "route": "/postback/{token}",
        "method": "GET",
        "host": "track.example.com",
        "query": "click_id=x&event=ftd",
        "content_type": "",
        "body": "{}",
        "ip": "198.51.100.4",
        "user_agent": "curl/8",
    }


def test_every_filter_finds_what_it_names_and_all_of_them_hold(admin: AdminClient, database: Database) -> None:
    click_id = uuid4()
    wanted = add_postback(
        database,
        outcome="refused",
        reason="unknown-click",
        merchant_id=7,
        event="deposit",
        order_id="Order_1%",
        click_id=click_id,
        received_at=NOON + timedelta(hours=1),
    )
    other = add_postback(database)
    filters = [
        "outcome=refused",
        "reason=unknown-click",
        "merchant_id=7",
        "event=deposit",
        "from=2026-10-15T12:30:00Z",
        "q=Order_1%25",
        "q=Order_",
        f"q={click_id}",
        f"q={str(click_id).upper()}",
    ]
    for query in filters:
        assert listed(admin, f"?{query}") == [str(wanted)], query
    assert listed(admin, f"?{'&'.join(filters[:6])}") == [str(wanted)]
    assert listed(admin, "?to=2026-10-15T12:30:00Z") == [str(other)]
    assert listed(admin, f"?to={quote('2026-10-15T14:30:00+02:00')}") == [str(other)]
    # Not the wild cards of SQL.
    assert listed(admin, "?q=Order%25") == listed(admin, "?q=_rder") == listed(admin, "?merchant_id=7&event=ftd") == []


def test_pages_hold_every_postback_once_the_newest_first(admin: AdminClient, database: Database) -> None:
    # Several of one moment: the id tells them apart.
    stored = [add_postback(database, received_at=NOON + timedelta(seconds=number // 3)) for number in range(10)]
    seen: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = admin.request("GET", f"/v1/postbacks?limit=3{cursor}").json
        seen += page["items"]
        # One that comes meanwhile is newer, and moves nothing.
        add_postback(database, received_at=NOON + timedelta(days=1), outcome="duplicate")
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(item["postback_id"] for item in seen) == sorted(map(str, stored))
    places = [(item["received_at"], item["postback_id"]) for item in seen]
    assert all(later > earlier for later, earlier in pairwise(places))


BAD = ["outcome=lost", "reason=odd", "merchant_id=x", "event=DROP TABLE", "from=soon", "to=2026-13-01", "q=a%00b"]


@pytest.mark.parametrize("query", [*BAD, "limit=0", "limit=201", "cursor=x", "cursor=%C3%A9", "cursor=YQ", "state=ok"])
def test_a_parameter_that_means_nothing_is_named(admin: AdminClient, query: str) -> None:
    assert problem(admin.request("GET", f"/v1/postbacks?{query}")) == (400, query.partition("=")[0])


def test_several_wrong_parameters_are_named_together(admin: AdminClient) -> None:
    result = admin.request("GET", "/v1/postbacks?outcome=lost&merchant_id=x&from=soon&limit=201&state=ok")
    assert {(each["field"], each["code"]) for each in result.json["errors"]} == {
        ("outcome", "invalid-field"),
        ("merchant_id", "invalid-field"),
        ("from", "invalid-field"),
        ("limit", "invalid-field"),
        ("state", "unknown-field"),
    }


def test_every_documented_field_of_a_postback_is_served(admin: AdminClient, database: Database) -> None:
    corrections = [
        {"field": "click_id", "from": "aff=x", "to": "y", "rule": "click-in-another-parameter"},
        {"field": "order_id", "rule": "junk-removed"},
    ]
    add_postback(database, corrections=Jsonb(corrections), ip=None)
    (item,) = admin.request("GET", "/v1/postbacks").json["items"]
    schemas = admin.request("GET", "/v1/openapi.json").json["components"]["schemas"]
    for each, name in (
        (item, "Postback"),
        (item["request"], "PostbackRequest"),
        *((correction, "PostbackCorrection") for correction in item["corrections"]),
    ):
        assert list(each) == list(schemas[name]["properties"]) == schemas[name]["required"]
    assert item["corrections"] == [corrections[0], corrections[1] | {"from": None, "to": None}]
    assert item["request"]["ip"] is None


def test_a_reason_of_a_newer_release_is_shown(admin: AdminClient, database: Database) -> None:
    add_postback(database, outcome="refused", reason="a-new-reason", answered=400)
    (item,) = admin.request("GET", "/v1/postbacks").json["items"]
    assert (item["reason"], item["fix"]) == ("a-new-reason", None)


PLACE = encode_place(NOON + timedelta(seconds=5000), UUID(int=1))
FILTERS = {
    "all": {},
    "outcome": {"outcome": "refused"},
    "reason": {"reason": "bad-token"},
    "parked": {"outcome": "parked"},
    "parked by reason": {"reason": "click-not-stored-yet"},
    "recorded": {"outcome": "recorded"},
    "merchant": {"merchant_id": "3"},
    "event": {"event": "deposit"},
    "merchant and outcome": {"merchant_id": "3", "outcome": "refused"},
    "time": {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat()},
    "order": {"q": "A-12345"},
    "click": {"q": str(UUID(int=12345))},
}


@pytest.fixture(scope="module")
def many(module_database: Database) -> Database:
    """Return a database of twenty thousand postbacks: enough for the planner to choose as it would for millions."""
    database = module_database
    database.execute(
        "insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body,"
        " user_agent, merchant_id, authenticated, click_id, event, order_id, answered, outcome, reason,"
        " spool_id, spool_number)"
        " select gen_random_uuid(), %s + n * interval '1 second', 'r', 'GET', 'h', 'q', '', '', 'u',"
        " n %% 5, true, lpad(to_hex(n), 32, '0')::uuid, case n %% 40 when 0 then 'deposit' else 'ftd' end,"
        " 'A-' || n, 200, case when n %% 500 = 7 then 'parked' when n %% 9 = 3 then 'refused'"
        " else 'recorded' end, case when n %% 500 = 7 then 'click-not-stored-yet'"
        " when n %% 90 = 3 then 'bad-token' end, 's', n from generate_series(1, 20000) as n",
        [NOON],
    )
    database.execute("analyze postbacks")
    return database


@pytest.mark.parametrize("place", [None, PLACE], ids=["first page", "later page"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_reads_an_index_in_its_order_and_never_the_table(many: Database, name: str, place: str | None) -> None:
    wanted = PostbackQuery.model_validate(FILTERS[name] | ({} if place is None else {"cursor": place}))
    query, values = postbacks_query(wanted)
    plan = plan_of(many, query, values)
    assert plan.indexes
    assert "Seq Scan" not in plan.kinds
    # A few parked ones, or those of one order, may be sorted.
    if not wanted.search and not name.startswith("parked"):
        assert plan.kinds <= {"Limit", "Append", "Index Scan"}, "the index has the order, so nothing is sorted"
    assert plan.rows_read <= 10 * 51, "a page's worth of rows is read, not the table"
