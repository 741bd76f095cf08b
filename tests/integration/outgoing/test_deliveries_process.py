"""The deliveries process as it is started: killed in the middle, without PostgreSQL, without Redis, told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from redis import Redis

import delivery_cases as partners
import worker_cases as cases
from embedded_servers import running_valkey, server_home
from partner import partner
from waiting import wait_until
from worker.outgoing import wake_dispatchers

ROOT = Path(__file__).resolve().parents[3]


class Deliveries:
    """One `python -m worker deliveries` that may call loopback addresses; its log is in a file."""

    def __init__(self, database_url: str, redis_url: str, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.log_path = home / f"deliveries-{uuid4().hex}.log"
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "WAYPOST_HOME": str(home),
            "CLICK_ID_KEYS": cases.KEY.hex(),
            "OUTGOING_ALLOWED_NETWORKS": "127.0.0.0/8",
            "OUTGOING_TIMEOUT_S": "5",
            "DELIVERY_CONCURRENCY": "16",
        }
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "worker", "deliveries"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@contextmanager
def process(database_url: str, redis_url: str, home: Path) -> Iterator[Deliveries]:
    running = Deliveries(database_url, redis_url, home)
    try:
        wait_until(lambda: "listening" in running.log or running.popen.poll() is not None, what="the process to listen")
        yield running
    finally:
        if running.popen.poll() is None:
            running.kill()


@pytest.fixture
def configured_url(database_url: str) -> str:
    cases.configure(database_url)
    return database_url


def planned(database_url: str, count: int) -> None:
    for _ in range(count):
        partners.conversion(database_url, partners.click(database_url))
    partners.plan(database_url)


def leases_run_out(database_url: str) -> None:
    """Let the time pass after which an attempt is given up for lost."""
    partners.make_due(database_url)


def test_a_kill_costs_at_most_one_duplicate_of_each_delivery_in_flight_and_loses_none(
    configured_url: str, redis_url: str, home: Path
) -> None:
    """Killed while it has sent requests and waits for the answers, and again while it works the backlog off."""
    with partner(lambda connection, _: shop.stopping.wait(4)) as shop:
        partners.outgoing_postback(configured_url, shop.url("/?id={delivery_id}"))
        planned(configured_url, 40)
        with process(configured_url, redis_url, home) as first:
            # One partner has eight requests at once, at most.
            wait_until(lambda: len(shop.received) == 8, what="eight requests in flight")
            first.kill()
        in_flight = {each.path for each in shop.received}
        assert len(in_flight) == unended(configured_url) == 8
        shop.behaviour = lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with process(configured_url, redis_url, home) as second:
            wait_until(lambda: len(shop.received) >= 20, what="the backlog to move")
            second.kill()
        # Those of the first kill, which still count as under way, and what the second had not written down.
        unknown = unended(configured_url)
        leases_run_out(configured_url)
        with process(configured_url, redis_url, home):
            partners.wait_for_state(configured_url, "delivered", 40)
    seen = Counter(each.path for each in shop.received)
    assert len(seen) == 40
    assert max(seen.values()) == 2
    assert {path for path, times in seen.items() if times == 2} >= in_flight
    assert 8 <= sum(times - 1 for times in seen.values()) <= unknown <= 8 + 16
    assert len({each.headers["webhook-id"] for each in shop.received}) == 40


def unended(database_url: str) -> int:
    count: int = cases.rows(database_url, "select count(*) from delivery_attempts where ended_at is null")[0][0]
    return count


def test_a_delivery_in_flight_is_not_sent_by_another_process(configured_url: str, redis_url: str, home: Path) -> None:
    with partner(lambda connection, _: shop.stopping.wait(3)) as shop:
        partners.outgoing_postback(configured_url, shop.url("/?id={delivery_id}"))
        planned(configured_url, 12)
        with process(configured_url, redis_url, home), process(configured_url, redis_url, home):
            wait_until(lambda: len(shop.received) == 12, what="all twelve, of two processes with eight slots each")
    assert len({each.path for each in shop.received}) == 12


def test_stopping_lets_requests_in_flight_end_and_writes_them_down(
    configured_url: str, redis_url: str, home: Path
) -> None:
    def slow(connection: object, _: object) -> None:
        shop.stopping.wait(1)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]

    with partner(slow) as shop:
        partners.outgoing_postback(configured_url, shop.url())
        planned(configured_url, 3)
        with process(configured_url, redis_url, home) as running:
            wait_until(lambda: len(shop.received) == 3, what="the requests")
            running.popen.send_signal(signal.SIGTERM)
            assert running.popen.wait(10) == 0
    assert {each["state"] for each in partners.deliveries(configured_url)} == {"delivered"}


def test_without_postgresql_it_waits_and_then_writes_down_what_it_had_sent(
    configured_url: str, postgres_server: str, redis_url: str, home: Path
) -> None:
    name = configured_url.rsplit("/", 1)[1].partition("?")[0]
    with partner(lambda connection, _: shop.stopping.wait(10)) as shop:
        partners.outgoing_postback(configured_url, shop.url("/?id={delivery_id}"))
        planned(configured_url, 3)
        with process(configured_url, redis_url, home) as running:
            wait_until(lambda: len(shop.received) == 3, what="the requests")
            with psycopg.connect(postgres_server, autocommit=True) as admin:
                admin.execute(f"alter database {name} allow_connections false")
                admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
                wait_until(lambda: "postgresql-away" in running.log, what="the process to notice")
                # They end while nobody can write it down: the partner has them, as failures.
                wait_until(lambda: shop.connections == 3, what="no further requests")
                admin.execute(f"alter database {name} allow_connections true")
            partners.wait_for_ended(configured_url, 3)
            assert running.popen.poll() is None
    assert len(shop.received) == 3
    assert {each["error"] for each in partners.attempts(configured_url)} == {"timed-out"}


def test_with_redis_flushed_deliveries_go_on(configured_url: str, redis_url: str, home: Path) -> None:
    with partner() as shop, Redis.from_url(redis_url) as redis:
        partners.outgoing_postback(configured_url, shop.url())
        with process(configured_url, redis_url, home):
            redis.flushdb()
            planned(configured_url, 2)
            partners.wait_for_state(configured_url, "delivered", 2)
    assert len(shop.received) == 2


def test_with_redis_gone_deliveries_go_on(configured_url: str, home: Path) -> None:
    with partner() as shop, server_home() as redis_home, ExitStack() as redis:
        url = redis.enter_context(running_valkey(redis_home)).url()
        partners.outgoing_postback(configured_url, shop.url())
        with process(configured_url, url, home) as running:
            redis.close()
            wait_until(lambda: "redis-away" in running.log, what="the process to notice")
            planned(configured_url, 2)
            partners.wait_for_state(configured_url, "delivered", 2)
    assert len(shop.received) == 2


def test_the_bell_is_one_job_however_often_it_rings_and_is_answered(
    configured_url: str, redis_url: str, home: Path
) -> None:
    with Redis.from_url(redis_url) as redis, partner() as shop:
        for _ in range(3):
            wake_dispatchers(redis)
        assert redis.llen("rq:queue:deliveries") == 1
        partners.outgoing_postback(configured_url, shop.url())
        planned(configured_url, 1)
        with process(configured_url, redis_url, home) as running:
            partners.wait_for_state(configured_url, "delivered", 1)
            wait_until(lambda: redis.llen("rq:queue:deliveries") == 0, what="the job to be done")
            assert "job-failed" not in running.log


def test_a_bell_nobody_can_ring_is_no_error() -> None:
    wake_dispatchers(Redis.from_url("redis://127.0.0.1:1"))
