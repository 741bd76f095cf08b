"""One click through every process, from its link to the payout: the whole trace and every amount of the ledger.

Run with -s, it prints both.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest

from config.settings import embedded_database_url
from partner import Partner, Received, answering, partner
from running_stack import Stack, running_stack
from waiting import wait_until

# What the merchant reports, in order: query, the answer's status.
REPORTS = [
    ({"event": "registration", "payout": "10"}, 200),
    ({"event": "ftd", "payout": "100", "order_id": "D-1"}, 200),
    ({"event": "deposit", "payout": "40", "order_id": "D-2"}, 200),
    ({"event": "deposit", "payout": "60", "order_id": "D-3"}, 200),
    ({"event": "deposit", "payout": "40", "order_id": "D-2"}, 409),
    ({"event": "deposit", "payout": "60", "order_id": "D-3", "status": "reversed"}, 200),
]
# By the plan: 3.00 for a registration, 50.00 for a first deposit, a quarter of each later one.
BOOKED = [
    *(("merchant", "revenue", "10.00"), ("source", "commission", "3.00")),
    *(("merchant", "revenue", "100.00"), ("source", "commission", "50.00")),
    *(("merchant", "revenue", "40.00"), ("source", "commission", "10.00")),
    *(("merchant", "revenue", "60.00"), ("source", "commission", "15.00")),
    *(("merchant", "reversal", "-60.00"), ("source", "reversal", "-15.00")),
]
_REPORTED = ["postback-received", "postback-judged"]
_DELIVERED = ["delivery-planned", "delivery-attempted", "delivery-ended"]
_CONVERTED = [*_REPORTED, "conversion-made", "entry-appended", "entry-appended", *_DELIVERED]
STEPS = [
    *("click-requested", "click-decided", "click-redirected", "click-stored"),
    # The partner's first answer is an error, so the first delivery takes two attempts.
    *_CONVERTED[:-2],
    *("delivery-attempted", "delivery-attempted", "delivery-ended"),
    *(_CONVERTED * 3),
    *_REPORTED,
    *_REPORTED,
    *("conversion-changed", "entry-appended", "entry-appended"),
    *_DELIVERED,
    *("payout-made", "payout-decided", "payout-paid"),
]


@pytest.fixture
def source_of_traffic() -> Iterator[Partner]:
    """Yield a partner that fails once and then takes everything."""
    well, badly = answering(204), answering(503)

    def answer(connection: socket.socket, received: Received) -> None:
        (badly if len(running.received) == 1 else well)(connection, received)

    with partner(answer) as running:
        yield running


@pytest.fixture
def walked() -> Iterator[Stack]:
    """Yield a stack whose partners may be on this machine."""
    with running_stack(OUTGOING_ALLOWED_NETWORKS="127.0.0.1/32") as stack:
        yield stack


def test_one_click_is_walked_from_its_link_to_the_payout(walked: Stack, source_of_traffic: Partner) -> None:
    stack = walked
    link = set_up(stack, source_of_traffic)
    reply = wait_until(lambda: followed(stack, link), what="the link to be live at the edge")
    click_id = reply.headers["x-waypost-click-id"]
    stack.await_click(click_id)
    for number, (report, answer) in enumerate(REPORTS, 1):
        query = urlencode({"click_id": click_id, "currency": "USD"} | report)
        assert stack.postback(f"/postback/{link['token']}?{query}", method="GET").status == answer
        await_told(stack, click_id, number)
    payout = pay(stack)

    trace = stack.api("GET", f"/v1/clicks/{click_id}/trace").json
    entries = stack.api("GET", "/v1/entries?limit=500").json["items"]
    balances = stack.api("GET", "/v1/balances").json["items"]
    print(f"\n{trace_text(trace)}\n\n{ledger_text(entries, balances)}")  # noqa: T201 - shown with -s

    assert [step["kind"] for step in trace["steps"]] == STEPS
    assert trace["cut"] == []
    moments = [datetime.fromisoformat(step["at"]) for step in trace["steps"]]
    assert max(moments) - min(moments) < timedelta(minutes=5)
    judged = [step["detail"] for step in trace["steps"] if step["kind"] == "postback-judged"]
    assert [each["outcome"] for each in judged] == ["recorded"] * 4 + ["duplicate", "transition"]
    assert [step["detail"]["amount"] for step in trace["steps"] if step["kind"] == "entry-appended"] == [
        amount for _, _, amount in BOOKED
    ]
    changed = next(step["detail"] for step in trace["steps"] if step["kind"] == "conversion-changed")
    assert (changed["from_status"], changed["to_status"], changed["order_id"]) == ("approved", "reversed", "D-3")

    assert [(each["party"], each["kind"], each["amount"]) for each in entries] == [
        *BOOKED,
        ("source", "payout", "-63.00"),
    ]
    assert all(each["locked"] == (each["party"] == "source") for each in entries)
    assert [(each["party"], each["balance"]) for each in balances] == [("merchant", "150.00"), ("source", "0.00")]
    for party in ("merchant", "source"):
        amounts = [Decimal(each["amount"]) for each in entries if each["party"] == party]
        assert sum(amounts) == Decimal(next(each["balance"] for each in balances if each["party"] == party))
    assert (payout["state"], payout["paid"], payout["entries"]) == ("paid", "63.00", 5)

    told = [parse_qs(urlsplit(each.path).query, keep_blank_values=True) for each in source_of_traffic.received]
    assert [(each["event"], each["status"], each["sum"]) for each in told] == [
        (["registration"], ["approved"], ["3.00"]),
        (["registration"], ["approved"], ["3.00"]),
        (["ftd"], ["approved"], ["50.00"]),
        (["deposit"], ["approved"], ["10.00"]),
        (["deposit"], ["approved"], ["15.00"]),
        (["deposit"], ["reversed"], [""]),
    ]
    assert {tuple(each["c"]) for each in told} == {("their-click",)}
    assert [each["id"] for each in told[:2]] == [told[0]["id"]] * 2


def set_up(stack: Stack, source_of_traffic: Partner) -> Any:
    """Make all that a click needs and return its link, with the merchant's token."""
    profile = stack.create("/v1/profiles", {"name": "Main", "domain": "walk.localhost"})
    merchant = stack.create("/v1/merchants", {"name": "Casino", "postback_auth": "token"})
    source = stack.create("/v1/sources", {"name": "Newsletter", "prefix": "NL"})
    plan = stack.create(
        "/v1/commission-plans",
        {
            "name": "Usual",
            "starts_on": "2020-01-01",
            "currency": "USD",
            "cpl_minor": 300,
            "cpa_minor": 5000,
            "revshare_percent": 25,
        },
    )
    stack.create(
        "/v1/outgoing-postbacks",
        {
            "name": "Newsletter's own counter",
            "source_id": source["source_id"],
            "url": source_of_traffic.url(
                "/pb?c={external_id}&id={delivery_id}&event={event}&status={status}&sum={commission}"
            ),
            "statuses": ["approved", "reversed"],
        },
    )
    # Paid at the end of the week that it was earned in, whatever was earned.
    for event in ("registration", "ftd", "deposit"):
        assert stack.api("PATCH", f"/v1/event-types/{event}", {"payout_schedule": "weekly"}).status == 200
    link = stack.create(
        "/v1/links",
        {
            "name": "Autumn",
            "merchant_id": merchant["merchant_id"],
            "profile_id": profile["profile_id"],
            "source_id": source["source_id"],
            "plan_id": plan["plan_id"],
            "slug": "autumn",
            "destination_url": "https://casino.example/?c={click_id}",
        },
    )
    return link | {"token": merchant["postback_token"]}


def followed(stack: Stack, link: Any) -> Any:
    """Return the answer to the click, None while the edge does not know the link."""
    reply = stack.edge(f"/click/{link['slug']}?cid=their-click&sub1=letter", "walk.localhost")
    return reply if reply.status == 302 else None


def await_told(stack: Stack, click_id: str, reports: int) -> None:
    """Wait until so many reports are judged and all that follows from them is booked and delivered."""

    def told() -> bool:
        steps = stack.api("GET", f"/v1/clicks/{click_id}/trace").json["steps"]
        kinds = [step["kind"] for step in steps]
        changes = kinds.count("conversion-made") + kinds.count("conversion-changed")
        return (
            kinds.count("postback-judged") == reports
            and kinds.count("entry-appended") == 2 * changes
            and kinds.count("delivery-ended") == kinds.count("delivery-planned") == changes
        )

    wait_until(told, 60, f"{reports} reports to be booked and delivered")


def pay(stack: Stack) -> Any:
    """Pay the source what it earned, and return the payout."""
    later = (datetime.now(UTC) + timedelta(days=8)).isoformat()
    due = stack.api("POST", "/v1/payouts/run", {"dry": True, "at": later}).json["items"]
    assert [(each["amount"], each["entries"], each["held_back"]) for each in due] == [("63.00", 5, None)]
    # The week is not over, and a test does not wait for Monday: the function that makes payouts is told another end.
    url = embedded_database_url(stack.home, int(stack.environ["EMBEDDED_POSTGRES_PORT"]))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("select make_payout(%s, 'USD', 'weekly', now())", [due[0]["source_id"]])
    (payout,) = stack.api("GET", "/v1/payouts").json["items"]
    path = f"/v1/payouts/{payout['payout_id']}"
    assert stack.api("POST", f"{path}/approve", {}).status == 200
    paid = stack.api("POST", f"{path}/pay", {"reference": "bank 4711"})
    assert paid.status == 200, paid
    return paid.json


def trace_text(trace: Any) -> str:
    """Return a trace as a table: milliseconds since the step before, kind, summary."""
    lines = [f"click {trace['click_id']}"]
    for step in trace["steps"]:
        since = "" if step["since_ms"] is None else f"{step['since_ms']:+.1f}"
        lines.append(f"{since:>10}  {step['kind']:<19} {step['summary']}")
    return "\n".join(lines)


def ledger_text(entries: Any, balances: Any) -> str:
    """Return the ledger as a table, and its balances."""
    lines = ["party     kind            amount"]
    lines += [f"{each['party']:<9} {each['kind']:<11} {each['amount']:>10} {each['currency']}" for each in entries]
    lines += [f"{each['party']:<9} balance     {each['balance']:>10} {each['currency']}" for each in balances]
    return "\n".join(lines)
