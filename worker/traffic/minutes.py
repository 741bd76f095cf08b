"""Counts the clicks of each address in a minute of the clock, and finds those that are too many. SQL only.

A click's place among those of its address in its minute decides, so the order of storing does not matter.
PERF: a minute is read when it is over, mostly once: a window that slides would read a minute around each batch.
"""

from __future__ import annotations

from tracking.traffic import MINUTE_MS
from worker.runtime import Connection
from worker.traffic.changes import Change
from worker.traffic.moments import start_of
from worker.traffic.neighbours import PERSONAL

# The high 32 bits of a visitor are the address.
_PLACES = f"""
with busy as materialized (
    select visitor >> 32 as address from clicks
    where click_id >= %(low)s and click_id < %(high)s and visitor is not null and class in {PERSONAL}
    group by 1 having count(*) > %(most)s or bool_or(class = 'rate')
), placed as (
    select click_id, (clicked_at at time zone 'UTC')::date as day, link_id, class, is_unique,
        row_number() over (partition by visitor >> 32 order by click_id) > %(most)s as too_many
    from clicks
    where click_id >= %(low)s and click_id < %(high)s and visitor is not null and class in {PERSONAL}
        and visitor >> 32 in (select address from busy)
)
select click_id::text, day, link_id, class, is_unique,
    case when too_many then 'rate' else 'valid' end, not too_many
from placed where too_many <> (class = 'rate')
"""  # noqa: S608


def count_minute(connection: Connection, minute: int, most: int) -> list[Change]:
    """Return what is wrong in a minute (Unix milliseconds / 60,000) of which an address may have `most` clicks.

    What is no longer too many is to be valid, and must be settled again.
    """
    values = {"low": start_of(minute * MINUTE_MS), "high": start_of((minute + 1) * MINUTE_MS), "most": most}
    return [Change(*row) for row in connection.execute(_PLACES, values, prepare=False)]
