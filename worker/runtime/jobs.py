"""Reads jobs from Redis. A worker runs only jobs whose JSON payload names one of our tasks, and refuses all others.

SECURITY: whoever can write to Redis can write jobs. RQ by itself would import and call any dotted name, unpickle
payloads and metadata, run callbacks and send webhooks. A job with any of these is refused, and nothing of it runs.
"""

from __future__ import annotations

import importlib
import logging
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.utils import import_attribute

from tracking.runtime import JobSerializer, Task
from worker.runtime.errors import PermanentError
from worker.runtime.logs import log

_PLAIN_FIELDS = frozenset(
    {
        b"data",
        b"origin",
        b"status",
        b"created_at",
        b"enqueued_at",
        b"started_at",
        b"ended_at",
        b"last_heartbeat",
        b"worker_name",
        b"timeout",
        b"result_ttl",
        b"failure_ttl",
    }
)
_FORBIDDEN_FIELDS = (
    b"success_callback_name",
    b"failure_callback_name",
    b"stopped_callback_name",
    b"webhooks",
    b"dependency_id",
    b"dependency_ids",
    b"repeats_left",
    b"rate_limit_key",
    b"group_id",
)
_TASKS = frozenset(task.value for task in Task)
TIMEOUT_MAX_S = 600
# Agents send batches of up to 4 MB. As JSON within JSON, with every character escaped, that is six times as much.
PAYLOAD_BYTES_MAX = 64 << 20
# The low half of the first byte of zlib's output (RFC 1950). No JSON list begins with such a byte.
_DEFLATE = 8


def load_tasks() -> None:
    """Import every task, so that a broken installation fails when the worker starts and not in every job."""
    for task in Task:
        module_name, _, function_name = task.rpartition(".")
        getattr(importlib.import_module(module_name), function_name)


class TaskJob(Job):
    """A job as read from Redis: RQ's bookkeeping fields and a task call, nothing else."""

    def __init__(self, id: str | None = None, connection: Redis | None = None, serializer: Any = None) -> None:  # noqa: A002
        # Always our serializer: RQ's inner code may pass another one, or pass none, which means pickle.
        super().__init__(id, connection, JobSerializer)
        self.refusal: str | None = None

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Read the fields that we know from a Redis hash. An unreadable job counts as missing, so RQ removes it."""
        forbidden = [name.decode() for name in _FORBIDDEN_FIELDS if raw_data.get(name)]
        self.refusal = f"it carries {forbidden[0]}" if forbidden else None
        fields = {name: value for name, value in raw_data.items() if name in _PLAIN_FIELDS}
        try:
            if b"data" in fields:
                fields[b"data"] = _unpacked(fields[b"data"])
            super().restore(fields)
        except NoSuchJobError:
            raise
        except (ValueError, TypeError, AttributeError, LookupError, AssertionError) as error:
            log("job-unreadable", logging.ERROR, job=self._id, error=error)
            raise NoSuchJobError(f"unreadable job {self._id}") from error
        self.timeout = min(max(int(self.timeout or TIMEOUT_MAX_S), 1), TIMEOUT_MAX_S)

    @property
    def func(self) -> Callable[..., Any]:
        """Return the task's function, or raise PermanentError."""
        refusal = self.refusal or self._call_refusal()
        if refusal:
            raise PermanentError(f"job refused: {refusal}", code="job-refused")
        function: Callable[..., Any] = import_attribute(str(self.func_name))
        return function

    def _call_refusal(self) -> str | None:
        # Each of these may be any JSON value.
        if type(self.func_name) is not str or self.func_name not in _TASKS:
            return f"{str(self.func_name)[:80]!r} is not a task"
        if self.instance is not None:
            return "it calls a method of an object"
        if type(self.args) is not list or self.kwargs:
            return "its arguments are not a list"
        return None


def _unpacked(data: bytes) -> bytes:
    """Return a job's payload unpacked, so that RQ uses it as it is. Raises ValueError.

    SECURITY: a megabyte in Redis may unpack to a gigabyte here, and RQ would unpack all of it.
    """
    unpacking = zlib.decompressobj()
    try:
        payload = unpacking.decompress(data, PAYLOAD_BYTES_MAX)
    except zlib.error:
        return data
    if unpacking.unconsumed_tail:
        raise ValueError(f"its payload is larger than {PAYLOAD_BYTES_MAX} bytes")
    if payload and payload[0] & 0x0F == _DEFLATE:
        raise ValueError("its payload is packed twice")
    return payload
