"""The tasks of retention: one makes months ahead, one drops what is old. Only one process at a time drops."""

from __future__ import annotations

from datetime import UTC, datetime

from config.tables import retention
from tracking.privacy import RetentionClass
from worker.retention.leftovers import delete_old
from worker.retention.months import ensure_months, month_of, months_ahead
from worker.retention.partitions import drop_due
from worker.runtime import Connection, Resources, log, resources

MONTHS_AHEAD = 3
# An arbitrary number that no other advisory lock uses.
_LOCK = 7_761_019


def make_months() -> None:
    """Make the partitions of this month and the next two."""
    used = resources.current()
    today = month_of(datetime.fromtimestamp(used.now_s(), UTC))
    used.known_months.clear()
    made = used.database.run(
        lambda connection: ensure_months(
            connection, used.known_months, retention.BY_MONTH, months_ahead(today, MONTHS_AHEAD)
        )
    )
    used.tally.add(partitions=made)


def drop_old() -> None:
    """Drop or delete what is older than its class is kept. What a turn does not do, the next one does."""
    used = resources.current()
    used.database.run(lambda connection: _drop_old(connection, used))


def _drop_old(connection: Connection, used: Resources) -> None:
    # The lock belongs to the session, since nothing that detaches concurrently runs in a transaction.
    row = connection.execute("select pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
    if row is None or not row[0]:
        return
    goes_on = used.turn()
    try:
        for kind in RetentionClass:
            days = used.retention[kind]
            dropped = drop_due(connection, kind, days, goes_on) if kind in retention.PARTITIONED else 0
            deleted = delete_old(connection, kind, days, goes_on)
            used.tally.add(partitions_dropped=dropped, rows_deleted=deleted)
            if deleted:
                log("old-rows-deleted", kind=kind, rows=deleted)
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [_LOCK])
