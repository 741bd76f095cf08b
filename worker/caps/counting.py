"""The task that counts conversions for caps every few seconds and publishes the counts.

PERF: only caps whose link or destination had a conversion that changed are counted anew, and all others once a minute.
A count reads the conversions of one link or destination in the period from an index.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from config.caps import publish_conversions
from tracking.caps import CapPer, Period, period_at
from worker.caps.table import Counted, CountedCap, count, load_caps, load_touched, save_counts
from worker.runtime import Connection, resources

# Rejected and reversed conversions do not count, and a change that took another way than the log is found so late.
RECOUNT_S = 60


class _Wanted(NamedTuple):
    cap: CountedCap
    period: Period


def count_conversions() -> None:
    """Count what may have changed, and publish all counts."""
    used = resources.current()
    at_s = int(used.now_s())
    counted = used.database.run(lambda connection: count_due(connection, at_s))
    publish_conversions(used.redis, counted)


def count_due(connection: Connection, at_s: int) -> dict[int, tuple[int, int, bool]]:
    """Return the count of each cap on conversions in its present period, as `publish_conversions` takes them."""
    with connection.transaction():
        # One process counts at a time; the other finds little left to do.
        connection.execute("select pg_advisory_xact_lock(hashtext('waypost.count_conversions'))")
        caps = load_caps(connection)
        links, destinations = load_touched(connection)
        due = [
            _Wanted(cap, period)
            for cap in caps
            for period in [period_at(CapPer(cap.per), cap.time_zone, at_s)]
            if cap.start_s != period.start_s
            or at_s - (cap.counted_s or 0) >= RECOUNT_S
            or (cap.link_id in links if cap.destination_id is None else cap.destination_id in destinations)
        ]
        fresh = {
            cap_id: Counted(cap_id, period.start_s, conversions, conversions >= cap.limit)
            for (cap, period), (cap_id, conversions) in zip(due, _counts(connection, due), strict=True)
        }
        save_counts(connection, fresh.values())
    known = {
        cap.cap_id: Counted(cap.cap_id, cap.start_s, cap.conversions or 0, (cap.conversions or 0) >= cap.limit)
        for cap in caps
        if cap.start_s is not None
    }
    return {cap_id: (each.start_s, each.conversions, each.reached) for cap_id, each in (known | fresh).items()}


def _counts(connection: Connection, due: list[_Wanted]) -> list[tuple[int, int]]:
    return [(cap.cap_id, count(connection, cap, datetime.fromtimestamp(period.start_s, UTC))) for cap, period in due]
