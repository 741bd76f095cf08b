"""Restarts under load: a rolling one, one edge after the other behind nginx, and one on a socket that systemd keeps."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from time import monotonic

import pytest

from bare_edge import SERVERS, BareEdge, end_edge, fill_mirror, running_edge, start_edge
from front_proxy import running_nginx
from running_stack import children
from steady_load import SteadyLoad
from waiting import wait_until

STOP_S_MAX = 10
GRACEFUL = [server for server in SERVERS if server != "gthread"]
# gunicorn takes sockets from systemd; granian does not.
TAKES_SOCKETS = [server for server in SERVERS if server in ("meinheld", "gthread")]


def assert_nothing_failed_or_lost(load: SteadyLoad, edge: BareEdge) -> None:
    recorded = {click.click_id for click in edge.clicks()}
    assert load.failed == []
    assert load.refused + load.reset == 0
    assert [click_id for click_id in load.click_ids if click_id not in recorded] == []
    assert len(set(load.click_ids)) == len(load.click_ids)


def stop(edge: BareEdge) -> None:
    started = monotonic()
    edge.signal(signal.SIGTERM)
    edge.process.wait(STOP_S_MAX + 5)
    assert monotonic() - started <= STOP_S_MAX


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "new-connections"])
@pytest.mark.parametrize("server", GRACEFUL)
def test_a_rolling_restart_fails_no_request_and_loses_no_click(server: str, keep_alive: bool, tmp_path: Path) -> None:
    with running_edge(server, tmp_path / "edge") as edge:
        load = SteadyLoad(edge.port, keep_alive=keep_alive)
        with load.flowing():
            load.await_more(100)
            before = set(children(edge.process.pid))
            os.kill(edge.process.pid, signal.SIGHUP)
            wait_until(lambda: workers_replaced(edge, before), 60, "new edge processes")
            load.await_more(100)
        assert_nothing_failed_or_lost(load, edge)


def workers_replaced(edge: BareEdge, before: set[int]) -> bool:
    now = set(children(edge.process.pid))
    # multiprocessing's tracker, where there is one, stays.
    return len(now - before) >= 2 and len(now & before) <= 1


@pytest.mark.parametrize("keep_alive", [True, False], ids=["keep-alive", "new-connections"])
@pytest.mark.parametrize("server", GRACEFUL)
def test_stopping_one_of_two_edges_behind_nginx_fails_no_request(server: str, keep_alive: bool, tmp_path: Path) -> None:
    home = tmp_path / "edge"
    with running_edge(server, home, EDGE_WORKERS="1") as first:
        edges = [first, start_edge(server, home, EDGE_WORKERS="1")]
        try:
            with running_nginx(tmp_path / "nginx", *(edge.port for edge in edges)) as front:
                load = SteadyLoad(front.port, keep_alive=keep_alive)
                with load.flowing():
                    for number, edge in enumerate(edges):
                        load.await_more(100)
                        stop(edge)
                        edges[number] = start_edge(server, home, EDGE_WORKERS="1", EDGE_PORT=str(edge.port))
                    load.await_more(100)
                assert load.retried == 0
                assert_nothing_failed_or_lost(load, first)
        finally:
            for edge in edges:
                end_edge(edge)


@pytest.mark.parametrize("server", TAKES_SOCKETS)
def test_a_restart_on_a_socket_that_systemd_keeps_fails_no_request(server: str, tmp_path: Path) -> None:
    home = tmp_path / "edge"
    home.mkdir()
    fill_mirror(home)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        edge = start_edge(server, home, listener)
        try:
            load = SteadyLoad(edge.port, keep_alive=False)
            with load.flowing():
                load.await_more(100)
                stop(edge)
                edge = start_edge(server, home, listener)
                load.await_more(100)
            assert_nothing_failed_or_lost(load, edge)
        finally:
            end_edge(edge)


@pytest.mark.parametrize("server", GRACEFUL)
def test_a_stop_answers_what_was_asked_and_loses_no_click(server: str, tmp_path: Path) -> None:
    with running_edge(server, tmp_path / "edge") as edge:
        load = SteadyLoad(edge.port, keep_alive=True)
        with load.flowing():
            load.await_more(100)
            stop(edge)
        # After a stop nobody listens: new connections are refused, or reset if they were queued for it in that
        # moment, and that is no failed request. Whatever was recorded was answered.
        recorded = {click.click_id for click in edge.clicks()}
        assert load.failed == []
        assert set(load.click_ids) == recorded
