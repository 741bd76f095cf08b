"""The schedule of maintenance, the tally, and log lines."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from worker.maintenance import SCHEDULE, Schedule
from worker.runtime import PoisonError, Tally, log
from worker.runtime.metrics import REPORT_INTERVAL_S
from worker.spool import storable_text


class Clock:
    """Seconds that pass when told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Turns:
    """Redis as the schedule sees it: `set` with `nx` succeeds for whoever comes first."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def set(self, name: str, value: str, nx: bool, px: int) -> bool | None:
        if nx and name in self.taken:
            return None
        self.taken.add(name)
        return True


class Enqueued(list[str]):
    """A queue that keeps the ids of its jobs."""

    def enqueue_call(self, func: str, job_id: str, **rest: Any) -> None:
        assert rest["result_ttl"] == 0
        self.append(job_id.rpartition("-")[0])


def schedule() -> tuple[Schedule, Turns, Enqueued, Clock]:
    turns, queue, clock = Turns(), Enqueued(), Clock()
    return Schedule(turns, queue, clock), turns, queue, clock  # type: ignore[arg-type]


def test_everything_is_due_at_the_start_and_then_at_its_interval() -> None:
    due, turns, queue, clock = schedule()
    due.enqueue_due()
    assert queue == [each.name for each in SCHEDULE]
    queue.clear()
    turns.taken.clear()
    due.enqueue_due()
    assert queue == []
    clock.now_s += 5
    due.enqueue_due()
    assert queue == [each.name for each in SCHEDULE if each.interval_s <= 5]
    assert "parked" in queue
    queue.clear()
    turns.taken.clear()
    clock.now_s += max(each.interval_s for each in SCHEDULE)
    due.enqueue_due()
    assert queue == [each.name for each in SCHEDULE]


def test_a_turn_that_another_process_took_is_left_to_it() -> None:
    due, _, queue, clock = schedule()
    due.enqueue_due()
    queue.clear()
    clock.now_s += 5
    # The keys of the first turn stand for another process that was quicker.
    due.enqueue_due()
    assert queue == []


def test_the_tally_is_one_line_when_there_is_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "waypost.worker")
    clock = Clock()
    tally = Tally(clock)
    tally.add(clicks=3, duplicates=0)
    tally.report()
    assert caplog.messages == []
    clock.now_s += REPORT_INTERVAL_S
    tally.add(clicks=2)
    tally.report()
    tally.report(force=True)
    assert caplog.messages == ["stored seconds=10.000 clicks=5"]
    assert tally.total == {"clicks": 5}


def test_a_log_line_stays_one_line_and_short(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "waypost.worker")
    log("event", a="x\ny", b="z" * 1000, c=1, d=0.5, e="")
    assert caplog.messages == [f"event a='x y' b={'z' * 300}… c=1 d=0.500 e=''"]


def test_what_postgresql_does_not_take_is_replaced() -> None:
    assert storable_text("a\x00b\ud800") == "a\ufffdb?"
    assert storable_text({"a": 1}) == '{"a":1}'
    assert PoisonError("why", code="what").reason == "what: why"
