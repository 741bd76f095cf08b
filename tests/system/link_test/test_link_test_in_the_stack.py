"""A link is tested through the running stack: the edge decides, private places are refused, and no click is stored."""

from __future__ import annotations

import pytest

from running_stack import Stack
from tracking.clicks import TEST_CLICK_ID
from world import World


def issued(stack: Stack) -> float:
    lines = stack.edge("/metrics").body.decode().splitlines()
    (line,) = [each for each in lines if each.startswith('waypost_edge_issued_total{stream="clicks"}')]
    return float(line.split()[-1])


@pytest.mark.parametrize(("redirect_type", "status"), [("302", 302), ("301", 301), ("js", 200), (None, 302)])
def test_a_test_click_is_decided_by_the_edge_and_not_counted(
    world: World, stack: Stack, redirect_type: str | None, status: int
) -> None:
    link = world.link(redirect_type, destination_url="http://10.1.2.3/{sub1}?c={click_id}&o={os}")
    before = issued(stack)
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile Safari/604.1"
    reply = stack.api("POST", f"/v1/links/{link['link_id']}/test", {"query": "sub1=a/b", "user_agent": agent})
    assert reply.status == 200, reply
    first, second = reply.json["hops"]
    assert (first["status"], first["error"]) == (status, None), first
    assert first["location"] == second["url"] == f"http://10.1.2.3/a%2Fb?c={TEST_CLICK_ID}&o=iOS"
    assert first["reason"] == (None if redirect_type else "no-profile")
    assert (reply.json["end"], second["error"]) == ("failed", "address-refused")
    assert issued(stack) == before
