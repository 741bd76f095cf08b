"""What is still to be settled: stored batches, ranges whose classes changed, and minutes. SQL only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracking.spool import Batch
from worker.runtime import Connection

# One process at a time settles or classes anew.
ALONE = "select pg_advisory_xact_lock(hashtext('waypost.settling'))"
_NOTE = "insert into settling (low, high, spool_id, first, past, lists) values (%s, %s, %s, %s, %s, %s)"
_WAITING = (
    "select settling_id, low::text, high::text, spool_id, first, past, lists from settling"
    " order by settling_id limit %s"
)
_SETTLED = "select settled::text from settling_state"
_NOTE_SETTLED = "update settling_state set settled = %s where settled < %s"
_OVERDUE = "select exists (select from settling where noted_at < now() - make_interval(secs => %s))"
_DONE = "delete from settling where settling_id = any(%s)"
_MARK = "insert into settling_minutes select unnest(%s::bigint[]) on conflict do nothing"
# Locked against nobody: settling is serial.
_TAKE_MINUTE = (
    "delete from settling_minutes where minute = (select min(minute) from settling_minutes where minute < %s)"
    " returning minute"
)


class Waiting(NamedTuple):
    """Clicks that are to be settled: those of a batch, or all of a range of ids when `spool_id` is None."""

    settling_id: int
    low: str
    high: str
    spool_id: str | None
    first: int | None
    past: int | None
    lists: str | None


def note_batch(connection: Connection, batch: Batch, click_ids: Sequence[str], lists: str) -> None:
    """Note a batch in the transaction that stores it: the ids of its clicks, and the version of the lists."""
    if click_ids:
        # Ids in lower case are in the order of their text.
        ends = [min(click_ids), max(click_ids)]
        connection.execute(_NOTE, [*ends, batch.spool_id, batch.first, batch.end, lists])


def note_changes(connection: Connection, low: str, high: str) -> None:
    """Note, in the transaction that changed classes by a list, that the clicks between two ids are to be settled."""
    connection.execute(_NOTE, [low, high, None, None, None, None])


def load_waiting(connection: Connection, most: int) -> list[Waiting]:
    """Return what waits longest."""
    return [Waiting(*row) for row in connection.execute(_WAITING, [most])]


def load_settled(connection: Connection) -> str:
    """Return the highest id of all clicks that were settled."""
    row = connection.execute(_SETTLED).fetchone()
    assert row is not None
    return str(row[0])


def note_settled(connection: Connection, high: str) -> None:
    """Note that clicks up to this id may be settled."""
    connection.execute(_NOTE_SETTLED, [high, high])


def is_overdue(connection: Connection, after_s: float) -> bool:
    """Return whether something waits for longer than `after_s` seconds."""
    row = connection.execute(_OVERDUE, [after_s]).fetchone()
    return bool(row and row[0])


def forget(connection: Connection, waiting: Iterable[Waiting]) -> None:
    """Take what is settled off the queue."""
    connection.execute(_DONE, [[each.settling_id for each in waiting]])


def mark_minutes(connection: Connection, minutes: Iterable[int]) -> None:
    """Note minutes in which the clicks of addresses are to be counted."""
    connection.execute(_MARK, [sorted(minutes)])


def take_minute(connection: Connection, before: int) -> int | None:
    """Take the earliest minute before `before` off the queue and return it; None if there is none."""
    row = connection.execute(_TAKE_MINUTE, [before]).fetchone()
    return None if row is None else int(row[0])
