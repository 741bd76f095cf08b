"""The quota of requests a minute: each caller has its own, and every answer says what is left of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import falcon
import pytest
from falcon.testing import TestClient

from admin_api.http import RateLimit, caller_key, handle_error
from admin_api.runtime import Actor
from tracking.rights import Role, rights_of


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Caller:
    """Middleware that knows the caller from a header, or nobody without it."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        token = req.get_header("Token")
        if token:
            req.context.actor = SimpleNamespace(token_id=int(token), user_id=7)


class Answers:
    """A resource that answers."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.text = "ok"


def client(per_minute: int, clock: Clock) -> TestClient:
    app: Any = falcon.App(middleware=[Caller(), RateLimit(per_minute, clock)])
    app.add_error_handler((Exception, falcon.HTTPError), handle_error)
    app.add_route("/", Answers())
    return TestClient(app)


def test_every_answer_says_what_is_left_of_the_quota() -> None:
    clock = Clock()
    web = client(2, clock)
    first = web.simulate_get("/", headers={"Token": "1"}).headers
    assert first["RateLimit-Policy"] == '"requests";q=2;w=60'
    assert first["RateLimit"] == '"requests";r=1;t=60'
    clock.now += 20.5
    assert web.simulate_get("/", headers={"Token": "1"}).headers["RateLimit"] == '"requests";r=0;t=40'


def test_a_request_beyond_the_quota_is_429_with_the_seconds_to_wait_and_another_caller_is_served() -> None:
    clock = Clock()
    web = client(1, clock)
    web.simulate_get("/", headers={"Token": "1"})
    refused = web.simulate_get("/", headers={"Token": "1"})
    assert (refused.status_code, refused.json["code"]) == (429, "too-many-requests")
    assert (refused.headers["Retry-After"], refused.headers["RateLimit"]) == ("60", '"requests";r=0;t=60')
    assert web.simulate_get("/", headers={"Token": "2"}).status_code == 200
    clock.now += 60
    assert web.simulate_get("/", headers={"Token": "1"}).status_code == 200


@pytest.mark.parametrize(("per_minute", "headers"), [(0, {"Token": "1"}), (1, {})])
def test_without_a_limit_or_a_caller_nothing_is_counted(per_minute: int, headers: dict[str, str]) -> None:
    web = client(per_minute, Clock())
    answers = [web.simulate_get("/", headers=headers) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_threads_share_one_count() -> None:
    limit = RateLimit(1000, Clock())
    with ThreadPoolExecutor(8) as threads:
        left = list(threads.map(lambda _: limit.take("token:1").remaining, range(1000)))
    assert sorted(left) == list(range(1000))


def test_callers_that_went_away_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    for number in range(1001):
        limit.take(f"token:{number}")
    clock.now += 61
    limit.take("token:5000")
    assert list(limit._windows) == ["token:5000"]


def test_a_token_and_its_user_have_quotas_of_their_own() -> None:
    token = Actor("T", 3, 9, Role.MANAGER, rights_of(Role.MANAGER), None)
    assert {caller_key(token), caller_key(token._replace(token_id=None))} == {"token:3", "user:9"}
