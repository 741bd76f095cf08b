"""Runs that class stored clicks anew: which day is next, which clicks, and what was counted. SQL only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple
from uuid import UUID

from worker.runtime import Connection
from worker.traffic.moments import DAY_MS, ms_of, start_of

_EPOCH = date(1970, 1, 1)
_RUN = "run_id, lists, from_day, to_day, done_day, day, after_id, changed"
_OLDEST = f"select {_RUN} from class_runs where state in ('waiting', 'running') order by run_id limit 1"  # noqa: S608
_OTHER_LISTS = "select exists (select from class_days where lists <> %s)"
_ADD = f"insert into class_runs (requested_by) values ('lists') returning {_RUN}"  # noqa: S608
_BEGIN = (
    "update class_runs set state = 'running', lists = coalesce(lists, %s),"  # noqa: S608
    " started_at = coalesce(started_at, now())"
    f" where run_id = %s returning {_RUN}"
)
_END = "update class_runs set state = %s, day = null, after_id = null, finished_at = now() where run_id = %s"
# What was asked for is done whatever its version.
_NEXT_DAY = (
    "select max(day) from class_days where day < coalesce(%(done_day)s, 'infinity'::date) and case"
    " when %(from_day)s::date is null and %(to_day)s::date is null then lists <> %(lists)s"
    " else day between coalesce(%(from_day)s, '-infinity'::date) and coalesce(%(to_day)s, 'infinity'::date) end"
)
_CLICKS = (
    "select click_id::text, (clicked_at at time zone 'UTC')::date, link_id, class, is_unique, user_agent, host(ip),"
    " asn, anonymous, erased_at is not null from clicks where click_id > %s and click_id < %s"
    " order by click_id limit %s"
)
_STEP = (
    "update class_runs set day = %s, after_id = %s, done_day = coalesce(%s, done_day), changed = changed + %s"
    " where run_id = %s"
)
_COUNT = (
    "insert into class_run_counts as known (run_id, day, class, clicks_before, clicks_after)"
    " select %s, %s, * from unnest(%s::text[], %s::bigint[], %s::bigint[])"
    " on conflict (run_id, day, class) do update set clicks_before = known.clicks_before + excluded.clicks_before,"
    " clicks_after = known.clicks_after + excluded.clicks_after"
)
_CLASSED = (
    "insert into class_days (day, lists) select unnest(%s::date[]), %s on conflict (day) do update"
    " set lists = excluded.lists"
)
_FIRST_CLASSED = "insert into class_days (day, lists) select unnest(%s::date[]), %s on conflict do nothing"
_NO_VERSION = ""


class Run(NamedTuple):
    """A run, as its row has it. The days from `done_day` on are done. Without bounds it does the stale ones."""

    run_id: int
    lists: str | None
    from_day: date | None
    to_day: date | None
    done_day: date | None
    day: date | None
    after_id: UUID | None
    changed: int


class StoredClick(NamedTuple):
    """What lists are asked about of a stored click."""

    click_id: str
    day: date
    link_id: int
    kind: str
    is_unique: bool
    user_agent: str
    ip: str | None
    asn: int | None
    anonymous: str | None
    erased: bool


def begin_run(connection: Connection, version: str) -> Run | None:
    """Return the run to go on with, a new one if a day has other lists; None if there is nothing to do."""
    row = connection.execute(_OLDEST).fetchone()
    if row is None:
        stale = connection.execute(_OTHER_LISTS, [version]).fetchone()
        row = connection.execute(_ADD).fetchone() if stale and stale[0] else None
    if row is None:
        return None
    begun = connection.execute(_BEGIN, [version, row[0]]).fetchone()
    assert begun is not None
    return Run(*begun)


def end_run(connection: Connection, run_id: int, state: str) -> None:
    """End a run as `done` or `superseded`."""
    connection.execute(_END, [state, run_id])


def next_day(connection: Connection, run: Run) -> date | None:
    """Return the day that a run does next, None after the last."""
    row = connection.execute(_NEXT_DAY, run._asdict()).fetchone()
    return row[0] if row else None


def load_clicks(connection: Connection, day: date, after_id: UUID | None, most: int) -> list[StoredClick]:
    """Return the clicks of a day (of their ids, UTC) after one of them, in order."""
    start_ms = (day - _EPOCH).days * DAY_MS
    bounds = [str(after_id) if after_id else start_of(start_ms), start_of(start_ms + DAY_MS), most]
    return [StoredClick(*row) for row in connection.execute(_CLICKS, bounds, prepare=False)]


def save_step(
    connection: Connection, run: Run, last_id: str | None, changed: int, counts: Mapping[str, tuple[int, int]]
) -> None:
    """Store how far a run is with its day, and what it counted by class; without `last_id` the day is done."""
    if counts:
        before, after = zip(*counts.values(), strict=True)
        connection.execute(_COUNT, [run.run_id, run.day, list(counts), list(before), list(after)])
    done = run.day if last_id is None else None
    connection.execute(_STEP, [None if done else run.day, last_id, done, changed, run.run_id])
    if done:
        connection.execute(_CLASSED, [[done], run.lists])


def note_version(connection: Connection, low: str, high: str, is_current: bool, version: str) -> None:
    """Note the version of the lists by which clicks between two ids were classed. An old one makes their days stale."""
    days = [date.fromordinal(_EPOCH.toordinal() + number) for number in _days(low, high)]
    if is_current:
        connection.execute(_FIRST_CLASSED, [days, version])
    else:
        connection.execute(_CLASSED, [days, _NO_VERSION])


def _days(low: str, high: str) -> Iterable[int]:
    return range(ms_of(low) // DAY_MS, ms_of(high) // DAY_MS + 1)
