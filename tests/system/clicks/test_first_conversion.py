"""From a link to a conversion in PostgreSQL, through every process, as a newcomer does it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from running_stack import Stack
from world import World


def test_a_click_and_its_postback_become_a_conversion(world: World, stack: Stack) -> None:
    source = stack.create("/v1/sources", {"name": "Newsletter", "prefix": "NL"})
    link = world.link(
        source_id=source["source_id"],
        destination_url="https://m.example/{slug}?c={click_id}&s={sub1}&k={keyword}",
        sub2="default two",
    )
    headers = {"User-Agent": "Mozilla/5.0 (test)", "Referer": "https://blog.example/", "Accept-Language": "de"}
    reply = stack.edge(f"{link['path']}?sub1=a%20b&keyword=x%26y&unnamed=kept", link["host"], headers=headers)
    assert reply.status == 302
    click_id = reply.headers["x-waypost-click-id"]
    location = f"https://m.example/{link['slug']}?c={click_id}&s=a%20b&k=x%26y"
    assert reply.headers["location"] == location

    order = {"click_id": click_id, "event": "ftd", "payout": "25.50", "currency": "USD", "order_id": "A-1"}
    recorded = stack.postback(f"/postback/{world.merchant['postback_token']}", order)
    assert (recorded.status, recorded.json["status"]) == (200, "recorded")

    found = stack.await_postbacks(click_id, 1)
    click = found["click"]
    assert (click["link_id"], click["slug"], click["class"]) == (link["link_id"], link["slug"], "valid")
    assert (click["sub1"], click["sub2"], click["sub3"]) == ("a b", "default two", None)
    assert click["parameters"] == {"sub1": "a b", "keyword": "x&y", "unnamed": "kept"}
    assert (click["user_agent"], click["referrer"]) == ("Mozilla/5.0 (test)", "https://blog.example/")
    assert click["location"] == location
    (conversion,) = found["conversions"]
    assert (conversion["event"], conversion["order_id"], conversion["status"]) == ("ftd", "A-1", "approved")
    assert (conversion["payout"], conversion["currency"]) == (25.5, "USD")
    (postback,) = found["postbacks"]
    assert (postback["postback_id"], postback["outcome"]) == (recorded.json["postback_id"], "recorded")


def test_every_event_by_every_route_becomes_a_conversion(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    token = world.merchant["postback_token"]
    events = ["registration", "ftd", "deposit", "qualified", "revenue_share", "conversion"]
    for number, event in enumerate(events):
        fields = {"click_id": click_id, "event": event}
        match number % 3:
            case 0:
                reply = stack.postback("/v1/postback", fields, token)
            case 1:
                reply = stack.postback(f"/post-back/{token}?{urlencode(fields)}", method="GET")
            case _:
                reply = stack.postback(f"/postback/{token}", fields)
        assert reply.status == 200, reply
    conversions = stack.await_postbacks(click_id, len(events))["conversions"]
    assert len(conversions) == len(events)
    assert {row["event"] for row in conversions} == set(events)
    assert {row["status"] for row in conversions} == {"approved"}


@pytest.mark.parametrize(("postback_auth", "reason"), [("none", "unauthenticated"), ("token", "token-required")])
def test_an_unauthenticated_postback_stays_pending(world: World, stack: Stack, postback_auth: str, reason: str) -> None:
    merchant = stack.create("/v1/merchants", {"name": "Any", "postback_auth": postback_auth})
    click_id = world.click(world.link(merchant_id=merchant["merchant_id"]))
    fields = {"click_id": click_id, "event": "ftd", "payout": 9, "status": "approved"}
    assert stack.postback("/v1/postback", fields).status == 200
    (conversion,) = stack.await_postbacks(click_id, 1)["conversions"]
    assert (conversion["status"], conversion["reason"]) == ("pending", reason)
    assert conversion["authenticated"] is False


def test_fifty_concurrent_equal_postbacks_are_one_conversion(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    path = f"/postback/{world.merchant['postback_token']}"
    fields = {"click_id": click_id, "event": "deposit", "payout": "10", "order_id": "same"}
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: stack.postback(path, fields), range(50)))
    assert Counter(reply.status for reply in replies) == {200: 1, 409: 49}
    found = stack.await_postbacks(click_id, 50)
    assert Counter(row["outcome"] for row in found["postbacks"]) == {"recorded": 1, "duplicate": 49}
    assert len(found["conversions"]) == 1


def test_a_status_change_is_a_transition_and_the_same_again_a_duplicate(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    path = f"/postback/{world.merchant['postback_token']}"
    fields = {"click_id": click_id, "event": "deposit", "payout": "10", "order_id": "T-1", "status": "pending"}
    assert stack.postback(path, fields).status == 200
    assert stack.postback(path, fields).status == 409
    stack.await_postbacks(click_id, 2)
    assert stack.postback(path, fields | {"status": "approved"}).status == 200
    found = stack.await_postbacks(click_id, 3)
    assert [row["status"] for row in found["conversions"]] == ["approved"]
    assert sorted(row["outcome"] for row in found["postbacks"]) == ["duplicate", "recorded", "transition"]


def test_a_chargeback_right_after_its_conversion_is_not_lost(world: World, stack: Stack) -> None:
    """The two may pass through different edge processes; what the merchant was answered first came first."""
    link = world.link()
    path = f"/postback/{world.merchant['postback_token']}"
    click_ids = [world.click(link) for _ in range(20)]
    for click_id in click_ids:
        fields = {"click_id": click_id, "event": "ftd", "payout": "25"}
        for status in ("approved", "reversed"):
            assert stack.postback(path, fields | {"status": status}).status == 200
    ends = [stack.await_postbacks(click_id, 2)["conversions"][0]["status"] for click_id in click_ids]
    assert ends == ["reversed"] * len(click_ids)
