"""The task that settles stored clicks: a few batches or one minute in each transaction, until nothing waits.

What is settled is taken off the queue in the transaction that changes it, so a process may be killed anywhere. A batch
that is stored later, or a second time, is noted again and repairs the clicks around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rq import Queue

from tracking.runtime import QueueName
from tracking.traffic import MINUTE_MS, TrafficClass, TrafficLimits
from worker.runtime import Connection, Resources, log, resources
from worker.traffic.changes import apply_changes, use_indexes
from worker.traffic.lists import load_lists
from worker.traffic.minutes import count_minute
from worker.traffic.moments import ms_of
from worker.traffic.neighbours import add_seeds, find_changes, make_seeds, seed_ids, seed_minutes
from worker.traffic.queue import (
    ALONE,
    Waiting,
    forget,
    is_overdue,
    load_waiting,
    mark_minutes,
    note_settled,
    take_minute,
)
from worker.traffic.runs import note_version

BATCHES_AT_ONCE = 10
# More batches than this are a backlog. It goes first for so long.
BACKLOG_BATCHES = 4
OVERDUE_S = 600.0
# Batches arrive a little later than their clicks. A minute that was counted too early is counted again.
MINUTE_OVER_MS = 5000
_MINUTES_OF_RANGE = 10


def settle_clicks() -> None:
    """Settle what waits, as far as one turn goes."""
    used = resources.current()
    turn = used.turn()
    changed = settle(used.database.run, used.traffic, used.now_ms(), lambda: turn() and not _gives_way(used))
    used.tally.add(settled=changed)
    if changed:
        log("settled", changed=changed)


def _gives_way(used: Resources) -> bool:
    """Return whether batches wait to be stored, which comes first, and nothing has waited for long to be settled.

    PERF: settling takes a third of the processor's time that storing takes.
    """
    if Queue(QueueName.CLICKS, connection=used.redis).count <= BACKLOG_BATCHES:
        return False
    return not used.database.run(lambda connection: is_overdue(connection, OVERDUE_S))


def settle(
    run: Callable[[Callable[[Connection], int | None]], int | None],
    limits: TrafficLimits,
    now_ms: int,
    goes_on: Callable[[], bool],
) -> int:
    """Settle batches, then the minutes that are over; return how many clicks changed. `run` is that of a Database."""
    changed = 0
    steps: tuple[Callable[[Connection], int | None], ...] = (
        lambda connection: settle_batches(connection, limits),
        lambda connection: settle_minute(connection, limits, now_ms),
    )
    for step in steps:
        while goes_on():
            done = run(step)
            if done is None:
                break
            changed += done
    return changed


def settle_batches(connection: Connection, limits: TrafficLimits) -> int | None:
    """Settle the batches that wait longest, and return how many clicks changed; None if none waits."""
    with connection.transaction():
        connection.execute(ALONE)
        waiting = load_waiting(connection, BATCHES_AT_ONCE)
        if not waiting:
            return None
        low, high = min(each.low for each in waiting), max(each.high for each in waiting)
        make_seeds(connection)
        add_seeds(connection, waiting)
        if limits.per_address_per_minute:
            mark_minutes(connection, _minutes(connection, low, high))
        changed = _settle_seeds(connection, low, high, limits)
        note_settled(connection, high)
        _note_versions(connection, waiting)
        forget(connection, waiting)
        return changed


def settle_minute(connection: Connection, limits: TrafficLimits, now_ms: int) -> int | None:
    """Count the earliest minute that is over, and return how many clicks changed; None if there is none."""
    with connection.transaction():
        connection.execute(ALONE)
        minute = take_minute(connection, (now_ms - MINUTE_OVER_MS) // MINUTE_MS)
        if minute is None:
            return None
        if not limits.per_address_per_minute:
            return 0
        found = count_minute(connection, minute, limits.per_address_per_minute)
        use_indexes(connection)
        changed = apply_changes(connection, found)
        freed = [change.click_id for change in found if change.was_class == TrafficClass.RATE]
        if freed:
            make_seeds(connection)
            seed_ids(connection, freed)
            changed += _settle_seeds(connection, min(freed), max(freed), limits)
        return changed


def _settle_seeds(connection: Connection, low: str, high: str, limits: TrafficLimits) -> int:
    use_indexes(connection)
    return apply_changes(connection, find_changes(connection, low, high, limits))


def _note_versions(connection: Connection, waiting: Iterable[Waiting]) -> None:
    """Note by which lists the batches were classed.

    RACE: lists can change while a batch is being stored, and then a run may have passed its day.
    """
    version = load_lists(connection).version
    for each in waiting:
        if each.lists is not None:
            note_version(connection, each.low, each.high, each.lists == version, version)


def _minutes(connection: Connection, low: str, high: str) -> list[int]:
    first, last = ms_of(low) // MINUTE_MS, ms_of(high) // MINUTE_MS
    if last - first < _MINUTES_OF_RANGE:
        return list(range(first, last + 1))
    return seed_minutes(connection)
