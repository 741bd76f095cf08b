"""200 connections that trickle a byte at a time: the others stay quick, and a proxy closes the slow ones."""

from __future__ import annotations

import os
import select
import socket
import statistics
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest

from bare_edge import HOST, SERVERS, running_edge
from front_proxy import running_caddy, running_nginx
from steady_load import SteadyLoad
from waiting import wait_until

SLOW = 200
CLOSED_S_MAX = 10
# Seconds of trickling in all, in each place. WAYPOST_TEST_TRICKLE_S=60 is the long run.
TRICKLE_S = int(os.environ.get("WAYPOST_TEST_TRICKLE_S", "4"))
ROUNDS = 4
REQUESTS_A_ROUND = 250
ATTEMPTS = 4
# gthread gives each connection a thread until its header is complete, and has sixteen.
EVENT_LOOPS = [server for server in SERVERS if server != "gthread"]
_REQUEST = f"GET /click/link1?sub1=slow HTTP/1.1\r\nHost: {HOST}\r\nX-Slow: ".encode()


class Trickle:
    """Connections that each send a byte a second and never finish their header."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopped = threading.Event()
        self.opened_at: dict[socket.socket, float] = {}
        self.open_s: list[float] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for _ in range(SLOW):
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=10)
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
        sent = 0
        # The pause is the pace of the trickle; nothing waits for it.
        while not self._stopped.wait(0.25):
            self._reap()
            sent += 1
            if sent % 4 == 0:
                for connection in list(self.opened_at):
                    self._send(connection, _REQUEST[sent // 4 - 1 : sent // 4] or b"x")

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


def p99_ms(port: int) -> float:
    load = SteadyLoad(port, keep_alive=True, threads=2)
    with load.flowing():
        load.await_more(REQUESTS_A_ROUND)
    assert load.failed == []
    return statistics.quantiles(load.latencies_s, n=100)[98] * 1000


def assert_others_are_not_slowed(port: int) -> None:
    """Compare p99 with and without the slow ones, in turn; a noisy machine gets several attempts."""
    seen = []
    for _ in range(ATTEMPTS):
        quiet, beside, trickled_s = [], [], 0.0
        while len(beside) < ROUNDS or trickled_s < TRICKLE_S:
            quiet.append(p99_ms(port))
            with Trickle(port).flowing():
                started = monotonic()
                beside.append(p99_ms(port))
                trickled_s += monotonic() - started
        ratio = statistics.median(beside) / statistics.median(quiet)
        seen.append(f"{ratio:.2f} ({statistics.median(quiet):.2f} ms quiet)")
        if ratio <= 2:
            print(f"p99 beside {SLOW} slow connections: {seen[-1]}")  # noqa: T201
            return
    raise AssertionError(f"others' p99 beside {SLOW} slow connections, as a multiple of quiet: {', '.join(seen)}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("behind", ["nothing", "nginx", "caddy"])
@pytest.mark.parametrize("server", EVENT_LOOPS)
def test_slow_connections_do_not_slow_the_others(server: str, behind: str, tmp_path: Path) -> None:
    run = {"nginx": running_nginx, "caddy": running_caddy}
    with running_edge(server, tmp_path / "edge") as edge, ExitStack() as stack:
        port = edge.port
        if behind in run:
            port = stack.enter_context(run[behind](tmp_path / "proxy", edge.port)).port
        assert_others_are_not_slowed(port)


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
