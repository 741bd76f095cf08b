"""The task of erasures: one bounded step a transaction, so that a killed process has done a step wholly or not at all.

An erasure of a click looks at one partition. That of an address looks at one day after the other, each by the index of
visitor numbers, which begin with the hash of the address; only clicks of before there were numbers are read one by one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from psycopg.types.json import Jsonb

from config.tables import retention
from tracking.clicks import first_click_id
from tracking.privacy import SubjectKind
from tracking.visitors import address_range, visitor_key
from worker.privacy.rules import ERASURE_LOCK
from worker.privacy.table import count_all, erase_all, erase_poison
from worker.runtime import Connection, log, resources

ERASED_TOGETHER = 500
_NEXT = (
    "select erasure_id, subject_kind, subject, sub_ids, dry, state = 'waiting', coalesce(after_click_id, %s), counts"
    " from erasures where state <> 'done' order by erasure_id limit 1 for update skip locked"
)
_BEGIN = "update erasures set state = 'running' where erasure_id = %s"
_WAIT = "select pg_advisory_xact_lock(%s)"
_PROGRESS = "update erasures set after_click_id = %s, counts = %s where erasure_id = %s"
_FINISH = "update erasures set state = 'done', subject = null, finished_at = now(), counts = %s where erasure_id = %s"
_FIRST_ID = UUID(int=0)


class Erasure(NamedTuple):
    """An erasure that is not done. Clicks up to `after_click_id` are."""

    erasure_id: int
    kind: SubjectKind
    subject: str
    sub_ids: bool
    dry: bool
    is_new: bool
    after_click_id: UUID
    counts: Mapping[str, int]


def erase_waiting() -> None:
    """Erase what was asked for, as much as a turn allows."""
    used = resources.current()
    goes_on = used.turn()
    while goes_on() and used.database.run(lambda connection: _step(connection, used.click_id_keys)):
        pass


def _step(connection: Connection, keys: Sequence[bytes]) -> bool:
    """Do the next step of the oldest erasure; return whether there may be more to do."""
    with connection.transaction():
        row = connection.execute(_NEXT, [_FIRST_ID]).fetchone()
        if row is None:
            return False
        erasure = Erasure(row[0], SubjectKind(row[1]), *row[2:])
        if erasure.is_new:
            # RACE: batches whose rules do not know this erasure are waited for; see check_no_newer_erasure.
            connection.execute(_WAIT, [ERASURE_LOCK])
            connection.execute(_BEGIN, [erasure.erasure_id])
        elif erasure.kind is SubjectKind.CLICK:
            _finish(connection, erasure, _handle(connection, erasure, [UUID(erasure.subject)]))
        else:
            _erase_some_of_a_day(connection, erasure, keys)
    return True


def _erase_some_of_a_day(connection: Connection, erasure: Erasure, keys: Sequence[bytes]) -> None:
    after = erasure.after_click_id
    days = [(begins_at, first_click_id(ends_at)) for _, begins_at, ends_at, _ in _days(connection)]
    # A day that was made meanwhile, and lies before, has only clicks that were erased as they were stored.
    waiting = [day for day in days if after.int + 1 < day[1].int]
    if not waiting:
        _finish(connection, erasure, Counter())
        return
    begins_at, end = waiting[0]
    low = after if begins_at is None else max(after, first_click_id(begins_at))
    found = _clicks_of(connection, erasure.subject, keys, (low, end))
    counts = Counter(erasure.counts) + _handle(connection, erasure, found)
    last = found[-1] if len(found) == ERASED_TOGETHER else UUID(int=end.int - 1)
    connection.execute(_PROGRESS, [last, Jsonb(counts), erasure.erasure_id])


def _days(connection: Connection) -> list[tuple[str, datetime | None, datetime, bool]]:
    return connection.execute(retention.PARTITIONS, ["clicks"]).fetchall()


def _clicks_of(connection: Connection, address: str, keys: Sequence[bytes], ids: tuple[UUID, UUID]) -> list[UUID]:
    """Return the first clicks of an address that are not erased, with ids of a range, in order.

    The query is planned with its values, so that it looks at one partition.
    """
    ranges = [address_range(address, visitor_key(key)) for key in keys]
    by_number = " or ".join("visitor between %s and %s" for _ in ranges)
    query = (
        "select click_id from clicks where click_id > %s and click_id < %s"  # noqa: S608
        f" and ({by_number} or visitor is null and ip = %s::inet) and erased_at is null order by click_id limit %s"
    )
    values = [*ids, *(number for each in ranges for number in each), address, ERASED_TOGETHER]
    return [row[0] for row in connection.execute(query, values, prepare=False)]


def _handle(connection: Connection, erasure: Erasure, click_ids: Sequence[UUID]) -> Counter[str]:
    if not click_ids:
        return Counter()
    if erasure.dry:
        return count_all(connection, click_ids)
    return erase_all(connection, click_ids, sub_ids=erasure.sub_ids)


def _finish(connection: Connection, erasure: Erasure, more: Counter[str]) -> None:
    counts = Counter(erasure.counts) + more
    counts["poison"] += erase_poison(connection, erasure.subject, dry=erasure.dry)
    connection.execute(_FINISH, [Jsonb(+counts), erasure.erasure_id])
    log("erased", logging.INFO, erasure=erasure.erasure_id, dry=erasure.dry, clicks=counts["clicks"])
