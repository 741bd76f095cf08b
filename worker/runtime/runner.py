"""Runs one RQ worker on one queue: works while PostgreSQL answers, survives Redis failures, stops between jobs.

It is built on RQ's SimpleWorker, since a fork for each job costs more than storing a batch. It switches off those parts
of RQ that would let Redis command this process (pub/sub), read jobs with pickle (rate limits, groups), or stop the
pipeline (suspension).
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from redis import Redis, RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, DeserializationError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.worker.base import WorkerStatus

from config.tracing import span
from tracking.runtime import JobSerializer, QueueName
from worker.runtime.errors import RetryableError, WorkerError
from worker.runtime.jobs import TaskJob
from worker.runtime.logs import log
from worker.runtime.resources import Resources

MAINTENANCE_INTERVAL_S = 30
_DEQUEUE_TIMEOUT_S = 1
_REDIS_TIMEOUT_S = 10
_RETRY_S = 0.5


def run(name: QueueName, used: Resources, between_jobs: Callable[[], None] = lambda: None) -> None:
    """Work until `used.stop` is set. RQ's loop ends when Redis fails in the middle of a job, so it is started again."""
    while not used.stop.is_set():
        try:
            QueueWorker(name, used, between_jobs).work(logging_level="ERROR")
        except RedisError as error:
            log("redis-away", logging.WARNING, error=error)
        used.stop.wait(_RETRY_S)
    used.tally.report(force=True)


def task_queue(name: QueueName, redis: Redis) -> Queue:
    """Return one of our queues, with our serializer and job class."""
    return Queue(name.value, connection=redis, job_class=TaskJob, serializer=JobSerializer)


class QueueWorker(SimpleWorker):
    """RQ's worker on exactly one queue. It calls `between_jobs` before each read, at least every second."""

    job_class = TaskJob

    def __init__(self, name: QueueName, used: Resources, between_jobs: Callable[[], None] = lambda: None) -> None:
        self._used = used
        self._between_jobs = between_jobs
        super().__init__(
            [task_queue(name, used.redis)],
            connection=used.redis,
            job_class=TaskJob,
            serializer=JobSerializer,
            maintenance_interval=MAINTENANCE_INTERVAL_S,
            default_result_ttl=0,
            log_job_description=False,
        )

    @property
    def _stop_requested(self) -> bool:
        return self._used.stop.is_set()

    @_stop_requested.setter
    def _stop_requested(self, value: bool) -> None:
        """Ignore that RQ sets it to False at start: only the signal handler of the process sets `stop`."""

    @property
    def dequeue_timeout(self) -> int:
        """How long one read of the queue blocks. An idle process takes no longer than this to stop."""
        return _DEQUEUE_TIMEOUT_S

    @property
    def connection_timeout(self) -> int:
        """How long any Redis command may take, so that a Redis that hangs is noticed."""
        return _REDIS_TIMEOUT_S

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Register this worker, without RQ's log handlers and without its pub/sub thread."""
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.STARTED)
        log("listening", queue=self.queue_names()[0])

    def check_for_suspension(self, burst: bool) -> None:
        """Never suspend: nobody would look for the switch of `rq suspend` in Redis when the pipeline stands still."""

    def _install_signal_handlers(self) -> None:
        """Install none: the process has its own handlers before the first job."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,
    ) -> tuple[Job, Queue] | None:
        """Return the next job, or None to stop. With `timeout` None (RQ's burst mode), also if there is none."""
        self._used.tally.report()
        while not self._stop_requested:
            try:
                self._used.database.check()
                self.set_state(WorkerStatus.IDLE)
                self.heartbeat()
                self._between_jobs()
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()
                found = self._dequeue(timeout)
            except DequeueTimeout:
                self._used.tally.report()
                continue
            except RedisError as error:
                log("redis-away", logging.WARNING, error=error)
                self._used.stop.wait(_RETRY_S)
                continue
            except RetryableError:
                return None
            if found is not None or timeout is None:
                return found
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run a job in this process, within a span where traces are wanted."""
        with span(job.origin, {"messaging.destination.name": queue.name, "messaging.message.id": job.id}) as made:
            super().execute_job(job, queue)
            made.set_attribute("waypost.job.status", str(job.get_status(refresh=False)))

    def run_maintenance_tasks(self) -> None:
        """Fail abandoned jobs and delete those that failed long ago. The agent enqueues their batches again."""
        queue = self.queues[0]
        if queue.acquire_maintenance_lock():
            for registry in (StartedJobRegistry, FailedJobRegistry):
                registry(queue.name, self.connection, TaskJob, serializer=JobSerializer).cleanup()
            self._clean_intermediate(queue)
            queue.release_maintenance_lock()  # type: ignore[no-untyped-call]
        self.last_cleaned_at = datetime.now(UTC)  # type: ignore[assignment]

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log a failed job in one line if we know its error, else with a traceback."""
        error = exc_info[1]
        self._used.tally.add(failed_jobs=1)
        if isinstance(error, WorkerError):
            log("job-failed", logging.ERROR, job=job.id, code=error.code, error=error)
        elif isinstance(error, DeserializationError):
            log("job-failed", logging.ERROR, job=job.id, code="job-refused", error="its payload is not a JSON call")
        else:
            log("job-failed", logging.ERROR, job=job.id, error=repr(error))
            logging.getLogger("waypost.worker").error("%s", "".join(traceback.format_exception(*exc_info)))

    def teardown(self) -> None:
        """Unregister the worker, if Redis answers."""
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log("redis-away", logging.WARNING, error=error)

    def _dequeue(self, timeout: int | None) -> tuple[Job, Queue] | None:
        try:
            found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
                self.queues,
                timeout,
                connection=self.connection,
                job_class=TaskJob,
                serializer=JobSerializer,
                death_penalty_class=self.death_penalty_class,
            )
        except ValueError as error:
            # The queue had an entry that is not a job id. `_clean_intermediate` removes it later.
            log("job-unreadable", logging.ERROR, error=error)
            self._used.tally.add(unreadable_jobs=1)
            return None if timeout is None else self._dequeue(timeout)
        if found is not None:
            found[0].redis_server_version = self.get_redis_server_version()  # type: ignore[no-untyped-call]
        return found

    def _clean_intermediate(self, queue: Queue) -> None:
        """Drop jobs that a worker took and was killed before it started them. RQ waits a minute before it drops one."""
        try:
            queue.intermediate_queue.cleanup(self, queue)
        except ValueError as error:
            log("job-unreadable", logging.ERROR, error=error)
            self.connection.delete(queue.intermediate_queue.key)
