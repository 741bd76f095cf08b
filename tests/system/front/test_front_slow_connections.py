"""200 connections that trickle a byte at a time, in header or body: the others stay quick, and a proxy closes them."""

from __future__ import annotations

import os
import select
import socket
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from bare_edge import HOST, SERVERS, TOKEN, end_edge, fill_mirror, running_edge, start_intake
from front_proxy import running_caddy, running_nginx
from steady_load import SteadyLoad
from waiting import wait_until

PROXIES = {"nginx": running_nginx, "caddy": running_caddy}
SLOW = 200
CLOSED_S_MAX = 10
# Seconds of trickling in all, in each place. WAYPOST_TEST_TRICKLE_S=60 is the long run.
TRICKLE_S = int(os.environ.get("WAYPOST_TEST_TRICKLE_S", "4"))
ROUNDS = 4
REQUESTS_A_ROUND = 250
ATTEMPTS = 4
# gthread gives each connection a thread until its header is complete, and has sixteen.
EVENT_LOOPS = [server for server in SERVERS if server != "gthread"]
_HEADER = f"GET /click/link1?sub1=slow HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode()
_BEFORE_BODY = f"POST /postback/{TOKEN} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\n".encode()
# Each connection sends once in so many ticks: all at once they would hold up the load, which is in this process too.
_TICKS, _TICK_S = 20, 0.05


class Trickle:
    """Connections that each send a byte a second and never finish: their header, or the body after `at_once`."""

    def __init__(self, port: int, at_once: bytes = b"") -> None:
        self._port = port
        self._at_once = at_once
        self._stopped = threading.Event()
        self.opened_at: dict[socket.socket, float] = {}
        self.open_s: list[float] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for _ in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            connection.sendall(self._at_once)
            connection.setblocking(False)
            self.opened_at[connection] = monotonic()
        thread = threading.Thread(target=self._flow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            for connection in self.opened_at:
                connection.close()

    def _flow(self) -> None:
        ticks = 0
        slowly = b"" if self._at_once else _HEADER
        # The pause is the pace of the trickle; nothing waits for it.
        while not self._stopped.wait(_TICK_S):
            if ticks % (_TICKS // 4) == 0:
                self._reap()
            second, tick = divmod(ticks, _TICKS)
            for connection in list(self.opened_at)[tick::_TICKS]:
                self._send(connection, slowly[second : second + 1] or b"x")
            ticks += 1

    def _send(self, connection: socket.socket, what: bytes) -> None:
        try:
            connection.send(what)
        except OSError:
            self._gone(connection)

    def _reap(self) -> None:
        poller = select.poll()
        sockets = {connection.fileno(): connection for connection in self.opened_at}
        for descriptor in sockets:
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll(0):
            try:
                if sockets[descriptor].recv(4096):
                    continue
            except OSError:
                pass
            self._gone(sockets[descriptor])

    def _gone(self, connection: socket.socket) -> None:
        self.open_s.append(monotonic() - self.opened_at.pop(connection))
        connection.close()


def p99_ms(port: int, seconds: float = 0.0) -> float:
    """Return the p99 of one round of clicks, which takes that long or longer."""
    load = SteadyLoad(port, keep_alive=True, threads=2)
    until = monotonic() + seconds
    with load.flowing():
        load.await_more(REQUESTS_A_ROUND)
        wait_until(lambda: monotonic() >= until, seconds + 1, "the round's end")
    assert load.failed == []
    assert load.reset == 0
    return statistics.quantiles(load.latencies_s, n=100)[98] * 1000


def assert_others_are_not_slowed(place: str, port: int, trickle: Callable[[], Trickle]) -> None:
    """Compare p99 with and without the slow ones, in turn; a noisy machine gets several attempts."""
    seen = []
    for _ in range(ATTEMPTS):
        quiet, beside = [], []
        for _ in range(ROUNDS):
            quiet.append(p99_ms(port))
            with trickle().flowing():
                beside.append(p99_ms(port, TRICKLE_S / ROUNDS))
        ratio = statistics.median(beside) / statistics.median(quiet)
        seen.append(f"{ratio:.2f} ({statistics.median(beside):.2f} ms, {statistics.median(quiet):.2f} ms quiet)")
        if ratio <= 2:
            attempt = f"attempt {len(seen)}, " if len(seen) > 1 else ""
            print(f"\n{place}: p99 beside {SLOW} slow connections, {attempt}{TRICKLE_S} s: {seen[-1]}")  # noqa: T201
            return
    raise AssertionError(f"others' p99 beside {SLOW} slow connections, as a multiple of quiet: {', '.join(seen)}")


@pytest.mark.quiet
@pytest.mark.timeout(300 + 10 * TRICKLE_S)
@pytest.mark.parametrize("behind", ["nothing", "nginx", "caddy"])
@pytest.mark.parametrize("server", EVENT_LOOPS)
def test_slow_headers_do_not_slow_the_others(server: str, behind: str, tmp_path: Path) -> None:
    with running_edge(server, tmp_path / "edge") as edge, ExitStack() as stack:
        port = edge.port
        if behind in PROXIES:
            port = stack.enter_context(PROXIES[behind](tmp_path / "proxy", edge.port)).port
        assert_others_are_not_slowed(f"{server} behind {behind}, headers", port, lambda: Trickle(port))


@pytest.mark.quiet
@pytest.mark.timeout(300 + 10 * TRICKLE_S)
@pytest.mark.parametrize("behind", PROXIES)
@pytest.mark.parametrize("server", EVENT_LOOPS)
def test_slow_bodies_do_not_slow_the_others_behind_a_proxy(server: str, behind: str, tmp_path: Path) -> None:
    with running_edge(server, tmp_path / "edge") as edge:
        intake = start_intake(tmp_path / "edge")
        try:
            with PROXIES[behind](tmp_path / "proxy", edge.port, intake_port=intake.port) as front:
                place = f"{server} behind {behind}, bodies"
                assert_others_are_not_slowed(place, front.port, lambda: Trickle(front.port, _BEFORE_BODY))
        finally:
            end_edge(intake)


@pytest.mark.quiet
@pytest.mark.timeout(300 + 10 * TRICKLE_S)
def test_slow_bodies_do_not_slow_the_others_at_the_bare_intake(tmp_path: Path) -> None:
    home = tmp_path / "edge"
    home.mkdir()
    fill_mirror(home)
    intake = start_intake(home)
    try:
        assert_others_are_not_slowed("bare intake, bodies", intake.port, lambda: Trickle(intake.port, _BEFORE_BODY))
    finally:
        end_edge(intake)


@pytest.mark.parametrize("run", [running_nginx, running_caddy], ids=["nginx", "caddy"])
def test_a_proxy_closes_every_slow_connection_in_time(run: object, tmp_path: Path) -> None:
    with running_edge(EVENT_LOOPS[-1], tmp_path / "edge") as edge, run(tmp_path / "proxy", edge.port) as front:  # type: ignore[operator]
        trickle = Trickle(front.port)
        with trickle.flowing():
            wait_until(lambda: not trickle.opened_at, CLOSED_S_MAX + 10, "the proxy to close all slow connections")
        assert len(trickle.open_s) == SLOW
        assert max(trickle.open_s) <= CLOSED_S_MAX + 1
        assert edge.clicks() == []


@pytest.mark.skipif("granian" not in SERVERS, reason="granian is not offered")
def test_granian_closes_slow_connections_by_itself(tmp_path: Path) -> None:
    with running_edge("granian", tmp_path / "edge") as edge:
        trickle = Trickle(edge.port)
        with trickle.flowing():
            wait_until(lambda: not trickle.opened_at, CLOSED_S_MAX + 10, "granian to close all slow connections")
        assert len(trickle.open_s) == SLOW
