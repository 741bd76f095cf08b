"""The Event Log on a real database: clicks and postbacks as the worker stored them, told in order, and found again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from falcon.testing import Result
from psycopg.types.json import Jsonb

import worker_cases as cases
from admin_api.app import Collaborators
from admin_api.event_log import rows as trace_rows
from admin_api.event_log.search import address_query
from admin_api.runtime import Database
from admin_client import AdminClient, admin_client
from documented import assert_as_documented
from tracking.clicks import clicked_at, encode_dyn
from tracking.event_log import StepKind
from tracking.outgoing import sample_facts
from tracking.postbacks.fixes import FIXES
from tracking.spool import Postback
from worker.clicks import task as clicks
from worker.postbacks import task as postbacks
from worker.runtime import Resources


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


@pytest.fixture
def admin(database_url: str, redis_url: str) -> Iterator[AdminClient]:
    """Yield a client of an app whose keys are those of the clicks."""
    with admin_client(database_url, redis_url) as made:
        parts = made.collaborators
        yield AdminClient(Collaborators(parts.pool, parts.redis, parts.addresses, (cases.KEY,)), made.token)


class Stored:
    """Stores clicks and postbacks, one batch each, as the worker does."""

    def __init__(self) -> None:
        self._next = {cases.SPOOL: 0, cases.POSTBACK_SPOOL: 0}

    def click(self, **changes: Any) -> str:
        made = cases.click(**changes)
        clicks.store_batch(cases.SPOOL, self._take(cases.SPOOL), cases.payloads([made]))
        return made.click_id

    def postback(self, click_id: str, **changes: Any) -> Postback:
        sent = cases.postback(click_id, **changes)
        postbacks.store_batch(cases.POSTBACK_SPOOL, self._take(cases.POSTBACK_SPOOL), cases.postback_payloads([sent]))
        return sent

    def _take(self, spool: str) -> int:
        self._next[spool] += 1
        return self._next[spool] - 1


@pytest.fixture
def stored() -> Stored:
    return Stored()


def steps(result: Result) -> list[dict[str, Any]]:
    assert result.status_code == 200, result.text
    found: list[dict[str, Any]] = result.json["steps"]
    return found


def traced(admin: AdminClient, click_id: str) -> list[dict[str, Any]]:
    return steps(admin.request("GET", f"/v1/clicks/{click_id}/trace"))


def one(found: list[dict[str, Any]], kind: StepKind) -> dict[str, Any]:
    (step,) = [step for step in found if step["kind"] == kind]
    return step


def problem(result: Result) -> tuple[int, str, str | None]:
    assert result.headers["content-type"] == "application/problem+json"
    return result.status_code, result.json["code"], result.json.get("field")


def deliver(database: Database, click_id: str) -> None:
    """Store a delivery of every change, with an attempt that failed and one that did not."""
    database.execute(
        "insert into outgoing_postbacks (name, url, secrets) values ('Partner', 'https://p.example/', '{whsec_x}')"
    )
    database.execute(
        "insert into deliveries (outgoing_postback_id, change_id, conversion_id, click_id, event, facts, state,"
        " due_at, attempts, finished_at) select 1, change_id, conversion_id, %s, 'ftd', %s, 'delivered', null, 2,"
        " now() + interval '1 second' from conversion_changes",
        [click_id, Jsonb(sample_facts())],
    )
    database.execute(
        "insert into delivery_attempts (delivery_id, attempt, method, url, response_status, error)"
        " select delivery_id, n, 'GET', 'https://p.example/', case n when 2 then 204 end,"
        " case n when 1 then 'timed-out' end"
        " from deliveries, generate_series(1, 2) as n"
    )


def open_and_resolve_issue(database: Database, click_id: str) -> None:
    """Store an issue about the click that an operator has resolved."""
    database.execute("select open_issue('corrected-postback', 'x', 'A title', '{}', 1, null, null, %s)", [click_id])
    database.execute("update issues set state = 'resolved', resolved_at = now(), note = 'mended'")


def make_payout(database: Database) -> None:
    """Store a commission of one of the conversions, and an approved payout that pays it."""
    database.execute("insert into sources (name) values ('News')")
    database.execute(
        "insert into entries (party, kind, conversion_id, source_id, amount_minor, currency, payout_schedule,"
        " payable_at) select 'source', 'commission', conversion_id, 1, 1000, 'USD', 'weekly', now() - interval '1 day'"
        " from conversions limit 1"
    )
    database.execute("select make_payout(1, 'USD', 'weekly', now())")
    database.execute("update payouts set state = 'approved', decided_at = now(), decided_by = 'anna'")


def replay_postbacks(database: Database) -> None:
    """Store a dry replay of the first postback."""
    fields = ("reason", "detail", "click_id", "event", "order_id", "status", "payout_minor", "currency")
    before = {"outcome": "refused", **dict.fromkeys((*fields, "conversion_id", "conversion"))}
    database.execute(
        "insert into replays (filter, dry, state, requested_by, finished_at) values ('{}', true, 'done', 'anna', now())"
    )
    database.execute(
        "insert into postback_judgements (replay_id, postback_id, changed, before, after)"
        " select 1, postback_id, true, %s, %s from postbacks order by received_at limit 1",
        [Jsonb(before), Jsonb(before | {"outcome": "recorded"})],
    )


def test_a_click_is_told_from_its_request_to_its_row(admin: AdminClient, stored: Stored) -> None:
    at_ms = int(time() * 1000) - 5000
    click_id = stored.click(click_id=cases.mint_at(at_ms), at_ms=at_ms, query="sub1=one&x=1")
    found = traced(admin, click_id)
    assert [step["kind"] for step in found] == [
        "click-requested",
        "click-decided",
        "click-redirected",
        "click-stored",
    ]
    assert [step["since_ms"] for step in found[:3]] == [None, 0, 0]
    assert found[3]["since_ms"] >= 5000
    requested, decided, redirected, kept = (step["detail"] for step in found)
    assert (requested["method"], requested["query"], requested["ip"]) == ("GET", "sub1=one&x=1", "192.0.2.7")
    assert requested["subs"] == {"sub1": "one"}
    assert (decided["config_version"], decided["class"], decided["link_name"]) == (3, "valid", "a")
    assert (decided["profile_name"], decided["merchant_name"], decided["changed_since"]) == (
        "p",
        "one",
        ["link", "profile"],
    )
    assert any("it counts as a click" in reason for reason in decided["why"])
    assert redirected["location"].startswith("https://merchant.example/?c=")
    assert kept == {"spool_id": cases.SPOOL, "spool_number": 0}


def test_a_click_names_the_merchant_that_its_link_had_then(
    admin: AdminClient, stored: Stored, database: Database
) -> None:
    click_id = stored.click()
    database.execute("update links set merchant_id = 2 where link_id = 1")
    assert traced(admin, click_id)[1]["detail"]["merchant_name"] == "one"


def test_each_class_of_request_says_why(admin: AdminClient, stored: Stored) -> None:
    head = one(traced(admin, stored.click(method="HEAD")), StepKind.CLICK_DECIDED)
    prefetch = one(traced(admin, stored.click(purpose="prefetch")), StepKind.CLICK_DECIDED)
    assert "a HEAD request" in head["summary"]
    assert "ahead" in prefetch["summary"]


def test_postbacks_are_told_with_raw_request_outcome_and_what_followed(admin: AdminClient, stored: Stored) -> None:
    click_id = stored.click()
    first = stored.postback(click_id, fields={"order_id": "A-1"})
    again = stored.postback(click_id, fields={"order_id": "A-1"})
    stored.postback(click_id, fields={"order_id": "A-1", "status": "reversed"})
    found = traced(admin, click_id)
    kinds = [step["kind"] for step in found if not step["kind"].startswith(("click-", "entry-"))]
    assert kinds == [
        *("postback-received", "postback-judged", "conversion-made"),
        *("postback-received", "postback-judged"),
        *("postback-received", "postback-judged", "conversion-changed"),
    ]
    received = [step for step in found if step["kind"] == "postback-received"]
    assert [step["detail"]["postback_id"] for step in received[:2]] == [first.postback_id, again.postback_id]
    assert received[0]["detail"]["request"]["query"] == first.query
    assert received[0]["detail"]["request"]["ip"] == "198.51.100.4"
    judged = [step["detail"] for step in found if step["kind"] == "postback-judged"]
    assert [(step["outcome"], step["reason"]) for step in judged] == [
        ("recorded", None),
        ("duplicate", "duplicate"),
        ("transition", None),
    ]
    assert [step["fix"] for step in judged] == [None, FIXES["duplicate"], None]
    made, changed = one(found, StepKind.CONVERSION_MADE), one(found, StepKind.CONVERSION_CHANGED)
    assert made["detail"]["to_status"] == "approved"
    assert made["summary"] == "ftd of order A-1: approved, 25.00 USD"
    assert (changed["detail"]["from_status"], changed["detail"]["to_status"]) == ("approved", "reversed")
    assert changed["detail"]["cause"] == "postback"


def test_entries_follow_the_change_that_they_book(admin: AdminClient, stored: Stored) -> None:
    click_id = stored.click()
    stored.postback(click_id, fields={"order_id": "A-1"})
    stored.postback(click_id, fields={"order_id": "A-1", "status": "reversed"})
    found = traced(admin, click_id)
    booked = [
        (step["kind"], step["detail"].get("kind"), step["detail"].get("amount"))
        for step in found
        if step["kind"] in ("conversion-made", "conversion-changed", "entry-appended")
    ]
    assert booked == [
        ("conversion-made", None, None),
        ("entry-appended", "revenue", "25.00"),
        ("conversion-changed", None, None),
        ("entry-appended", "reversal", "-25.00"),
    ]


def test_a_parked_postback_says_when_its_click_came(admin: AdminClient, stored: Stored) -> None:
    made = cases.click()
    stored.postback(made.click_id)
    alone = traced(admin, made.click_id)
    assert [step["kind"] for step in alone] == ["postback-received", "postback-parked"]
    assert alone[1]["detail"]["fix"] == FIXES["click-not-stored-yet"]
    stored.click(**made._asdict())
    kinds = [step["kind"] for step in traced(admin, made.click_id)]
    assert kinds.index("postback-parked") < kinds.index("click-stored") < kinds.index("postback-judged")
    assert kinds.index("postback-judged") < kinds.index("conversion-made")


def test_what_an_operator_did_is_told_with_who_and_why(admin: AdminClient, stored: Stored, database: Database) -> None:
    click_id = stored.click()
    stored.postback(click_id, fields={"status": "pending"})
    with database.transaction():
        database.execute(
            "select set_config('waypost.cause', 'operator', true), set_config('waypost.actor', 'anna', true),"
            " set_config('waypost.note', 'the merchant wrote', true)"
        )
        database.execute("update conversions set status = 'approved'")
    detail = one(traced(admin, click_id), StepKind.CONVERSION_CHANGED)["detail"]
    assert (detail["cause"], detail["actor"], detail["note"]) == ("operator", "anna", "the merchant wrote")


def test_the_server_clocks_cannot_turn_the_story_around(admin: AdminClient, stored: Stored, database: Database) -> None:
    click_id = stored.click()
    stored.postback(click_id)
    database.execute("update clicks set stored_at = clicked_at - interval '1 hour'")
    database.execute("update postbacks set stored_at = stored_at - interval '1 hour', judged_at = null")
    kinds = [step["kind"] for step in traced(admin, click_id)]
    assert kinds[:5] == [
        *("click-requested", "click-decided", "click-redirected", "click-stored"),
        "postback-received",
    ]
    assert kinds[5] == "postback-judged"


def test_deliveries_issues_and_payouts_are_told(admin: AdminClient, stored: Stored, database: Database) -> None:
    click_id = stored.click()
    stored.postback(click_id, fields={"order_id": "A-1"})
    deliver(database, click_id)
    open_and_resolve_issue(database, click_id)
    make_payout(database)
    result = admin.request("GET", f"/v1/clicks/{click_id}/trace")
    found = steps(result)
    attempts = [step for step in found if step["kind"] == "delivery-attempted"]
    assert [step["detail"]["response_status"] for step in attempts] == [None, 204]
    assert [step["summary"].rpartition(": ")[2] for step in attempts] == ["timed-out", "204"]
    assert one(found, StepKind.DELIVERY_PLANNED)["summary"] == "ftd for Partner"
    assert one(found, StepKind.DELIVERY_ENDED)["summary"] == "delivered after 2 attempts"
    assert one(found, StepKind.ISSUE_OPENED)["summary"] == "A title"
    assert one(found, StepKind.ISSUE_RESOLVED)["summary"] == "mended"
    assert one(found, StepKind.PAYOUT_MADE)["detail"]["entries"] == 1
    assert one(found, StepKind.PAYOUT_DECIDED)["detail"]["decided_by"] == "anna"
    order = [step["kind"] for step in found]
    assert order.index("conversion-made") < order.index("delivery-planned") < order.index("delivery-attempted")
    assert order.index("delivery-attempted") < order.index("delivery-ended")


def test_a_click_that_thousands_of_postbacks_name_is_cut_and_says_so(
    admin: AdminClient, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    click_id = stored.click()
    for _ in range(4):
        stored.postback(click_id, fields={"order_id": "A-1"})
    monkeypatch.setattr(trace_rows, "ROWS_MAX", 3)
    result = admin.request("GET", f"/v1/clicks/{click_id}/trace")
    assert result.json["cut"] == ["postbacks"]
    assert [step["kind"] for step in steps(result)].count("postback-received") == 3


def test_a_click_of_more_conversions_than_are_shown_has_a_trace(
    admin: AdminClient, stored: Stored, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daily revenue share of three years is a thousand conversions of one click."""
    click_id = stored.click()
    for number in range(5):
        stored.postback(click_id, fields={"order_id": f"A-{number}", "event": "revenue_share"})
    # As if each had been received before the one that was stored before it.
    database.execute("update conversions set received_at = received_at - interval '1 h' * right(order_id, 1)::integer")
    monkeypatch.setattr(trace_rows, "ROWS_MAX", 3)
    result = admin.request("GET", f"/v1/clicks/{click_id}/trace")
    made = [step["detail"] for step in steps(result) if step["kind"] == StepKind.CONVERSION_MADE]
    assert [each["order_id"] for each in made] == ["A-2", "A-3", "A-4"]
    assert set(result.json["cut"]) >= {"postbacks", "conversions"}


def test_a_step_of_every_kind_has_the_fields_that_are_documented(
    admin: AdminClient, stored: Stored, database: Database
) -> None:
    """One click to which everything happened."""
    corrections = [{"field": "payout", "from": "25,00", "to": "25.00", "rule": "decimal-comma"}]
    made = cases.click()
    stored.postback(made.click_id, fields={"order_id": "A-1", "corrections": corrections})
    stored.click(**made._asdict())
    stored.postback(made.click_id, fields={"order_id": "A-1", "status": "reversed"})
    replay_postbacks(database)
    deliver(database, made.click_id)
    open_and_resolve_issue(database, made.click_id)
    make_payout(database)
    assert admin.request("POST", "/v1/payouts/1/pay", {"reference": "T-1"}).status_code == 200
    result = admin.request("GET", f"/v1/clicks/{made.click_id}/trace")
    assert {step["kind"] for step in steps(result)} == set(StepKind)
    assert_as_documented(admin, "GET /v1/clicks/{click_id}/trace", result)
    found = steps(result)
    corrected, replayed = one(found, StepKind.POSTBACK_CORRECTED), one(found, StepKind.POSTBACK_REPLAYED)
    assert corrected["detail"]["corrections"] == corrections
    assert replayed["summary"] == "would have been refused → recorded"
    assert (replayed["detail"]["dry"], replayed["detail"]["requested_by"]) == (True, "anna")
    assert one(found, StepKind.PAYOUT_PAID)["detail"]["reference"] == "T-1"


def test_a_forged_or_unstored_click_has_no_trace(admin: AdminClient) -> None:
    genuine = cases.click().click_id
    for path, code in (("x", "unknown-click"), (genuine[:-1] + "x", "unknown-click"), (genuine, "click-not-stored")):
        assert problem(admin.request("GET", f"/v1/clicks/{path}/trace")) == (404, code, None)


def test_a_click_is_found_by_order_id_dyn_and_address(admin: AdminClient, stored: Stored) -> None:
    at_ms = int(time() * 1000) - 60_000
    click_id = stored.click(click_id=cases.mint_at(at_ms), at_ms=at_ms, ip="203.0.113.9")
    stored.click(ip="203.0.113.10")
    stored.postback(click_id, fields={"order_id": "Order 1+1/ü"})
    at = quote(datetime.fromtimestamp(at_ms / 1000, UTC).isoformat())
    for query in (
        f"click_id={click_id}",
        f"dyn={encode_dyn('DP', click_id)}",
        f"order_id={quote('Order 1+1/ü', safe='')}",
        f"ip=203.0.113.9&at={at}",
        f"ip=203.0.113.9&at={at}&minutes=1",
    ):
        result = admin.request("GET", f"/v1/trace?{query}")
        assert_as_documented(admin, "GET /v1/trace", result)
        answer = result.json
        assert [click["click_id"] for click in answer["clicks"]] == [click_id], query
        assert [(click["slug"], click["class"]) for click in answer["clicks"]] == [("abc", "valid")], query
        assert (answer["more"], answer["postbacks_without_click"]) == (False, [])
        assert answer["trace"] == admin.request("GET", f"/v1/clicks/{click_id}/trace").json


def test_several_candidates_are_listed_and_none_is_chosen(admin: AdminClient, stored: Stored) -> None:
    ids = [stored.click(ip=f"203.0.113.{number}") for number in (9, 10)]
    for click_id in ids:
        stored.postback(click_id, merchant_id=None, authenticated=False, fields={"order_id": "A-1", "event": "deposit"})
    now = quote(datetime.now(UTC).isoformat())
    for query in ("order_id=A-1", f"ip=203.0.113.0/24&at={now}"):
        answer = admin.request("GET", f"/v1/trace?{query}").json
        assert sorted(click["click_id"] for click in answer["clicks"]) == sorted(ids)
        assert answer["trace"] is None
        assert {click["slug"] for click in answer["clicks"]} == {"abc"}


def test_an_address_is_looked_for_around_its_time_only(admin: AdminClient, stored: Stored) -> None:
    click_id = stored.click(ip="2001:db8::7")
    at = clicked_at(UUID(click_id))
    for minutes, found in ((-11, 0), (-9, 1), (9, 1), (11, 0)):
        asked = quote((at + timedelta(minutes=minutes)).isoformat())
        answer = admin.request("GET", f"/v1/trace?ip=2001:db8::7&at={asked}").json
        assert len(answer["clicks"]) == found, minutes
    early = admin.request("GET", "/v1/trace?ip=2001:db8::7&at=1970-01-01T00:00:00Z")
    assert (early.status_code, early.json["clicks"]) == (200, [])


def test_a_postback_of_an_order_that_names_no_click_is_shown_with_its_fix(admin: AdminClient, stored: Stored) -> None:
    fields = {"click_id": None, "order_id": "A-77"}
    stored.postback("not one", answered=404, reason="unknown-click", fields=fields)
    result = admin.request("GET", "/v1/trace?order_id=A-77")
    assert_as_documented(admin, "GET /v1/trace", result)
    answer = result.json
    assert (answer["clicks"], answer["trace"]) == ([], None)
    (postback,) = answer["postbacks_without_click"]
    assert (postback["reason"], postback["fix"]) == ("unknown-click", FIXES["unknown-click"])
    assert "click_id=not one" in postback["request"]["query"]


QUESTIONS = [
    ("", "click_id"),
    ("order_id=", "order_id"),
    ("order_id=A&dyn=B", "click_id"),
    ("ip=203.0.113.9", "at"),
    ("ip=somewhere&at=2026-10-31", "ip"),
    ("ip=fe80::1%25eth0&at=2026-10-31", "ip"),
    ("ip=203.0.113.9&at=yesterday", "at"),
    ("ip=203.0.113.9&at=2026-10-31&minutes=0", "minutes"),
    ("ip=203.0.113.9&at=2026-10-31&minutes=9999", "minutes"),
    ("order_id=a%00b", "order_id"),
    ("order_id=" + "x" * 201, "order_id"),
    ("order=A", "order"),
]


@pytest.mark.parametrize(("query", "field"), QUESTIONS)
def test_a_question_that_cannot_be_answered_names_its_field(admin: AdminClient, query: str, field: str) -> None:
    status, _, blamed = problem(admin.request("GET", f"/v1/trace?{query}"))
    assert (status, blamed) == (400, field)


def test_all_that_is_wrong_with_a_question_is_named_at_once(admin: AdminClient) -> None:
    for query, fields in (
        ("ip=somewhere&at=yesterday&minutes=0&order=A", ["ip", "at", "minutes", "order"]),
        ("ip=203.0.113.9&order_id=A", ["click_id", "at"]),
    ):
        result = admin.request("GET", f"/v1/trace?{query}")
        assert problem(result)[:2] == (400, result.json["errors"][0]["code"])
        assert [each["field"] for each in result.json["errors"]] == fields


def test_a_forged_name_of_a_click_is_404(admin: AdminClient) -> None:
    for query in ("click_id=x", "dyn=DP000000000000000000000000", "dyn=x"):
        assert problem(admin.request("GET", f"/v1/trace?{query}")) == (404, "unknown-click", None)


def test_an_address_is_read_from_the_days_it_may_be_in_by_their_key(stored: Stored, database: Database) -> None:
    now = datetime.now(UTC).replace(hour=12, minute=0)
    for days in range(5):
        at_ms = int((now - timedelta(days=days)).timestamp() * 1000)
        stored.click(click_id=cases.mint_at(at_ms), at_ms=at_ms)
    query, values = address_query("192.0.2.7", [cases.KEY], now, timedelta(minutes=10))
    with closing(database.cursor()) as cursor:
        # So few rows are read faster without any index; what is asked here is whether one could be used.
        cursor.execute("set enable_seqscan = off")
        plan = str(cursor.execute(f"explain (format json) {query}".encode(), values, prepare=False).fetchone())
    assert plan.count("'Relation Name'") == 1
    assert "Index Scan" in plan
    assert "click_id >=" in plan
