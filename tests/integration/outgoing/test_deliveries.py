"""Deliveries from a change of a conversion to the partner's answer: planning, the schedule, suspension, isolation."""

from __future__ import annotations

import json
import socket
from time import time
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest

import delivery_cases as partners
import worker_cases as cases
from partner import Partner, Received, answering, partner
from tracking.outgoing.deliveries import ATTEMPTS_MAX, DELAYS_S
from tracking.runtime import signature_headers
from waiting import wait_until
from worker.outgoing import OutgoingClient
from worker.outgoing.attempts import AttemptResult, ClaimedDelivery, attempt


@pytest.fixture
def configured_url(database_url: str) -> str:
    cases.configure(database_url)
    return database_url


def query_of(received: Received) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(received.path).query, keep_blank_values=True).items()}


def converted(database_url: str, **columns: object) -> None:
    """Have one conversion with its deliveries planned."""
    partners.conversion(database_url, partners.click(database_url), **columns)
    partners.plan(database_url)


def test_a_conversion_is_reported_with_every_macro_encoded(configured_url: str, redis_url: str) -> None:
    with partner() as shop, partners.dispatching(configured_url, redis_url):
        url = shop.url(
            "/pb?c={click_id}&e={external_id}&s={sub1}&p={payout}&m={payout_minor}&cur={currency}&ev={event}"
            "&st={status}&o={order_id}&k={keyword}&x={absent}&id={delivery_id}&conv={conversion_id}&l={link_id}"
        )
        partners.outgoing_postback(configured_url, url)
        hostile = "a b&c=d/\r\n?#\u00e9{x}"
        click_id = partners.click(configured_url, sub1=hostile, cid="X-1", keyword="%41")
        partners.conversion(configured_url, click_id, order_id="7/8")
        assert partners.plan(configured_url) == 1
        partners.wait_for_state(configured_url, "delivered")
    (received,) = shop.received
    (delivery,) = partners.deliveries(configured_url)
    assert received.method == "GET"
    assert query_of(received) == {
        "c": str(click_id),
        "e": "X-1",
        "s": hostile,
        "p": "25.00",
        "m": "2500",
        "cur": "USD",
        "ev": "ftd",
        "st": "approved",
        "o": "7/8",
        "k": "%41",
        "x": "",
        "id": str(delivery["delivery_id"]),
        "conv": str(delivery["conversion_id"]),
        "l": "1",
    }
    assert received.headers["webhook-id"] == str(delivery["delivery_id"])
    assert received.headers["host"] == f"127.0.0.1:{shop.port}"


def test_a_post_carries_signed_json(configured_url: str, redis_url: str) -> None:
    with partner() as shop, partners.dispatching(configured_url, redis_url):
        second = "whsec_" + "QUJD" * 8
        secrets = [partners.SECRET, second]
        partners.outgoing_postback(configured_url, shop.url("/hook?s={sub1}"), method="POST", secrets=secrets)
        click_id = partners.click(configured_url, sub1="one", utm_source="x")
        partners.conversion(configured_url, click_id)
        partners.plan(configured_url)
        partners.wait_for_state(configured_url, "delivered")
    (received,) = shop.received
    body = json.loads(received.body)
    assert (received.method, received.path) == ("POST", "/hook?s=one")
    assert received.headers["content-type"] == "application/json"
    assert body["type"] == "conversion.approved"
    assert body["test"] is False
    assert body["data"]["click_id"] == str(click_id)
    assert body["data"]["payout"] == "25.00"
    assert body["data"]["parameters"] == {"sub1": "one", "utm_source": "x"}
    expected = signature_headers(
        received.headers["webhook-id"], int(received.headers["webhook-timestamp"]), received.body, secrets
    )
    assert received.headers["webhook-signature"] == expected["webhook-signature"]
    assert received.headers["webhook-signature"].count("v1,") == 2


def test_an_outgoing_postback_hears_of_what_it_asked_for(configured_url: str) -> None:
    with psycopg.connect(configured_url) as connection:
        connection.execute("insert into sources (name) values ('one'), ('two')")
        connection.execute("update links set source_id = 1 where link_id = 1")
    asked: list[tuple[dict[str, object], bool]] = [
        ({}, True),
        ({"events": ["ftd", "deposit"]}, True),
        ({"events": ["deposit"]}, False),
        ({"statuses": ["pending", "rejected"]}, False),
        ({"statuses": []}, True),
        ({"state": "disabled"}, False),
        ({"state": "suspended"}, True),
        ({"source_id": 1}, True),
        ({"source_id": 2}, False),
    ]
    wanted = []
    for columns, is_wanted in asked:
        postback_id = partners.outgoing_postback(configured_url, "https://p.example/", **columns)
        wanted += [postback_id] if is_wanted else []
    partners.conversion(configured_url, partners.click(configured_url))
    assert partners.plan(configured_url) == len(wanted)
    assert [each["outgoing_postback_id"] for each in partners.deliveries(configured_url)] == wanted


def test_a_change_of_the_amount_alone_is_reported_only_where_asked_for(configured_url: str) -> None:
    partners.outgoing_postback(configured_url, "https://p.example/")
    asking = partners.outgoing_postback(configured_url, "https://p.example/", amount_changes=True)
    converted(configured_url)
    with psycopg.connect(configured_url) as connection:
        connection.execute("update conversions set payout_minor = 3000")
    assert partners.plan(configured_url) == 1
    newest = partners.deliveries(configured_url)[-1]
    assert (newest["outgoing_postback_id"], newest["facts"]["payout"]) == (asking, "30.00")


def test_each_change_of_status_is_a_delivery_of_its_own_and_no_change_is_planned_twice(configured_url: str) -> None:
    partners.outgoing_postback(configured_url, "https://p.example/", statuses=[])
    converted(configured_url, status="pending")
    with psycopg.connect(configured_url) as connection:
        connection.execute("update conversions set status = 'approved'")
    assert partners.plan(configured_url) == 1
    with psycopg.connect(configured_url) as connection:
        connection.execute("update conversion_changes set booked_at = null")
    assert partners.plan(configured_url) == 0
    facts = [each["facts"] for each in partners.deliveries(configured_url)]
    assert [(each["status"], each["previous_status"]) for each in facts] == [("pending", None), ("approved", "pending")]


def test_a_conversion_whose_click_is_gone_is_reported_without_it(configured_url: str) -> None:
    partners.outgoing_postback(configured_url, "https://p.example/?s={sub1}")
    partners.conversion(configured_url, uuid4())
    assert partners.plan(configured_url) == 1


def test_ten_attempts_over_seventy_five_hours_with_the_same_id_and_then_it_has_failed(
    configured_url: str, redis_url: str
) -> None:
    with partner(answering(500, b"oh no")) as shop, partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, shop.url("/?c={click_id}&t={timestamp}"))
        converted(configured_url)
        delays = []
        for number in range(1, ATTEMPTS_MAX + 1):
            partners.wait_for_ended(configured_url, number)
            (delivery,) = partners.deliveries(configured_url)
            delays.append(delivery["delay_s"])
            partners.make_due(configured_url)
        partners.wait_for_state(configured_url, "failed")
    assert delays.pop() is None
    assert len(delays) == len(DELAYS_S) == 9
    for delay_s, nominal_s in zip(delays, DELAYS_S, strict=True):
        assert nominal_s * 0.9 - 2 <= delay_s <= nominal_s * 1.1
    assert sum(DELAYS_S) == 75 * 3600 + 35 * 60 + 5
    assert len(shop.received) == ATTEMPTS_MAX
    assert len({each.headers["webhook-id"] for each in shop.received}) == 1
    assert len({each.path for each in shop.received}) == 1
    seen = partners.attempts(configured_url)
    assert [each["attempt"] for each in seen] == list(range(1, 11))
    assert {(each["response_status"], each["response_body"], each["error"]) for each in seen} == {
        (500, "oh no", "status-not-2xx")
    }
    assert all(each["url"] and each["headers"]["webhook-id"] and each["host"] == "127.0.0.1" for each in seen)


def test_retry_after_is_kept_to_up_to_a_day(configured_url: str, redis_url: str) -> None:
    asked = {"600": (590, 600), "1": (3, 6), "999999999999": (86_390, 86_400), "soon": (3, 6)}
    with partner() as shop, partners.dispatching(configured_url, redis_url):

        def busy(connection: socket.socket, received: Received) -> None:
            answering(429, Retry_After=query_of(received)["after"])(connection, received)

        shop.behaviour = busy
        ids = {partners.outgoing_postback(configured_url, shop.url(f"/?after={after}")): after for after in asked}
        converted(configured_url)
        partners.wait_for_ended(configured_url, len(asked))
        for delivery in partners.deliveries(configured_url):
            least_s, most_s = asked[ids[delivery["outgoing_postback_id"]]]
            assert least_s <= delivery["delay_s"] <= most_s


def test_410_ends_it_disables_the_outgoing_postback_and_opens_an_issue(configured_url: str, redis_url: str) -> None:
    with partner(answering(410)) as shop, partners.dispatching(configured_url, redis_url):
        postback_id = partners.outgoing_postback(configured_url, shop.url())
        converted(configured_url)
        partners.wait_for_state(configured_url, "failed")
    assert cases.rows(configured_url, "select state, state_reason from outgoing_postbacks") == [("disabled", "gone")]
    assert cases.rows(configured_url, "select kind, subject_key, state from issues") == [
        ("delivery-suspended", f"outgoing-postback:{postback_id}", "open")
    ]
    assert len(shop.received) == 1


def test_five_days_of_failure_suspend_with_an_issue_and_what_is_pending_waits_for_the_operator(
    configured_url: str, redis_url: str
) -> None:
    with partner(answering(503)) as shop, partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, shop.url())
        converted(configured_url)
        partners.wait_for_ended(configured_url, 1)
        age(configured_url, "4 days 23 hours")
        partners.make_due(configured_url)
        partners.wait_for_ended(configured_url, 2)
        assert state(configured_url) == "enabled"
        age(configured_url, "5 days")
        partners.make_due(configured_url)
        partners.wait_for_ended(configured_url, 3)
        assert state(configured_url) == "suspended"
        assert cases.rows(configured_url, "select count(*) from issues where kind = 'delivery-suspended'") == [(1,)]
        partners.make_due(configured_url)
        converted(configured_url)
        shop.behaviour = answering(200)
        asked = len(shop.received)
        with partner() as other:
            partners.outgoing_postback(configured_url, other.url(), name="Another")
            converted(configured_url)
            wait_until(lambda: other.received, what="another partner's delivery")
        assert len(shop.received) == asked
        with psycopg.connect(configured_url) as connection:
            connection.execute("update outgoing_postbacks set state = 'enabled' where name = 'A partner'")
        partners.wait_for_state(configured_url, "delivered", 4)
    assert (
        cases.rows(configured_url, "select failing_since, state_reason from outgoing_postbacks") == [(None, None)] * 2
    )


def test_one_success_begins_the_five_days_anew(configured_url: str, redis_url: str) -> None:
    with partner(answering(500)) as shop, partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, shop.url())
        converted(configured_url)
        partners.wait_for_ended(configured_url, 1)
        age(configured_url, "6 days")
        shop.behaviour = answering(204)
        partners.make_due(configured_url)
        partners.wait_for_state(configured_url, "delivered")
    assert cases.rows(configured_url, "select state, failing_since from outgoing_postbacks") == [("enabled", None)]


def test_a_test_is_sent_once_marked_and_never_counts_against_the_partner(configured_url: str, redis_url: str) -> None:
    with partner(answering(500)) as shop, partners.dispatching(configured_url, redis_url):
        postback_id = partners.outgoing_postback(configured_url, shop.url(), state="disabled", method="POST")
        with psycopg.connect(configured_url) as connection:
            connection.execute(
                "insert into deliveries (outgoing_postback_id, event, facts, is_test) values (%s, 'ftd', '{}', true)",
                [postback_id],
            )
        partners.wait_for_state(configured_url, "failed")
    (received,) = shop.received
    assert received.headers["waypost-test"] == "true"
    assert json.loads(received.body)["test"] is True
    assert cases.rows(configured_url, "select failing_since from outgoing_postbacks") == [(None,)]


def test_a_url_that_was_written_past_the_api_is_refused_when_it_is_sent(configured_url: str, redis_url: str) -> None:
    with partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, "javascript:alert(1)")
        partners.outgoing_postback(configured_url, "http://169.254.169.254/latest/meta-data/")
        converted(configured_url)
        partners.wait_for_ended(configured_url, 2)
    assert {each["error"] for each in partners.attempts(configured_url)} == {"bad-url"}


def test_what_hostile_answers_hold_can_be_stored(configured_url: str, redis_url: str) -> None:
    raw = (
        b"HTTP/1.1 200 \xff\x00\r\nX-\xff: \x00\xed\xa0\x80\r\nX-Null\x00: 1\r\n\r\n\x00\xff\xed\xa0\x80" + b"x" * 5000
    )
    with (
        partner(lambda connection, _: connection.sendall(raw)) as shop,
        partners.dispatching(configured_url, redis_url),
    ):
        partners.outgoing_postback(configured_url, shop.url())
        converted(configured_url)
        partners.wait_for_ended(configured_url, 1)
    (made,) = partners.attempts(configured_url)
    assert made["error"] == "bad-response" or len(made["response_body"].encode()) < 10_000


def test_a_partner_that_never_answers_does_not_delay_another(configured_url: str, redis_url: str) -> None:
    with partner(lambda _, __: dead.stopping.wait(30)) as dead, partner() as healthy:
        partners.outgoing_postback(configured_url, dead.url(), name="Dead")
        partners.outgoing_postback(configured_url, healthy.url(), name="Healthy")
        for _ in range(40):
            partners.conversion(configured_url, partners.click(configured_url))
        assert partners.plan(configured_url) == 80
        with partners.dispatching(configured_url, redis_url):
            wait_until(lambda: len(healthy.received) == 40, what="all deliveries to the healthy partner")
            assert undelivered(configured_url, dead) == 40
            dead.stopping.set()


def test_a_clock_that_steps_changes_the_timestamp_and_nothing_about_the_schedule(
    configured_url: str, redis_url: str
) -> None:
    steps = iter([time() + 86_400, time() - 86_400])
    with (
        partner(answering(500)) as shop,
        partners.dispatching(configured_url, redis_url, now_s=lambda: next(steps)),
    ):
        partners.outgoing_postback(configured_url, shop.url(), method="POST")
        converted(configured_url)
        for number, (least_s, most_s) in enumerate(((3, 6), (260, 331)), 1):
            partners.wait_for_ended(configured_url, number)
            (delivery,) = partners.deliveries(configured_url)
            assert least_s <= delivery["delay_s"] <= most_s
            if number == 1:
                partners.make_due(configured_url)
    sent_at = [int(each.headers["webhook-timestamp"]) - time() for each in shop.received]
    assert [round(each / 3600) for each in sent_at] == [24, -24]


def test_an_outcome_that_cannot_be_written_down_does_not_hold_up_the_others(
    configured_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def spoiling(claimed: ClaimedDelivery, client: OutgoingClient, now_s: float) -> AttemptResult:
        ended = attempt(claimed, client, now_s)
        return ended._replace(address="no address") if "spoilt" in claimed.url else ended

    monkeypatch.setattr("worker.outgoing.dispatcher.attempt", spoiling)
    with partner() as shop, partners.dispatching(configured_url, redis_url):
        for path in ("/spoilt", "/good"):
            partners.outgoing_postback(configured_url, shop.url(path))
        converted(configured_url)
        partners.wait_for_state(configured_url, "delivered", 1)
        wait_until(lambda: "outcome-lost" in caplog.text, what="the failure to be logged")
    assert [each["state"] for each in partners.deliveries(configured_url)] == ["pending", "delivered"]


def test_a_sender_that_fails_says_so_and_the_delivery_is_tried_again(
    configured_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> AttemptResult:
        raise KeyError("a fault of ours")

    monkeypatch.setattr("worker.outgoing.dispatcher.attempt", broken)
    with partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, "https://p.example/")
        converted(configured_url)
        partners.wait_for_ended(configured_url, 1)
    (delivery,) = partners.deliveries(configured_url)
    (made,) = partners.attempts(configured_url)
    assert (delivery["state"], made["error"]) == ("pending", "attempt-failed")


def undelivered(database_url: str, shop: Partner) -> int:
    query = (
        "select count(*) from deliveries join outgoing_postbacks using (outgoing_postback_id)"
        " where origin = %s and deliveries.state = 'pending'"
    )
    count: int = cases.rows(database_url, query, f"http://127.0.0.1:{shop.port}")[0][0]
    return count


def state(database_url: str) -> str:
    found: str = cases.rows(database_url, "select state from outgoing_postbacks")[0][0]
    return found


def age(database_url: str, interval: str) -> None:
    """Have every outgoing postback fail since long ago."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update outgoing_postbacks set failing_since = now() - %s::interval", [interval])


def test_a_later_change_waits_until_the_earlier_one_is_sent_or_given_up(configured_url: str, redis_url: str) -> None:
    with partner(answering(500)) as shop, partners.dispatching(configured_url, redis_url):
        partners.outgoing_postback(configured_url, shop.url("/?st={status}&o={order_id}"), statuses=[])
        converted(configured_url, order_id="A")
        wait_until(lambda: len(shop.received) == 1, what="the first attempt")
        with psycopg.connect(configured_url) as connection:
            connection.execute("update conversions set status = 'reversed'")
        shop.behaviour = answering(200)
        partners.plan(configured_url)
        # Another conversion does not wait for these two.
        converted(configured_url, order_id="B")
        wait_until(lambda: query_of(shop.received[-1])["o"] == "B", what="the other conversion")
        with psycopg.connect(configured_url) as connection:
            connection.execute("update deliveries set due_at = now() where state = 'pending'")
        wait_until(lambda: len(shop.received) == 4, what="both changes")
    sent = [(query_of(each)["o"], query_of(each)["st"]) for each in shop.received]
    assert sent == [("A", "approved"), ("B", "approved"), ("A", "approved"), ("A", "reversed")]
