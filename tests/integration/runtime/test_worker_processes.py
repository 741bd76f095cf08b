"""Worker processes as they are started: usage, stopping, servers going away, and jobs that nobody should run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
from redis import Redis, RedisError
from rq import Queue

import worker_cases as cases
from embedded_servers import running_valkey, server_home
from tracking.runtime import JobSerializer, QueueName, Task
from waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """One `python -m worker`, its log in a file."""

    def __init__(self, arguments: list[str], database_url: str, redis_url: str, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.log_path = home / f"worker-{uuid4().hex}.log"
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "WAYPOST_HOME": str(home),
            "CLICK_ID_KEYS": cases.KEY.hex(),
        }
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "worker", *arguments], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def stop(self, timeout_s: float = 10) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout_s)


@contextmanager
def worker(name: QueueName, database_url: str, redis_url: str, home: Path) -> Iterator[Process]:
    process = Process([name.value], database_url, redis_url, home)
    try:
        wait_until(lambda: "listening" in process.log or process.popen.poll() is not None, what="the worker to listen")
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.wait()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def configured_url(database_url: str) -> str:
    cases.configure(database_url)
    return database_url


def enqueue(redis: Redis, first: int, payloads: list[str], task: Task = Task.STORE_CLICKS) -> str:
    """Enqueue a batch as the agent does."""
    stream = "clicks" if task is Task.STORE_CLICKS else "postbacks"
    spool = cases.SPOOL if task is Task.STORE_CLICKS else cases.POSTBACK_SPOOL
    queue = Queue(stream, connection=redis, serializer=JobSerializer)
    job_id = f"{first}-{uuid4().hex}"
    arguments = (spool, first, payloads, 0)
    queue.enqueue_call(
        task.value, args=arguments, job_id=job_id, timeout=120, result_ttl=0, failure_ttl=300, description=job_id
    )
    return job_id


def clicks_stored(database_url: str) -> int:
    count: int = cases.rows(database_url, "select count(*) from clicks")[0][0]
    return count


@pytest.mark.parametrize("arguments", [[], ["clicks", "postbacks"], ["delivery"], ["--help"]])
def test_anything_but_one_queue_is_a_usage_error(arguments: list[str], home: Path) -> None:
    process = Process(arguments, "postgresql://nobody@127.0.0.1:1/x", "redis://127.0.0.1:1", home)
    assert process.popen.wait(20) == 2
    queues = "clicks|postbacks|deliveries|maintenance"
    first, second = process.log.splitlines()
    assert first == f"usage: python -m worker {queues} (exactly one queue a process)"
    assert second.split()[:5] == ["python", "-m", "worker", "rates", "FILE"]


def test_an_old_schema_is_refused_in_one_sentence(postgres_server: str, redis_url: str, home: Path) -> None:
    process = Process(["clicks"], postgres_server, redis_url, home)
    assert process.popen.wait(20) == 1
    assert process.log.splitlines()[-1].startswith("worker: the database that DATABASE_URL names lacks migration")


def test_a_worker_waits_for_servers_that_are_away_and_stops_when_told(home: Path) -> None:
    process = Process(["clicks"], "postgresql://nobody@127.0.0.1:1/x", "redis://127.0.0.1:1", home)
    wait_until(lambda: process.log.count("postgresql-away") >= 2, what="the worker to wait")
    assert process.stop() == 0


def test_a_batch_costs_at_most_a_tenth_of_a_redis_command_a_click(
    configured_url: str, redis: Redis, redis_url: str, home: Path
) -> None:
    with worker(QueueName.CLICKS, configured_url, redis_url, home) as process:
        enqueue(redis, 0, cases.payloads([cases.click() for _ in range(1000)]))
        wait_until(lambda: clicks_stored(configured_url) == 1000, what="the first batch")
        before = redis.info("stats")["total_commands_processed"]
        for first in range(1000, 6000, 1000):
            enqueue(redis, first, cases.payloads([cases.click() for _ in range(1000)]))
        wait_until(lambda: clicks_stored(configured_url) == 6000, what="five batches more")
        assert process.stop() == 0
        commands = redis.info("stats")["total_commands_processed"] - before
    assert commands / 5000 <= 0.1
    leftovers = [
        key
        for key in redis.keys("rq:*")
        if b":worker" not in key and key not in {b"rq:queues", b"rq:clean_registries:clicks"}
    ]
    assert leftovers == []


def test_the_worker_finishes_its_batch_when_told_to_stop(
    configured_url: str, redis: Redis, redis_url: str, home: Path
) -> None:
    with worker(QueueName.CLICKS, configured_url, redis_url, home) as process:
        with psycopg.connect(configured_url) as blocker:
            blocker.execute("lock table click_days")
            enqueue(redis, 0, cases.payloads([cases.click()]))
            enqueue(redis, 1, cases.payloads([cases.click()]))
            wait_until(lambda: waiting_for_lock(configured_url), what="the batch to wait")
            process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(10) == 0
    assert clicks_stored(configured_url) == 1
    assert redis.llen("rq:queue:clicks") == 1


def test_a_batch_that_does_not_end_is_left_and_the_worker_stops_within_ten_seconds(
    configured_url: str, redis: Redis, redis_url: str, home: Path
) -> None:
    batch = cases.payloads([cases.click()])
    with (
        psycopg.connect(configured_url) as blocker,
        worker(QueueName.CLICKS, configured_url, redis_url, home) as process,
    ):
        blocker.execute("lock table click_days")
        enqueue(redis, 0, batch)
        wait_until(lambda: waiting_for_lock(configured_url), what="the batch to wait")
        began = monotonic()
        process.stop()
        assert monotonic() - began < 10
    with worker(QueueName.CLICKS, configured_url, redis_url, home):
        enqueue(redis, 0, batch)
        wait_until(lambda: clicks_stored(configured_url) == 1, what="the batch of the next try")


def waiting_for_lock(database_url: str) -> bool:
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(cases.rows(database_url, query)[0][0])


def test_a_worker_killed_in_a_batch_leaves_nothing_and_the_next_one_stores_it(
    configured_url: str, redis: Redis, redis_url: str, home: Path
) -> None:
    batch = cases.payloads([cases.click() for _ in range(10)])
    with (
        psycopg.connect(configured_url) as blocker,
        worker(QueueName.CLICKS, configured_url, redis_url, home) as process,
    ):
        blocker.execute("lock table click_days")
        enqueue(redis, 0, batch)
        wait_until(lambda: waiting_for_lock(configured_url), what="the batch to wait")
        process.popen.kill()
        process.popen.wait()
    assert cases.rows(configured_url, "select count(*) from spool_progress") == [(0,)]
    with worker(QueueName.CLICKS, configured_url, redis_url, home):
        enqueue(redis, 0, batch)
        wait_until(lambda: clicks_stored(configured_url) == 10, what="the batch")


def test_no_job_is_taken_while_postgresql_is_away(
    configured_url: str, postgres_server: str, redis: Redis, redis_url: str, home: Path
) -> None:
    name = configured_url.rsplit("/", 1)[1].partition("?")[0]
    with worker(QueueName.CLICKS, configured_url, redis_url, home) as process:
        with psycopg.connect(postgres_server, autocommit=True) as admin:
            admin.execute(f"alter database {name} allow_connections false")
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            wait_until(lambda: "postgresql-away" in process.log, what="the worker to notice")
            enqueue(redis, 0, cases.payloads([cases.click()]))
            noticed = process.log.count("postgresql-away")
            wait_until(lambda: process.log.count("postgresql-away") > noticed + 2, what="the worker to go on waiting")
            assert redis.llen("rq:queue:clicks") == 1
            admin.execute(f"alter database {name} allow_connections true")
        wait_until(lambda: clicks_stored(configured_url) == 1, what="the batch")
    assert redis.zcard("rq:failed:clicks") == 0


def test_a_worker_outlives_redis(configured_url: str, home: Path) -> None:
    with server_home() as redis_home:
        with running_valkey(redis_home) as server:
            command, url = server.command(), server.url()
            with Redis.from_url(url) as redis:
                redis.config_set("appendonly", "no")
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        second = None
        try:
            with Redis.from_url(url) as redis:
                wait_until(lambda: answers(redis), what="Redis")
                with worker(QueueName.CLICKS, configured_url, url, home) as process:
                    for round_number, disturb in enumerate((redis.flushall, first.kill)):
                        disturb()
                        if first.poll() is not None or disturb == first.kill:
                            first.wait()
                            wait_until(lambda: "redis-away" in process.log, what="the worker to notice")
                            second = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                            wait_until(lambda: answers(redis), what="Redis again")
                        enqueue(redis, round_number, cases.payloads([cases.click()]))
                        stored = round_number + 1
                        wait_until(lambda: clicks_stored(configured_url) == stored, what="the batch")  # noqa: B023
                    assert process.stop() == 0
        finally:
            for server_process in (first, second):
                if server_process is not None:
                    server_process.kill()
                    server_process.wait()


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def test_jobs_that_nobody_should_run_are_refused_and_the_worker_goes_on(
    configured_url: str, redis: Redis, redis_url: str, home: Path, tmp_path: Path
) -> None:
    canary = tmp_path / "ran"
    touch = f"touch {canary}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        hook = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "job_status": "failed"}
        batch = [Task.STORE_CLICKS, None, [cases.SPOOL, 0, cases.payloads([cases.click()]), 0], {}]
        hostile: list[tuple[bytes, dict[str, bytes]]] = [
            (json.dumps(["os.system", None, [touch], {}]).encode(), {}),
            (f"cposix\nsystem\n(S'{touch}'\ntR.".encode(), {"meta": f"cposix\nsystem\n(S'{touch}'\ntR.".encode()}),
            (json.dumps(["os.system", None, [touch], {}]).encode(), {"webhooks": json.dumps([hook]).encode()}),
            (json.dumps(batch).encode(), {"webhooks": json.dumps([{**hook, "job_status": "finished"}]).encode()}),
            (json.dumps(batch).encode(), {"success_callback_name": b"os.system"}),
            (json.dumps(["x"]).encode(), {"failure_callback_name": b"os.system"}),
            (json.dumps(batch).encode(), {"repeats_left": b"1000000"}),
            (json.dumps(batch).encode(), {"timeout": b"\xff"}),
        ]
        with worker(QueueName.CLICKS, configured_url, redis_url, home) as process:
            for data, fields in hostile:
                job_id = uuid4().hex
                plain = {"data": zlib.compress(data), "origin": "clicks", "status": "queued"}
                redis.hset(f"rq:job:{job_id}", mapping={**plain, **fields})  # type: ignore[dict-item]
                redis.rpush("rq:queue:clicks", job_id)
            redis.rpush("rq:queue:clicks", "no such job", "../:{}", b"\xff\xfe")
            redis.publish("rq:pubsub:x", "{}")
            enqueue(redis, 0, cases.payloads([cases.click(slug="last")]))
            stored = "select slug from clicks"
            wait_until(lambda: cases.rows(configured_url, stored) == [("last",)], what="the honest job behind them")
            assert process.popen.poll() is None
            assert process.log.count("code=job-refused") == 7
        with pytest.raises(TimeoutError):
            listener.accept()
    assert not canary.exists()


def test_maintenance_makes_partitions_and_matches_parked_postbacks_by_itself(
    configured_url: str, redis_url: str, home: Path
) -> None:
    made = cases.click()
    with cases_installed(configured_url, redis_url) as used:
        from tracking.spool import Batch
        from worker.clicks import task as clicks
        from worker.postbacks import task as postbacks
        from worker.spool import Rules

        postbacks.store_batch(cases.POSTBACK_SPOOL, 0, cases.postback_payloads([cases.postback(made.click_id)]))
        batch = Batch(cases.SPOOL, 0, cases.payloads([made]))
        parsed = clicks.parse_clicks(batch, Rules(used.click_id_keys, used.now_ms()), clicks.visitors_of(used))
        used.database.run(lambda connection: clicks._store(connection, used, batch, parsed))
    outcomes = "select outcome from postbacks"
    assert cases.rows(configured_url, outcomes) == [("parked",)]
    with worker(QueueName.MAINTENANCE, configured_url, redis_url, home) as process:
        wait_until(lambda: cases.rows(configured_url, outcomes) == [("recorded",)], what="the sweep")
        partitions = "select count(*) from pg_inherits where inhparent = 'clicks'::regclass"
        wait_until(lambda: cases.rows(configured_url, partitions)[0][0] >= 9, what="the partitions")
        assert process.stop() == 0


@contextmanager
def cases_installed(database_url: str, redis_url: str) -> Iterator[cases.Resources]:
    used = cases.resources(database_url, redis_url)
    cases.install(used)
    yield used
    cases.close(used)
