"""What an operator says of an account's postbacks, live at the edge: mapping, platform, signature, addresses, limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson

from running_stack import Reply, Stack, unique
from tracking.runtime import signature_headers
from waiting import wait_until
from world import World


def merchant(stack: Stack, **fields: Any) -> dict[str, Any]:
    """Create a merchant whose own link is live, so that its account is too: links are published after it."""
    created: dict[str, Any] = stack.create("/v1/merchants", {"name": "An account", **fields})
    return created


def clicked(world: World, account: dict[str, Any], **fields: Any) -> str:
    return world.click(world.link(merchant_id=account["merchant_id"], **fields))


def report(
    stack: Stack, account: dict[str, Any], secret: str | None = None, message_id: str = "", **fields: Any
) -> Reply:
    """Report by GET, signed where there is a secret."""
    query = urlencode(fields)
    headers = signature_headers(message_id, int(time()), query.encode(), [secret]) if secret else {}
    return stack.edge(f"/postback/{account['postback_token']}?{query}", "127.0.0.1", headers=headers)


def test_a_mapping_that_is_changed_counts_at_once_and_own_event_types_too(world: World, stack: Stack) -> None:
    event = f"level_{unique('e').replace('-', '_')}"[:40]
    account = merchant(stack)
    click_id = clicked(world, account)
    fields = {"r": click_id, "e": "123", "p": "1.234,50", "t": "77"}
    assert report(stack, account, **fields).status == 400
    stack.create("/v1/event-types", {"event": event, "name": "Level up"})
    changes = {
        "parameter_names": {"click_id": ["r"], "event": ["e"], "payout": ["p"], "order_id": ["t"]},
        "event_words": {"123": event},
        "decimal_separator": ",",
    }
    assert stack.api("PATCH", f"/v1/merchants/{account['merchant_id']}", changes).status == 200
    wait_until(lambda: report(stack, account, **fields).status in (200, 409), what="the mapping to be live")
    found = stack.await_postbacks(click_id, 1)
    (conversion,) = found["conversions"]
    assert (conversion["event"], conversion["payout_minor"], conversion["order_id"]) == (event, 123450, "77")


def test_the_dynamic_variable_of_a_platform_comes_back_as_the_click(world: World, stack: Stack) -> None:
    account = merchant(stack, platform="cellxpert")
    source = stack.create("/v1/sources", {"name": "Newsletter", "prefix": "NL"})
    link = world.link(
        merchant_id=account["merchant_id"],
        source_id=source["source_id"],
        destination_url="https://m.example/?afp={dyn}",
    )
    reply = stack.edge(link["path"], link["host"])
    (dyn,) = parse_qs(urlsplit(reply.headers["location"]).query)["afp"]
    assert dyn.startswith("NL")
    assert report(stack, account, afp=dyn, signups="1").status == 200
    found = stack.await_postbacks(reply.headers["x-waypost-click-id"], 1)
    assert [(row["event"], row["status"]) for row in found["conversions"]] == [("registration", "approved")]


def test_fifty_copies_of_a_signed_postback_through_all_processes_count_once(world: World, stack: Stack) -> None:
    account = merchant(stack, postback_auth="hmac")
    click_id = clicked(world, account)
    secret = account["postback_secret"]
    fields = {"click_id": click_id, "event": "deposit", "payout": "5"}
    unsigned = report(stack, account, **fields)
    assert (unsigned.status, unsigned.json["code"]) == (401, "bad-signature")
    with ThreadPoolExecutor(25) as pool:
        replies = list(pool.map(lambda _: report(stack, account, secret, "msg_1", **fields), range(50)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 49
    assert {reply.json["code"] for reply in replies if reply.status == 409} == {"replayed"}
    found = stack.await_postbacks(click_id, 50)
    assert [row["payout_minor"] for row in found["conversions"]] == [500]


def test_a_new_secret_works_beside_the_one_before_and_the_third_ends_it(world: World, stack: Stack) -> None:
    account = merchant(stack, postback_auth="hmac")
    click_id = clicked(world, account)
    made = [account["postback_secret"]]

    def status(secret: str) -> int:
        fields = {"click_id": click_id, "event": "deposit", "order_id": unique("o")}
        return report(stack, account, secret, unique("msg"), **fields).status

    for _ in range(2):
        made.append(stack.create(f"/v1/merchants/{account['merchant_id']}/secrets", {})["postback_secret"])
        wait_until(lambda: status(made[-1]) == 200, what="the new secret to be live")
    assert [status(secret) for secret in made] == [401, 200, 200]


def test_addresses_and_limits_of_an_account_are_kept(world: World, stack: Stack) -> None:
    elsewhere = merchant(stack, postback_auth="address", postback_addresses=["203.0.113.0/24"])
    refused = report(stack, elsewhere, click_id=clicked(world, elsewhere), event="ftd")
    assert (refused.status, refused.json["code"]) == (403, "address-not-allowed")
    limited = merchant(stack, postback_rate_per_minute=3)
    click_id = clicked(world, limited)
    replies = [report(stack, limited, click_id=click_id, event="deposit", order_id=number) for number in range(40)]
    assert {reply.status for reply in replies} == {200, 429}
    first = next(reply for reply in replies if reply.status == 429)
    assert orjson.loads(first.body)["code"] == "rate-limited"
    assert int(first.headers["retry-after"]) <= 60
    assert first.headers["ratelimit-policy"] == '"postbacks";q=3;w=60'
