"""From a merchant's postback to the traffic source's own server, through every process."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from partner import Received, answering, partner
from running_stack import Stack
from tracking.runtime import signature_headers
from waiting import wait_until
from world import World


def query_of(received: Received) -> dict[str, list[str]]:
    return parse_qs(urlsplit(received.path).query, keep_blank_values=True)


def delivered(stack: Stack, postback_id: int, state: str = "delivered") -> Any:
    def found() -> Any:
        listed = stack.api("GET", f"/v1/deliveries?outgoing_postback_id={postback_id}").json["items"]
        return listed if listed and all(each["state"] == state for each in listed) else None

    return wait_until(found, what=f"the delivery to be {state}")


def test_a_conversion_reaches_the_partner_of_its_source_and_no_other(world: World, stack: Stack) -> None:
    source, other = (stack.create("/v1/sources", {"name": name}) for name in ("Bought", "Other"))
    link = world.link(source_id=source["source_id"])
    with partner() as mine, partner() as stranger:
        url = "/pb?c={external_id}&p={payout}&e={event}&s={sub1}"
        made = stack.create(
            "/v1/outgoing-postbacks",
            {"name": "Bought traffic", "source_id": source["source_id"], "url": mine.url(url)},
        )
        body = {"name": "Of another source", "source_id": other["source_id"], "url": stranger.url(url)}
        stack.create("/v1/outgoing-postbacks", body)
        click_id = world.click(link, "cid=SRC-77&sub1=a%26b")
        report = {"click_id": click_id, "event": "ftd", "payout": "25.50", "currency": "USD", "order_id": "O-1"}
        assert stack.postback(f"/postback/{world.merchant['postback_token']}", report).status == 200
        (delivery,) = delivered(stack, made["outgoing_postback_id"])
        assert stranger.received == []
    (received,) = mine.received
    assert query_of(received) == {"c": ["SRC-77"], "p": ["25.50"], "e": ["ftd"], "s": ["a&b"]}
    assert received.headers["webhook-id"] == delivery["delivery_id"]
    shown = stack.api("GET", f"/v1/deliveries/{delivery['delivery_id']}").json
    (attempt,) = shown["attempt_log"]
    assert (attempt["response_status"], attempt["address"], attempt["error"]) == (200, "127.0.0.1", None)
    assert (shown["click_id"], shown["facts"]["payout"]) == (click_id, "25.50")


def test_a_failed_delivery_is_signed_anew_and_replayed_under_its_id(world: World, stack: Stack) -> None:
    with partner(answering(410)) as crm:
        made = stack.create(
            "/v1/outgoing-postbacks", {"name": "Our CRM", "method": "POST", "url": crm.url("/hook"), "statuses": []}
        )
        path = f"/v1/outgoing-postbacks/{made['outgoing_postback_id']}"
        click_id = world.click(world.link())
        report = {"click_id": click_id, "event": "registration"}
        assert stack.postback(f"/postback/{world.merchant['postback_token']}", report).status == 200
        (delivery,) = delivered(stack, made["outgoing_postback_id"], "failed")
        assert stack.api("GET", path).json["state_reason"] == "gone"
        crm.behaviour = answering(200)
        assert stack.api("PATCH", path, {"state": "enabled"}).status == 200
        assert stack.api("POST", f"/v1/deliveries/{delivery['delivery_id']}/replay").status == 202
        delivered(stack, made["outgoing_postback_id"])
        stack.api("PATCH", path, {"state": "disabled"})
    assert {each.headers["webhook-id"] for each in crm.received} == {delivery["delivery_id"]}
    for received in crm.received:
        sent_at = int(received.headers["webhook-timestamp"])
        expected = signature_headers(delivery["delivery_id"], sent_at, received.body, [made["secret"]])
        assert received.headers["webhook-signature"] == expected["webhook-signature"]
        assert json.loads(received.body)["data"]["click_id"] == click_id


def test_the_test_button_reaches_the_partner(stack: Stack) -> None:
    with partner() as mine:
        made = stack.create("/v1/outgoing-postbacks", {"name": "To be tried", "url": mine.url("/?c={click_id}")})
        reply = stack.api("POST", f"/v1/outgoing-postbacks/{made['outgoing_postback_id']}/test")
        assert reply.status == 202
        delivered(stack, made["outgoing_postback_id"])
    (received,) = mine.received
    assert query_of(received) == {"c": ["test-click-id"]}
    assert received.headers["waypost-test"] == "true"
