"""kill -9 of each process in turn under load, and a flushed Redis: every answered click is stored, exactly once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import urllib3
from redis import Redis

from config.settings import embedded_redis_url
from running_stack import Reply, Stack, children, is_alive
from tracking.clicks import parse_click_id
from waiting import wait_until
from world import World

PROCESSES = (
    "edge",
    "intake",
    "agent",
    "clicks",
    "clicks-2",
    "postbacks",
    "deliveries",
    "maintenance",
    "admin",
    "valkey",
    "postgres",
)
CLICKS_BETWEEN = 15
THREADS = 2
PACE_S = 0.02


class Traffic:
    """Visitors that click on and on, and merchants that report every tenth click, until stopped."""

    def __init__(self, world: World) -> None:
        self._stack = world.stack
        self._link = world.link()
        self._token = world.merchant["postback_token"]
        self._stopped = threading.Event()
        self.click_ids: list[str] = []
        self.converted: list[str] = []
        self.refused: list[Reply] = []
        self.unanswered = 0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        with ThreadPoolExecutor(THREADS) as pool:
            lanes = [pool.submit(self._flow) for _ in range(THREADS)]
            try:
                yield
            finally:
                self._stopped.set()
        for lane in lanes:
            lane.result()

    def await_more(self, count: int = CLICKS_BETWEEN) -> None:
        wanted = len(self.click_ids) + count
        wait_until(lambda: len(self.click_ids) >= wanted, 60, f"{count} more clicks to be answered")

    def _flow(self) -> None:
        # The pause sets a pace that leaves a small machine time for restarts; nothing waits for it.
        while not self._stopped.wait(PACE_S):
            try:
                reply = self._stack.edge(self._link["path"], self._link["host"])
                if reply.status != 302:
                    self.refused.append(reply)
                    continue
                click_id = reply.headers["x-waypost-click-id"]
                self.click_ids.append(click_id)
                if len(self.click_ids) % 10 == 0:
                    fields = {"click_id": click_id, "event": "registration"}
                    if self._stack.postback(f"/postback/{self._token}", fields).status == 200:
                        self.converted.append(click_id)
            except urllib3.exceptions.HTTPError:
                self.unanswered += 1

    def assert_nothing_lost(self) -> None:
        """Check every id that was answered, and the ledger."""
        ledger = self._stack.await_settled(120)
        assert (ledger["difference"], ledger["declared_lost"]) == (0, 0), ledger
        assert (ledger["postbacks"]["difference"], ledger["postbacks"]["declared_lost"]) == (0, 0), ledger
        assert len(set(self.click_ids)) == len(self.click_ids)
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda click_id: self._stack.api("GET", f"/v1/clicks/{click_id}"), self.click_ids))
        missing = [click_id for click_id, reply in zip(self.click_ids, replies, strict=True) if reply.status != 200]
        assert missing == []
        for click_id in self.converted:
            wait_until(lambda click_id=click_id: self._stack.await_click(click_id)["conversions"], what="a conversion")
            assert len(self._stack.await_click(click_id)["conversions"]) == 1
        assert self.refused == []


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def await_new(stack: Stack, name: str, old: int) -> None:
    """Return once a process runs again under another id and everything answers."""
    wait_until(lambda: stack.pid(name) not in (None, old), 60, f"{name} to be started again")
    wait_until(lambda: answers(stack), 60, f"the stack to answer after the kill of {name}")


def answers(stack: Stack) -> bool:
    try:
        return stack.edge("/readyz").status == 200 and stack.api("GET", "/v1/ledger").status == 200
    except urllib3.exceptions.HTTPError:
        return False


def redis_of(stack: Stack) -> Redis:
    return Redis.from_url(embedded_redis_url(stack.home, int(stack.environ["EMBEDDED_VALKEY_PORT"])))


def test_every_process_is_known(stack: Stack) -> None:
    assert set(PROCESSES) <= set(stack.names)


def test_nothing_is_lost_when_each_process_is_killed_in_turn(world: World, stack: Stack) -> None:
    traffic = Traffic(world)
    with traffic.flowing():
        for name in PROCESSES:
            traffic.await_more()
            victim = stack.pid(name)
            assert victim is not None
            kill(victim)
            await_new(stack, name, victim)
            traffic.await_more()
            assert any(f"{name} stopped" in line and "again" in line for line in stack.log.splitlines())
    traffic.assert_nothing_lost()


def test_a_killed_edge_worker_takes_no_click_and_no_other_process_along(world: World, stack: Stack) -> None:
    traffic = Traffic(world)
    leader = stack.pid("edge")
    assert leader is not None
    with traffic.flowing():
        for _ in range(4):
            traffic.await_more(5)
            victim = wait_until(lambda: children(leader), what="edge workers")[0]
            kill(victim)
            wait_until(lambda victim=victim: not is_alive(victim), what="the kill")
    traffic.assert_nothing_lost()
    assert stack.pid("edge") == leader


def test_links_redirect_while_redis_and_postgres_are_stopped(world: World, stack: Stack) -> None:
    traffic = Traffic(world)
    stopped = [pid for name in ("valkey", "postgres") if (pid := stack.pid(name))]
    assert len(stopped) == 2
    with traffic.flowing():
        traffic.await_more()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            traffic.await_more(40)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        traffic.await_more()
    traffic.assert_nothing_lost()


def test_nothing_is_lost_when_redis_is_flushed(world: World, stack: Stack) -> None:
    traffic = Traffic(world)
    with traffic.flowing(), redis_of(stack) as redis:
        for _ in range(3):
            traffic.await_more()
            redis.flushall()
            traffic.await_more(5)
        # What was published is published again, and a change made after the flush arrives.
        link = world.link()
        assert parse_click_id(world.click(link), [bytes.fromhex((stack.home / "click-id-keys").read_text().strip())])
    traffic.assert_nothing_lost()
