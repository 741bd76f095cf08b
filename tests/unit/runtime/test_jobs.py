"""What a worker reads of a job in Redis: our tasks with JSON arguments, and nothing else that RQ could do."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job

from tracking.runtime import Task
from worker import maintenance
from worker.clicks import task as clicks
from worker.postbacks import task as postbacks
from worker.runtime import PermanentError, TaskJob
from worker.runtime.jobs import PAYLOAD_BYTES_MAX, TIMEOUT_MAX_S

ROOT = Path(__file__).resolve().parents[3]
ARGUMENTS = ["7-0-3fa9c1d2-clicks", 0, [], 0]


def restored(call: object = None, **fields: bytes) -> TaskJob:
    data = call if isinstance(call, bytes) else json.dumps(call or [Task.STORE_CLICKS, None, ARGUMENTS, {}]).encode()
    job = TaskJob("one", connection=Redis(port=1))
    job.restore(
        {
            b"data": zlib.compress(data),
            b"origin": b"clicks",
            b"status": b"queued",
            **{name.encode(): value for name, value in fields.items()},
        }
    )
    return job


@pytest.mark.parametrize(
    ("task", "function"),
    [
        (Task.STORE_CLICKS, clicks.store_batch),
        (Task.STORE_POSTBACKS, postbacks.store_batch),
        (Task.MATCH_PARKED, maintenance.match_parked),
        (Task.MAKE_PARTITIONS, maintenance.make_partitions),
    ],
)
def test_every_task_resolves_to_its_function(task: Task, function: Callable[..., Any]) -> None:
    assert restored([task, None, [], {}]).func is function


@pytest.mark.parametrize(
    "call",
    [
        ["os.system", None, ["true"], {}],
        ["worker.clicks.parse_clicks", None, [], {}],
        ["subprocess.run", None, [["true"]], {}],
        ["eval", None, ["1"], {}],
        [None, None, [], {}],
        [7, None, [], {}],
        [["worker.clicks.store_batch"], None, [], {}],
        [Task.STORE_CLICKS, {"a": 1}, ARGUMENTS, {}],
        [Task.STORE_CLICKS, "str", ARGUMENTS, {}],
        [Task.STORE_CLICKS, None, ARGUMENTS, {"missing": 1}],
        [Task.STORE_CLICKS, None, {"a": 1}, {}],
        [Task.STORE_CLICKS, None, "text", {}],
    ],
)
def test_a_call_of_anything_else_is_refused(call: object) -> None:
    with pytest.raises(PermanentError) as caught:
        restored(call).perform()
    assert caught.value.code == "job-refused"


class Bomb:
    """Sets a mark when it is unpickled."""

    exploded = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Bomb, "exploded", True))


def test_nothing_in_a_job_is_ever_unpickled() -> None:
    bomb = pickle.dumps(Bomb())
    job = restored(pickle.dumps((Bomb(), None, (), {})), meta=bomb, result=bomb)
    with pytest.raises(DeserializationError):
        job.perform()
    # Also where RQ's own code forgets to say which serializer, which to RQ means pickle.
    assert TaskJob("two", connection=Redis(port=1)).serializer is job.serializer
    assert not Bomb.exploded
    # The same bytes do go off in RQ's own class; otherwise this test would show nothing.
    Job("three", connection=Redis(port=1)).restore({b"data": b"", b"meta": bomb})
    assert Bomb.exploded


@pytest.mark.parametrize(
    "fields",
    [
        {"success_callback_name": b"os.getpid"},
        {"failure_callback_name": b"os.getpid"},
        {"stopped_callback_name": b"os.getpid"},
        {"webhooks": b'[{"url": "http://127.0.0.1:1/", "job_status": "finished"}]'},
        {"dependency_ids": b'["x"]'},
        {"dependency_id": b"x"},
        {"repeats_left": b"5"},
        {"rate_limit_key": b"x"},
        {"group_id": b"x"},
    ],
)
def test_a_job_with_more_than_a_call_is_refused_and_the_rest_is_not_even_read(fields: dict[str, bytes]) -> None:
    job = restored(**fields)
    with pytest.raises(PermanentError):
        job.perform()
    assert job.success_callback is None
    assert job.failure_callback is None
    assert job.stopped_callback is None
    assert job.webhooks == []
    assert job._dependency_ids == []
    assert job.repeats_left is None
    assert not job.has_rate_limit
    assert job.group_id is None


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout": b"soon"},
        {"status": b"unheard-of"},
        {"created_at": b"yesterday"},
        {"result_ttl": b"x"},
        {"origin": b"\xff"},
    ],
)
def test_a_job_that_cannot_be_read_counts_as_not_there(fields: dict[str, bytes]) -> None:
    with pytest.raises(NoSuchJobError):
        restored(**fields)


@pytest.mark.parametrize("packed_again", [0, 1, 2])
def test_a_payload_that_unpacks_to_more_than_any_batch_is_not_unpacked(packed_again: int) -> None:
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    for _ in range(packed_again):
        data = zlib.compress(data)
    assert len(data) < 300_000
    job = TaskJob("one", connection=Redis(port=1))
    tracemalloc.start()
    with pytest.raises(NoSuchJobError):
        job.restore({b"data": data, b"status": b"queued"})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * PAYLOAD_BYTES_MAX


@pytest.mark.parametrize(("timeout", "kept"), [(b"120", 120), (b"-1", 1), (b"86400", TIMEOUT_MAX_S)])
def test_no_job_may_take_for_ever(timeout: bytes, kept: int) -> None:
    assert restored(timeout=timeout).timeout == kept


def test_retries_are_not_taken_from_redis() -> None:
    assert not restored(retries_left=b"1000000").should_retry


def test_a_worker_of_a_broken_installation_fails_at_start_before_it_waits_for_any_server(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['worker.postbacks'] = None\n"
        "from worker.__main__ import main; sys.exit(main(['clicks']))\n"
    )
    environ = os.environ | {
        "WAYPOST_HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert run.returncode == 1
    assert "worker.postbacks" in run.stderr
    assert "postgresql-away" not in run.stderr
