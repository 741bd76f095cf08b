"""A capped link in the whole stack, with two edge processes: exactly the limit reaches the destination."""

from __future__ import annotations

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from running_stack import Stack
from waiting import wait_until
from world import World

CAPPED, OVERFLOW = "https://capped.example/", "https://overflow.example/"


def cap(limit: int, **more: Any) -> dict[str, Any]:
    return {"count": "clicks", "per": "total", "limit": limit, **more}


def locations(stack: Stack, link: dict[str, Any], count: int, **how: Any) -> Counter[str]:
    """Click `count` times, eight at a time, and return how often which location was answered."""

    def click(_: int) -> str:
        return str(stack.edge(link["path"], link["host"], **how).headers["location"])

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(click, range(count)))


def use_up(stack: Stack, link: dict[str, Any], limit: int) -> int:
    """Click until the capped destination was reached `limit` times, then some more. Return how often it was."""
    reached = 0

    def done() -> bool:
        nonlocal reached
        reached += locations(stack, link, 100)[CAPPED]
        return reached >= limit

    wait_until(done, 60, "the cap to be used up")
    return reached + locations(stack, link, 300)[CAPPED]


def shown(stack: Stack, link: dict[str, Any]) -> dict[str, Any]:
    (found,) = stack.api("GET", f"/v1/caps?link_id={link['link_id']}").json["items"]
    return dict(found)


def capped_link(world: World, stack: Stack, limit: int) -> dict[str, Any]:
    """Return a link with a cap, once it has capacity at the edge."""
    profile = world.profiles["302"]
    body = {
        "merchant_id": world.merchant["merchant_id"],
        "profile_id": profile["profile_id"],
        "destination_url": CAPPED,
        "routing": {"caps": [cap(limit)], "overflow_url": OVERFLOW},
    }
    made = stack.create("/v1/links", body)
    link: dict[str, Any] = made | {"host": profile["domain"], "path": f"/click/{made['slug']}"}

    def granted() -> bool:
        # No GET, which would take a click.
        return stack.edge(link["path"], link["host"], "HEAD").headers.get("location") == CAPPED

    wait_until(granted, 60, "capacity at the edge")
    return link


@pytest.fixture
def link(world: World, stack: Stack) -> dict[str, Any]:
    return capped_link(world, stack, 250)


def test_exactly_the_limit_is_sent_to_the_destination(link: dict[str, Any], stack: Stack) -> None:
    assert locations(stack, link, 50, method="HEAD") == {CAPPED: 50}
    assert locations(stack, link, 50, headers={"Sec-Purpose": "prefetch"}) == {CAPPED: 50}
    assert use_up(stack, link, 250) == 250
    assert locations(stack, link, 5, method="HEAD") == {OVERFLOW: 5}
    wait_until(lambda: shown(stack, link)["used"] == 250, what="the use to be reported")
    found = shown(stack, link)
    assert (found["left"], found["granted"]) == (0, 250)
    assert found["exhausted_since"] is not None


def test_a_raised_limit_is_live_and_goes_on(link: dict[str, Any], stack: Stack) -> None:
    assert use_up(stack, link, 250) == 250
    cap_id = shown(stack, link)["cap_id"]
    routing = {"caps": [cap(300, cap_id=cap_id)], "overflow_url": OVERFLOW}
    assert stack.api("PATCH", f"/v1/links/{link['link_id']}", {"routing": routing}).status == 200
    assert use_up(stack, link, 50) == 50


def test_killed_edge_processes_exceed_nothing(world: World, stack: Stack) -> None:
    link = capped_link(world, stack, 400)
    reached = 0
    for _ in range(3):
        reached += locations(stack, link, 60)[CAPPED]
        for process in edge_processes(stack):
            os.kill(process, signal.SIGKILL)
            break
        wait_until(lambda: answers(stack), 60, "the edge to answer again")
    # A click that was counted as its process died was not answered.
    rest = 0

    def done() -> bool:
        nonlocal rest
        taken = locations(stack, link, 100)[CAPPED]
        rest += taken
        return taken == 0 and shown(stack, link)["used"] == 400

    wait_until(done, 90, "the cap to be used up")
    assert 400 - 3 * 8 <= reached + rest <= 400


def edge_processes(stack: Stack) -> list[int]:
    """Return the processes of the edge that answer, which are children of the one on record."""
    parent = stack.pid("edge")
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def answers(stack: Stack) -> bool:
    try:
        return stack.edge("/livez").status == 200
    except OSError:
        return False
