"""The tasks of the maintenance queue, and when each is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import NamedTuple
from uuid import uuid4

from redis import Redis
from rq import Queue

from tracking.runtime import Task
from worker.clicks import ensure_partitions
from worker.postbacks import sweep
from worker.runtime import log, resources
from worker.spool import DAY_MS

PARTITION_DAYS = range(-1, 8)
RECENT_S = 3600.0
NOTES_KEPT = timedelta(hours=1)
_DUE_KEY = "waypost:due"


class PeriodicTask(NamedTuple):
    """A task that the maintenance process enqueues by itself. `args` are JSON."""

    name: str
    task: Task
    args: tuple[float | None, ...]
    interval_s: float
    timeout_s: int = 120


# A postback that has waited for an hour waits for a click that is lost or hours behind, so it is tried less often.
SCHEDULE = (
    PeriodicTask("partitions", Task.MAKE_PARTITIONS, (), 3600.0),
    PeriodicTask("parked", Task.MATCH_PARKED, (RECENT_S,), 5.0),
    PeriodicTask("parked-old", Task.MATCH_PARKED, (None,), 600.0),
    PeriodicTask("parked-overdue", Task.FLAG_OVERDUE, (), 600.0),
    PeriodicTask("replays", Task.RESUME_REPLAYS, (), 10.0),
    PeriodicTask("bookkeeping", Task.BOOK_CHANGES, (), 2.0),
    PeriodicTask("postponed", Task.BOOK_POSTPONED, (), 30.0),
    PeriodicTask("rates", Task.LOAD_RATES, (), 21_600.0),
    PeriodicTask("caps", Task.COUNT_CAP_CONVERSIONS, (), 2.0),
    PeriodicTask("counts", Task.CHECK_COUNTS, (), 3600.0),
    PeriodicTask("classing", Task.CLASS_AGAIN, (), 10.0),
    PeriodicTask("settling", Task.SETTLE_CLICKS, (), 2.0),
    # Behind settling, which changes what is folded.
    PeriodicTask("reports", Task.FOLD_REPORTS, (), 2.0),
    PeriodicTask("report-hours", Task.DROP_REPORT_HOURS, (), 3600.0),
    PeriodicTask("payouts", Task.MAKE_PAYOUTS, (), 3600.0, timeout_s=600),
    PeriodicTask("notes", Task.FORGET_NOTES, (), 60.0),
    PeriodicTask("erasures", Task.ERASE, (), 5.0),
    PeriodicTask("months", Task.MAKE_MONTHS, (), 3600.0),
    PeriodicTask("retention", Task.DROP_OLD, (), 3600.0, timeout_s=600),
)


def match_parked(within_s: float | None = None) -> None:
    """Process parked postbacks whose click is stored, of the last `within_s` seconds or of all time."""
    matched = sweep(resources.current(), within_s)
    if matched:
        log("swept", matched=matched)


def make_partitions() -> None:
    """Make the partitions of yesterday, today and the next seven days."""
    used = resources.current()
    today = used.now_ms() // DAY_MS
    used.known_partitions.clear()
    made = used.database.run(
        lambda connection: ensure_partitions(
            connection, used.known_partitions, [today + offset for offset in PARTITION_DAYS]
        )
    )
    used.tally.add(partitions=made)


def forget_notes() -> None:
    """Forget what the live stream was to read an hour ago. A viewer that was away for longer has a gap."""
    resources.current().database.run(
        lambda connection: connection.execute("select forget_stream_notes(%s)", [NOTES_KEPT])
    )


class Schedule:
    """Enqueues due tasks. When several maintenance processes run, a key in Redis lets only one enqueue each task."""

    def __init__(self, redis: Redis, queue: Queue, clock: Callable[[], float] = monotonic) -> None:
        self._redis = redis
        self._queue = queue
        self._clock = clock
        self._due_at = dict.fromkeys((due.name for due in SCHEDULE), clock())
        self._started = False

    def enqueue_due(self) -> None:
        """Enqueue each task whose interval has passed, and all tasks the first time. Called between jobs."""
        first = not self._started
        for due in SCHEDULE:
            if self._clock() < self._due_at[due.name]:
                continue
            self._due_at[due.name] = self._clock() + due.interval_s
            # The key expires a little before the interval ends, so that no turn is skipped.
            turn = self._redis.set(f"{_DUE_KEY}:{due.name}", "1", nx=not first, px=int(due.interval_s * 900))
            if turn:
                self._enqueue(due)
        self._started = True

    def _enqueue(self, due: PeriodicTask) -> None:
        self._queue.enqueue_call(
            due.task.value,
            args=due.args,
            timeout=due.timeout_s,
            result_ttl=0,
            failure_ttl=300,
            ttl=int(due.interval_s * 2),
            job_id=f"{due.name}-{uuid4().hex}",
        )
