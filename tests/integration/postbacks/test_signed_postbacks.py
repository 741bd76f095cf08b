"""A signed postback that is sent again to another host: told by Redis at once, and by the worker in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import time
from typing import Any

import pytest

import worker_cases as cases
from config.configuration import (
    PublishedAccount,
    PublishedToken,
    account_key,
    encode_published,
    link_key,
    profile_key,
    token_key,
)
from edge_client import DEAD_REDIS, Edge, link, profile, running_edge, settings_of
from tracking.runtime import encode_secret, signature_headers
from worker.clicks import task as clicks
from worker.postbacks import task as postbacks
from worker.runtime import Resources

SECRET = encode_secret(b"s" * 32)
SERVED = {
    profile_key("track.example.com"): profile(1),
    link_key(1, "abc"): link(1, "https://m.example/?c={click_id}"),
    token_key("token"): encode_published(PublishedToken(1, "USD")),
    account_key(1): encode_published(PublishedAccount(1, "USD", "hmac", [], None, [SECRET], {})),
}


@pytest.fixture(autouse=True)
def used(database_url: str, redis_url: str) -> Iterator[Resources]:
    with cases.installed(database_url, redis_url) as used:
        yield used


@pytest.fixture
def hosts(tmp_path: Path, request: pytest.FixtureRequest, redis_url: str) -> Iterator[list[Edge]]:
    """Two edges of two hosts: of one Redis, or where the test asks for none, of one that is away."""
    url = redis_url if request.param else DEAD_REDIS
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running_edge(
                    settings_of(tmp_path / node, EDGE_NODE_ID=node, REDIS_URL=url, CLICK_ID_KEYS=cases.KEY.hex()),
                    SERVED.items(),
                )
            )
            for node in ("1", "2")
        ]


def click_on(edge: Edge) -> str:
    return str(edge.get("/click/abc", host="track.example.com").headers["x-waypost-click-id"])


def report(edge: Edge, query: str, message_id: str, at_s: int) -> int:
    headers = signature_headers(message_id, at_s, query.encode(), [SECRET])
    answer = edge.postback(
        f"/postback/token?{query}", **{name.replace("-", "_"): value for name, value in headers.items()}
    )
    return answer.status_code


def stored(database_url: str, hosts: list[Edge], query: str) -> list[tuple[Any, ...]]:
    """Store what all hosts spooled, clicks first, and return the rows of a query."""
    for number, edge in enumerate(hosts):
        clicks.store_batch(f"{number + 1}-0-3fa9c1d2-clicks", 0, edge.payloads("clicks"))
    for number, edge in enumerate(hosts):
        postbacks.store_batch(f"{number + 1}-0-3fa9c1d2-postbacks", 0, edge.payloads("postbacks"))
    return cases.rows(database_url, query)


@pytest.mark.parametrize("hosts", [True], indirect=True)
def test_with_redis_the_other_host_refuses_a_replay_at_once(database_url: str, hosts: list[Edge]) -> None:
    query, now = f"click_id={click_on(hosts[0])}&event=deposit&payout=5", int(time())
    assert [report(edge, query, "msg_1", now) for edge in hosts] == [200, 409]
    assert report(hosts[1], query, "msg_2", now) == 409  # The same deposit within ten seconds.
    assert [postback.reason for postback in hosts[1].postbacks] == ["replayed", "duplicate"]
    judged = stored(database_url, hosts, "select answered, outcome, reason from postbacks order by received_at")
    assert judged == [(200, "recorded", None), (409, "refused", "replayed"), (409, "duplicate", "duplicate")]


@pytest.mark.parametrize("hosts", [False], indirect=True)
def test_without_redis_the_worker_refuses_the_replay(database_url: str, hosts: list[Edge]) -> None:
    click_id, now = click_on(hosts[0]), int(time())
    first, second = (f"click_id={click_id}&event=ftd&order_id=7&payout={payout}" for payout in (5, 50))
    assert report(hosts[0], first, "msg_1", now) == 200
    assert report(hosts[0], second, "msg_2", now) == 200
    # Would set the amount back: the other host has not seen this id, and the signature is as good as it was.
    assert report(hosts[1], first, "msg_1", now) == 200
    assert report(hosts[0], first, "msg_1", now) == 409
    judged = stored(database_url, hosts, "select answered, outcome, reason from postbacks order by received_at")
    assert judged == [
        (200, "recorded", None),
        (200, "transition", None),
        (200, "refused", "replayed"),
        (409, "refused", "replayed"),
    ]
    assert cases.rows(database_url, "select payout_minor from conversions") == [(5000,)]
    assert cases.rows(database_url, "select nonce from postback_nonces order by nonce") == [("msg_1",), ("msg_2",)]


@pytest.mark.parametrize("hosts", [True], indirect=True)
def test_corrections_and_nonce_are_stored_with_the_postback(database_url: str, hosts: list[Edge]) -> None:
    query = f"click_id=null&sub1={click_on(hosts[0])}&event=ftd&payout=$5"
    assert report(hosts[0], query, "msg_1", int(time())) == 200
    ((nonce, corrections),) = stored(database_url, hosts, "select nonce, corrections from postbacks")
    assert nonce == "msg_1"
    assert [each["rule"] for each in corrections] == ["click-in-another-parameter", "amount-read"]
