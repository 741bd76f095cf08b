"""The caps on conversions and their counts. SQL only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from worker.runtime import Connection

_CAPS = (
    "select caps.cap_id, link_id, destination_id, per, cap_limit, coalesce(time_zone, 'UTC'),"
    " extract(epoch from starts_at)::bigint, conversions, extract(epoch from counted_at)::bigint"
    " from caps left join cap_conversions using (cap_id) where counted = 'conversions' order by cap_id"
)
# A transaction that began earlier may be committed later, so the latest changes are looked at again.
_AGAIN = 1000
_TOUCHED = (
    "select distinct c.link_id, c.destination_id from conversion_changes ch join conversions c using (conversion_id)"
    " where change_id > (select change_id from cap_counting) - %s"
)
_REACHED = "update cap_counting set change_id = coalesce((select max(change_id) from conversion_changes), 0)"
_COUNT = "select count(*) from conversions where {} = %s and received_at >= %s and status in ('pending', 'approved')"
_SAVE = (
    "insert into cap_conversions as kept (cap_id, starts_at, conversions, reached_at)"
    " select cap_id, to_timestamp(start_s), conversions, case when reached then now() end"
    " from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[]) as n (cap_id, start_s, conversions, reached)"
    # A cap that was removed meanwhile.
    " where exists (select from caps where caps.cap_id = n.cap_id)"
    " on conflict (cap_id) do update set starts_at = excluded.starts_at, conversions = excluded.conversions,"
    " counted_at = now(), reached_at = case when excluded.reached_at is null then null"
    " when kept.starts_at = excluded.starts_at then coalesce(kept.reached_at, excluded.reached_at)"
    " else excluded.reached_at end"
)


class CountedCap(NamedTuple):
    """A cap on conversions, and what was counted last: the period's start, the count, and when; None if nothing was."""

    cap_id: int
    link_id: int | None
    destination_id: int | None
    per: str
    limit: int
    time_zone: str
    start_s: int | None
    conversions: int | None
    counted_s: int | None


class Counted(NamedTuple):
    """The conversions of a cap in the period that begins at `start_s`, and whether they reach the limit."""

    cap_id: int
    start_s: int
    conversions: int
    reached: bool


def load_caps(connection: Connection) -> list[CountedCap]:
    """Return all caps on conversions."""
    return [CountedCap(*row) for row in connection.execute(_CAPS)]


def load_touched(connection: Connection) -> tuple[set[int], set[int]]:
    """Return the links and the destinations of the conversions that changed since this was last asked, and of some
    before.
    """
    rows = connection.execute(_TOUCHED, [_AGAIN]).fetchall()
    connection.execute(_REACHED)
    return {link_id for link_id, _ in rows}, {destination_id for _, destination_id in rows if destination_id}


def count(connection: Connection, cap: CountedCap, since: datetime) -> int:
    """Return how many conversions count for a cap: those of its destination, else of its link, received `since`."""
    column, value = ("link_id", cap.link_id) if cap.destination_id is None else ("destination_id", cap.destination_id)
    row = connection.execute(_COUNT.format(column), [value, since]).fetchone()
    assert row is not None
    return int(row[0])


def save_counts(connection: Connection, counts: Iterable[Counted]) -> None:
    """Store counts. `reached_at` stays that of the first count that reached the limit in the period."""
    columns = [list(column) for column in zip(*counts, strict=True)]
    if columns:
        connection.execute(_SAVE, columns)
