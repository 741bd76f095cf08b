"""The postback intake behind the shipped proxies: postbacks reach it, and the edges take them while it is away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import orjson
import pytest

from bare_edge import HOST, TOKEN, BareEdge, end_edge, recorded, running_edge, start_intake
from exchanges import exchange, get
from front_proxy import Front, running_caddy, running_nginx
from running_stack import children
from tracking.spool import Postback, decode_postback
from waiting import wait_until

LANES = 4
RunProxy = Callable[..., AbstractContextManager[Front]]
PROXIES = pytest.mark.parametrize("run", [running_nginx, running_caddy], ids=["nginx", "caddy"])


@dataclass
class Place:
    """An edge with a proxy before it, and the intake. Each of the two writes a spool of its own."""

    edge: BareEdge
    front: Front
    intake: BareEdge
    intake_spool: Path

    def restart_intake(self) -> None:
        self.intake = start_intake(self.edge.home, INTAKE_PORT=str(self.intake.port), SPOOL_DIR=str(self.intake_spool))

    def at_the_intake(self) -> dict[str, Postback]:
        found = [decode_postback(payload) for payload in recorded(self.intake_spool, "postbacks")]
        return {postback.postback_id: postback for postback in found}

    def at_the_edge(self) -> dict[str, Postback]:
        return {postback.postback_id: postback for postback in self.edge.postbacks()}


@contextmanager
def running_place(run: RunProxy, directory: Path) -> Iterator[Place]:
    home, spool = directory / "edge", directory / "intake-spool"
    with running_edge("granian", home, EDGE_WORKERS="1", TRUSTED_PROXIES="1") as edge:
        intake = start_intake(home, SPOOL_DIR=str(spool), TRUSTED_PROXIES="1")
        with run(directory / "proxy", edge.port, intake_port=intake.port) as front:
            place = Place(edge, front, intake, spool)
            try:
                yield place
            finally:
                end_edge(place.intake)


def post(port: int, route: str, click_id: str, order_id: str) -> tuple[int, str]:
    """Report a deposit; return the status and the postback's id."""
    body = urlencode({"click_id": click_id, "event": "deposit", "order_id": order_id, "payout": "1"})
    lines = [
        f"POST {route} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        f"Authorization: Bearer {TOKEN}",
        "Connection: close",
    ]
    answer = exchange(port, ("\r\n".join(lines) + "\r\n\r\n" + body).encode(), 15)
    status = answer.statuses[0] if answer.statuses else 0
    content = answer.data.partition(b"\r\n\r\n")[2]
    return status, orjson.loads(content)["postback_id"] if status == 200 else ""


def a_click(place: Place) -> str:
    """Click through the proxy; return the click's id."""
    answer = get(place.front.port, b"/click/link1")
    assert answer.statuses == [302]
    return next(click.click_id for click in place.edge.clicks())


class Merchant:
    """Reports deposits of one click on and on, each over a connection of its own."""

    def __init__(self, port: int, click_id: str) -> None:
        self._port, self.click_id = port, click_id
        self._stopped = threading.Event()
        self.answers: list[tuple[int, str]] = []

    @contextmanager
    def reporting(self) -> Iterator[None]:
        with ThreadPoolExecutor(LANES) as pool:
            lanes = [pool.submit(self._report, lane) for lane in range(LANES)]
            try:
                yield
            finally:
                self._stopped.set()
        for lane in lanes:
            lane.result()

    def await_more(self, count: int) -> None:
        wanted = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= wanted, 60, f"{count} more postbacks to be answered")

    def _report(self, lane: int) -> None:
        number = 0
        # The pause sets the pace; nothing waits for it.
        while not self._stopped.wait(0.02):
            number += 1
            self.answers.append(post(self._port, f"/postback/{TOKEN}", self.click_id, f"{lane}-{number}"))


@PROXIES
def test_postbacks_go_to_the_intake_and_clicks_to_the_edge(run: RunProxy, tmp_path: Path) -> None:
    with running_place(run, tmp_path) as place:
        click_id = a_click(place)
        routes = (f"/postback/{TOKEN}", f"/post-back/{TOKEN}", "/v1/postback")
        answers = [post(place.front.port, route, click_id, route) for route in routes]
        assert [status for status, _ in answers] == [200, 200, 200]
        by_get = f"/postback/{TOKEN}?click_id={click_id}&event=registration".encode()
        assert get(place.front.port, by_get, b"X-Forwarded-For: 6.6.6.6").statuses == [200]
        stored = place.at_the_intake()
        assert {postback_id for _, postback_id in answers} < set(stored)
        assert {postback.ip for postback in stored.values()} == {"127.0.0.1"}
        assert not place.at_the_edge()
        assert len(place.edge.clicks()) == 1


@PROXIES
def test_while_the_intake_is_away_the_edges_take_postbacks(run: RunProxy, tmp_path: Path) -> None:
    with running_place(run, tmp_path) as place:
        merchant = Merchant(place.front.port, a_click(place))
        end_edge(place.intake)
        # nginx asks the edges at once; Caddy once its health check has found out.
        wait_until(lambda: post(place.front.port, "/v1/postback", merchant.click_id, "first")[0] == 200)
        with merchant.reporting():
            merchant.await_more(40)
            place.restart_intake()
            merchant.await_more(100)
        assert {status for status, _ in merchant.answers} == {200}
        at_the_edge, at_the_intake = place.at_the_edge(), place.at_the_intake()
        assert len(at_the_edge) >= 40
        assert at_the_intake
        assert {postback_id for _, postback_id in merchant.answers} <= set(at_the_edge) | set(at_the_intake)


@PROXIES
def test_a_rolling_restart_of_the_intake_fails_no_postback(run: RunProxy, tmp_path: Path) -> None:
    with running_place(run, tmp_path) as place:
        merchant = Merchant(place.front.port, a_click(place))
        with merchant.reporting():
            merchant.await_more(50)
            before = set(children(place.intake.process.pid))
            os.kill(place.intake.process.pid, signal.SIGHUP)
            wait_until(lambda: replaced(place.intake, before), 60, "a new intake process")
            merchant.await_more(50)
        assert {status for status, _ in merchant.answers} == {200}
        stored = set(place.at_the_edge()) | set(place.at_the_intake())
        assert {postback_id for _, postback_id in merchant.answers} == stored


def replaced(intake: BareEdge, before: set[int]) -> bool:
    now = set(children(intake.process.pid))
    # multiprocessing's tracker, where there is one, stays.
    return len(now - before) >= 1 and len(now & before) <= 1 and len(now) <= len(before)
