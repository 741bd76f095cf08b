"""Postbacks judged again through every process: after a mapping was mended, and while workers are killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

from running_stack import Stack, unique
from waiting import wait_until
from world import World


def await_replay(stack: Stack, path: str) -> Any:
    """Return a replay once it is done."""

    def done() -> Any:
        replay = stack.api("GET", path).json
        assert replay["state"] != "failed", replay
        return replay if replay["state"] == "done" else None

    return wait_until(done, 90, "the replay to be done")


def merchant_of_its_own(stack: Stack) -> Any:
    return stack.create("/v1/merchants", {"name": unique("Merchant ")})


def test_what_a_mended_mapping_makes_of_a_refused_postback_is_shown_and_then_done(world: World, stack: Stack) -> None:
    merchant = merchant_of_its_own(stack)
    click_id = world.click(world.link(merchant_id=merchant["merchant_id"]))
    stack.await_click(click_id)
    query = urlencode({"click_id": click_id, "event": "first_win", "payout": "25"})
    assert stack.postback(f"/postback/{merchant['postback_token']}?{query}", method="GET").status == 400
    wanted = {"filter": {"merchant_id": merchant["merchant_id"], "outcome": "refused"}, "dry": True}

    def stored() -> bool:
        dry = stack.api("POST", "/v1/postbacks/replay", wanted)
        return bool(await_replay(stack, dry.headers["location"])["found"] == 1)

    wait_until(stored, what="the refused postback to be stored")
    mapped = stack.api("PATCH", f"/v1/merchants/{merchant['merchant_id']}", {"event_words": {"first_win": "ftd"}})
    assert mapped.status == 200, mapped
    dry = stack.api("POST", "/v1/postbacks/replay", wanted)
    assert dry.status == 202
    assert await_replay(stack, dry.headers["location"])["outcomes"] == {"refused": {"recorded": 1}}
    (judgement,) = stack.api("GET", f"{dry.headers['location']}/judgements").json["items"]
    assert judgement["after"]["conversion"]["status"] == "approved"
    assert stack.await_click(click_id)["conversions"] == []

    replay = stack.api("POST", f"/v1/postbacks/{judgement['postback_id']}/replay")
    assert await_replay(stack, replay.headers["location"])["changed"] == 1
    found = stack.await_click(click_id)
    assert [(row["event"], row["status"]) for row in found["conversions"]] == [("ftd", "approved")]
    assert [(row["answered"], row["outcome"]) for row in found["postbacks"]] == [(400, "recorded")]


def test_a_replay_whose_worker_is_killed_again_and_again_judges_every_postback_once(world: World, stack: Stack) -> None:
    merchant = merchant_of_its_own(stack)
    click_id = world.click(world.link(merchant_id=merchant["merchant_id"]))
    path = f"/postback/{merchant['postback_token']}"

    def refused(number: int) -> int:
        fields = {"click_id": click_id, "event": "win", "payout": "1", "order_id": str(number)}
        return stack.postback(path, fields).status

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(refused, range(400))) == {400: 400}
    stack.await_postbacks(click_id, 0)
    stack.await_settled()
    stack.api("PATCH", f"/v1/merchants/{merchant['merchant_id']}", {"event_words": {"win": "deposit"}})
    wanted = {"filter": {"merchant_id": merchant["merchant_id"], "outcome": "refused"}}
    token = stack.api("POST", "/v1/postbacks/replay", wanted).json["token"]
    replay = stack.api("POST", "/v1/postbacks/replay", wanted | {"token": token}).headers["location"]
    for examined in (0, 100):
        wait_until(lambda least=examined: stack.api("GET", replay).json["examined"] >= least, 60, "a part to be done")  # type: ignore[misc]
        pid = stack.pid("postbacks")
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
    done = await_replay(stack, replay)
    assert (done["found"], done["examined"], done["changed"]) == (400, 400, 400)
    assert done["outcomes"] == {"refused": {"recorded": 400}}
    found = stack.await_click(click_id)
    assert len(found["conversions"]) == 400
    assert {row["status"] for row in found["conversions"]} == {"approved"}


def test_fifty_concurrent_equal_postbacks_are_one_conversion_without_redis_too(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    path = f"/postback/{world.merchant['postback_token']}"
    fields = {"click_id": click_id, "event": "deposit", "payout": "10", "order_id": unique("same-")}
    redis = stack.pid("valkey")
    assert redis is not None
    os.kill(redis, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(50) as pool:
            replies = list(pool.map(lambda _: stack.postback(path, fields), range(50)))
    finally:
        os.kill(redis, signal.SIGCONT)
    assert {reply.status for reply in replies} == {200}
    found = stack.await_postbacks(click_id, 50)
    assert len(found["conversions"]) == 1
    assert Counter(row["outcome"] for row in found["postbacks"]) == {"recorded": 1, "duplicate": 49}
