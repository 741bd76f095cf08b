"""Changes the class of stored clicks and moves them in the day counts by what was really changed. SQL only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from worker.runtime import Connection

# PERF: with the ids named twice, each click is found by its key. Joined with their lowest and highest, all clicks
# between them were read for each: 21 microseconds a click of a batch, instead of 4.
_PLAN = "select set_config(name, 'off', true) from unnest('{enable_mergejoin,enable_seqscan,jit}'::text[]) as name"
_CHANGE = (
    "update clicks c set class = n.class, is_unique = n.is_unique"
    " from unnest(%s::uuid[], %s::text[], %s::boolean[], %s::text[], %s::boolean[])"
    " as n (click_id, was_class, was_unique, class, is_unique)"
    " where c.click_id = any(%s::uuid[]) and c.click_id = n.click_id"
    " and c.class = n.was_class and c.is_unique = n.was_unique returning c.click_id::text"
)
# Sorted, as the batches add theirs, so that no two transactions wait for each other.
_MOVE = (
    "insert into click_days (day, link_id, class, clicks, uniques)"
    " select * from unnest(%s::date[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])"
    " on conflict (day, link_id, class) do update"
    " set clicks = click_days.clicks + excluded.clicks, uniques = click_days.uniques + excluded.uniques"
)


class Change(NamedTuple):
    """A stored click, its day (UTC), its class and uniqueness as they are, and as they are to be."""

    click_id: str
    day: date
    link_id: int
    was_class: str
    was_unique: bool
    new_class: str
    new_unique: bool


def use_indexes(connection: Connection) -> None:
    """Let the statements of this transaction find rows by index."""
    connection.execute(_PLAN)


def apply_changes(connection: Connection, changes: Sequence[Change]) -> int:
    """Change clicks and day counts in the caller's transaction, which called `use_indexes`; return how many changed.

    RACE: a click that is not as `was_class` says, or is gone, is left alone, and the day counts with it.
    """
    if not changes:
        return 0
    ordered = sorted(changes)
    columns = [[getattr(change, name) for change in ordered] for name in ("click_id", *Change._fields[3:])]
    rows = connection.execute(_CHANGE, [*columns, columns[0]], prepare=False)
    changed = {click_id for (click_id,) in rows}
    clicks: Counter[tuple[date, int, str]] = Counter()
    uniques: Counter[tuple[date, int, str]] = Counter()
    for change in ordered:
        if change.click_id in changed:
            before = (change.day, change.link_id, change.was_class)
            after = (change.day, change.link_id, change.new_class)
            clicks[before] -= 1
            clicks[after] += 1
            uniques[before] -= change.was_unique
            uniques[after] += change.new_unique
    keys = sorted(key for key in clicks if clicks[key] or uniques[key])
    if keys:
        days, links, classes = (list(column) for column in zip(*keys, strict=True))
        connection.execute(_MOVE, [days, links, classes, [clicks[key] for key in keys], [uniques[key] for key in keys]])
    return len(changed)
