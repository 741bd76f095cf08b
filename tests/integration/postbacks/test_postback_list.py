"""The list of postbacks: every filter, pages that lose and repeat nothing, plans that do not grow with the table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

import pytest
from falcon.testing import Result

from admin_api.http import Place
from admin_api.postbacks.postbacks import PostbackFilter, postbacks_query
from admin_api.runtime import Database
from admin_client import AdminClient, connect
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


PLACE = Place(NOON + timedelta(seconds=5000), UUID(int=1))
FILTERS = {
    "all": PostbackFilter(),
    "outcome": PostbackFilter(outcome="refused"),
    "reason": PostbackFilter(reason="bad-token"),
    "parked": PostbackFilter(outcome="parked"),
    "parked by reason": PostbackFilter(reason="click-not-stored-yet"),
    "recorded": PostbackFilter(outcome="recorded"),
    "merchant": PostbackFilter(merchant_id=3),
    "event": PostbackFilter(event="deposit"),
    "merchant and outcome": PostbackFilter(merchant_id=3, outcome="refused"),
    "time": PostbackFilter(begins_at=NOON, ends_at=NOON + timedelta(hours=1)),
    "order": PostbackFilter(search="A-12345"),
    "click": PostbackFilter(search=str(UUID(int=12345))),
}


@pytest.fixture(scope="module")
def many(postgres_server: str, template_database: str) -> Iterator[Database]:
    """Yield a database of twenty thousand postbacks: enough for the planner to choose as it would for millions."""
    name = f"{template_database}_many"
    with closing(connect(postgres_server)) as maintenance:
        maintenance.execute(f"create database {name} template {template_database}".encode())
        try:
            with closing(connect(urlsplit(postgres_server)._replace(path=f"/{name}").geturl())) as database:
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
                yield database
        finally:
            maintenance.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize("place", [None, PLACE], ids=["first page", "later page"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_reads_an_index_in_its_order_and_never_the_table(many: Database, name: str, place: Place | None) -> None:
    query, values = postbacks_query(FILTERS[name], place, 51)
    explained = many.execute(f"explain (analyze, format json) {query}".encode(), values, prepare=False).fetchone()
    assert explained is not None
    nodes = list(plan_nodes(explained["QUERY PLAN"][0]["Plan"]))
    kinds = {node["Node Type"] for node in nodes}
    assert kinds & {"Index Scan", "Bitmap Index Scan"}
    assert "Seq Scan" not in kinds
    # A few parked ones, or those of one order, may be sorted.
    if FILTERS[name].search is None and not name.startswith("parked"):
        assert kinds <= {"Limit", "Index Scan"}, "the index has the order, so nothing is sorted"
    # Rows that were read, those that a filter threw away included: a page's worth, not the table's.
    read = sum(
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes if "Scan" in node["Node Type"]
    )
    assert read <= 10 * 51


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes."""
    yield node
    for inner in node.get("Plans", ()):
        yield from plan_nodes(inner)
