"""The postback intake as `make up` runs it: at the URL that the operator is shown, counted, and started again."""

from __future__ import annotations

import os
import signal
from urllib.parse import urlsplit

import orjson
import urllib3

from running_stack import Stack, is_alive
from waiting import wait_until
from world import World


def report(world: World, stack: Stack, click_id: str, order_id: str) -> int:
    """Report a deposit at the URL that came with the merchant; return the status, 0 for no answer."""
    shown = urlsplit(world.merchant["postback_urls"]["json"])
    assert shown.port == int(stack.environ["INTAKE_PORT"])
    body = orjson.dumps({"click_id": click_id, "event": "deposit", "order_id": order_id, "payout": "1"})
    headers = {"Content-Type": "application/json", "Host": shown.netloc}
    url = f"http://127.0.0.1:{shown.port}{shown.path}"
    try:
        return urllib3.request("POST", url, body=body, headers=headers, timeout=20.0, retries=False).status
    except urllib3.exceptions.HTTPError:
        return 0


def test_a_postback_at_the_url_that_is_shown_becomes_a_conversion(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    assert report(world, stack, click_id, "shown") == 200
    found = stack.await_postbacks(click_id, 1)
    assert [conversion["order_id"] for conversion in found["conversions"]] == ["shown"]
    assert stack.await_settled()["postbacks"]["difference"] == 0


def test_the_edges_metrics_count_what_the_intake_took(world: World, stack: Stack) -> None:
    def recorded() -> float:
        line = 'waypost_edge_answers_total{outcome="postback-recorded"} '
        text = stack.edge("/metrics").body.decode()
        return float(text.partition(line)[2].split("\n")[0])

    click_id = world.click(world.link())
    before = recorded()
    assert report(world, stack, click_id, "counted") == 200
    assert recorded() == before + 1


def test_an_intake_that_is_killed_comes_back_and_loses_nothing(world: World, stack: Stack) -> None:
    click_id = world.click(world.link())
    assert report(world, stack, click_id, "before") == 200
    pid = stack.pid("intake")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), what="the intake to be gone")
    wait_until(lambda: report(world, stack, click_id, "after") in (200, 409), 60, "the intake to answer again")

    def stored() -> set[str]:
        return {conversion["order_id"] for conversion in stack.await_click(click_id)["conversions"]}

    wait_until(lambda: stored() == {"before", "after"}, what="both conversions")
    assert stack.await_settled()["postbacks"]["difference"] == 0
