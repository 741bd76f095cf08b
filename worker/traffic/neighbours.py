"""Finds duplicates, and which clicks are unique, by the click before and after each seed. SQL only.

A click depends on one other alone: the one before it of the same visitor on the same link. So the order in which clicks
are stored and settled does not matter, and a visitor who never stops clicking costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Iterable

from tracking.traffic import TrafficLimits
from worker.runtime import Connection
from worker.traffic.changes import Change
from worker.traffic.moments import ms_of, start_of
from worker.traffic.queue import Waiting, load_settled

_SEEDS = (
    "create temp table if not exists settling_seeds (click_id uuid, visitor bigint, link_id bigint, class text,"
    " is_unique boolean, day date) on commit delete rows"
)
_COLUMNS = "c.click_id, c.visitor, c.link_id, c.class, c.is_unique, (c.clicked_at at time zone 'UTC')::date"
# What is a click of a person so far. The other classes are those that a request has by itself.
PERSONAL = "('valid', 'duplicate', 'rate')"
_SEED_BATCH = (
    f"insert into settling_seeds select {_COLUMNS} from clicks c"  # noqa: S608
    " where c.click_id >= %(low)s and c.click_id <= %(high)s and c.spool_id = %(spool_id)s"
    " and c.spool_number >= %(first)s and c.spool_number < %(past)s"
    f" and c.visitor is not null and c.class in {PERSONAL}"
)
_SEED_RANGE = (
    f"insert into settling_seeds select {_COLUMNS} from clicks c"  # noqa: S608
    " where c.click_id >= %(low)s and c.click_id <= %(high)s and c.visitor is not null"
)
_SEED_IDS = (
    f"insert into settling_seeds select {_COLUMNS} from clicks c"  # noqa: S608
    " where c.click_id = any(%(ids)s::uuid[]) and c.click_id >= %(low)s and c.click_id <= %(high)s"
    " and c.visitor is not null"
)
_NEIGHBOUR = (
    "select {columns} from clicks c where c.visitor = s.visitor and c.link_id = s.link_id"  # noqa: S608
    f" and c.class in {PERSONAL} and c.click_id {{order}} s.click_id and c.click_id {{limit}}"
    " order by c.click_id {direction} limit 1"
)
_BEFORE = _NEIGHBOUR.format(columns="c.click_id", order="<", limit=">= %(from)s", direction="desc")
# PERF: a later click that is not settled yet will look for the one before it by itself, and in the usual order there is
# none that is. The last condition does not depend on `c`, so it is decided before the index is asked.
_AFTER = _NEIGHBOUR.format(columns=_COLUMNS, order=">", limit="<= %(to)s and s.click_id < %(to)s", direction="asc")
# PERF: most clicks have no neighbour and are as they should be; moments are read from ids only for the others.
_CHANGES = f"""
with looked as materialized (
    select s.*, b.click_id as before_id, a.click_id as after_id, a.class as after_class,
        a.is_unique as after_unique, a.day as after_day, s.class in {PERSONAL} as personal
    from settling_seeds s
        left join lateral ({_BEFORE}) b on true
        left join lateral ({_AFTER}) as a (click_id, visitor, link_id, class, is_unique, day) on true
), gaps as materialized (
    select click_id, link_id, day, class, is_unique,
        case when before_id is not null then click_ms(click_id) - click_ms(before_id) end as gap_ms
        from looked where personal and not (before_id is null and class = 'valid' and is_unique)
    union
    select after_id, link_id, after_day, after_class, after_unique,
        click_ms(after_id) - click_ms(case when personal then click_id else before_id end)
        from looked where after_id is not null
), fitted as materialized (
    select *,
        case when class = 'rate' then 'rate' when gap_ms < %(duplicate_ms)s then 'duplicate' else 'valid' end as fit
    from gaps
)
select click_id::text, day, link_id, class, is_unique, fit, fit = 'valid' and coalesce(gap_ms >= %(unique_ms)s, true)
from fitted
where class <> fit or is_unique <> (fit = 'valid' and coalesce(gap_ms >= %(unique_ms)s, true))
"""  # noqa: S608


def make_seeds(connection: Connection) -> None:
    """Begin with no seeds, in the caller's transaction."""
    connection.execute(_SEEDS)
    connection.execute("delete from settling_seeds")


def add_seeds(connection: Connection, waiting: Iterable[Waiting]) -> None:
    """Add the clicks that wait."""
    for each in waiting:
        connection.execute(_SEED_RANGE if each.spool_id is None else _SEED_BATCH, each._asdict(), prepare=False)


def seed_ids(connection: Connection, click_ids: list[str]) -> None:
    """Add clicks by their ids."""
    connection.execute(_SEED_IDS, {"ids": click_ids, "low": min(click_ids), "high": max(click_ids)}, prepare=False)


def seed_minutes(connection: Connection) -> list[int]:
    """Return the minutes of the clock that have seeds."""
    rows = connection.execute("select distinct click_ms(click_id) / 60000 from settling_seeds")
    return [minute for (minute,) in rows]


def find_changes(connection: Connection, low: str, high: str, limits: TrafficLimits) -> list[Change]:
    """Return what is wrong with the seeds, whose ids are between `low` and `high`, and with the clicks after them."""
    window_ms = max(limits.duplicate_ms, limits.unique_ms)
    values = {
        "from": start_of(ms_of(low) - window_ms),
        "to": min(start_of(ms_of(high) + window_ms + 1), load_settled(connection)),
        "duplicate_ms": limits.duplicate_ms,
        "unique_ms": limits.unique_ms,
    }
    return [Change(*row) for row in connection.execute(_CHANGES, values, prepare=False)]
