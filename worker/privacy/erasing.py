"""The task of erasures: one bounded step a transaction, so that a killed process has done a step wholly or not at all.

An erasure of a click looks at one partition. That of an address looks at one day after the other, each by the index of
visitor numbers, which begin with the hash of the address; only clicks of before there were numbers are read one by one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
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
    "select erasure_id, subject_kind, subject, sub_ids, dry, state = 'waiting', after_partition, counts from erasures"
    " where state <> 'done' order by erasure_id limit 1 for update skip locked"
)
_BEGIN = "update erasures set state = 'running' where erasure_id = %s"
_WAIT = "select pg_advisory_xact_lock(%s)"
_PROGRESS = "update erasures set after_partition = %s, counts = %s where erasure_id = %s"
_FINISH = "update erasures set state = 'done', subject = null, finished_at = now(), counts = %s where erasure_id = %s"
_FIRST_ID = UUID(int=0)


class Erasure(NamedTuple):
    """An erasure that is not done. `after_partition` is the last day of clicks that is done, by its partition."""

    erasure_id: int
    kind: SubjectKind
    subject: str
    sub_ids: bool
    dry: bool
    is_new: bool
    after_partition: str | None
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
        row = connection.execute(_NEXT).fetchone()
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
    parts = connection.execute(retention.PARTITIONS, ["clicks"]).fetchall()
    # Their names end with the day, so they are in its order. One that was made meanwhile, for a day that is done, has
    # only clicks that were erased as they were stored.
    waiting = sorted(part for part in parts if erasure.after_partition is None or part[0] > erasure.after_partition)
    if not waiting:
        _finish(connection, erasure, Counter())
        return
    name, begins_at, ends_at, _ = waiting[0]
    low = _FIRST_ID if begins_at is None else first_click_id(begins_at)
    limit = None if erasure.dry else ERASED_TOGETHER
    found = _clicks_of(connection, erasure.subject, keys, (low, first_click_id(ends_at)), limit)
    counts = Counter(erasure.counts) + _handle(connection, erasure, found)
    is_done = limit is None or len(found) < limit
    after = name if is_done else erasure.after_partition
    connection.execute(_PROGRESS, [after, Jsonb(counts), erasure.erasure_id])


def _clicks_of(
    connection: Connection, address: str, keys: Sequence[bytes], ids: tuple[UUID, UUID], limit: int | None
) -> list[UUID]:
    """Return clicks of an address that are not erased, with ids of a range. Planned with its values: one partition."""
    ranges = [address_range(address, visitor_key(key)) for key in keys]
    by_number = " or ".join("visitor between %s and %s" for _ in ranges)
    query = (
        "select click_id from clicks where click_id >= %s and click_id < %s"  # noqa: S608
        f" and ({by_number} or visitor is null and ip = %s::inet) and erased_at is null limit %s"
    )
    values = [*ids, *(number for each in ranges for number in each), address, limit]
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
