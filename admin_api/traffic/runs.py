"""Runs that class stored clicks anew: what they found, and asking for one. The worker carries them out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from http import HTTPStatus
from typing import Literal, LiteralString

import falcon
from psycopg import sql

from admin_api.http import (
    Body,
    Day,
    InvalidFieldsError,
    NotFoundError,
    NumberedPageQuery,
    Page,
    Shown,
    actor_of,
    operation,
    page_of,
)
from admin_api.runtime import Database, Pool, Row
from tracking.runtime import FieldError
from tracking.traffic import TrafficClass

_COLUMNS: LiteralString = (
    "run_id, state, lists, from_day, to_day, day, done_day, changed, requested_by, requested_at, started_at,"
    " finished_at"
)
_ONE: LiteralString = f"select {_COLUMNS} from class_runs where run_id = %s"  # noqa: S608
_PAGE: LiteralString = f"select {_COLUMNS} from class_runs {{}} order by run_id desc limit %(limit)s"  # noqa: S608
_ADD: LiteralString = (
    "insert into class_runs (from_day, to_day, requested_by)"  # noqa: S608
    f" values (%s, %s, %s) returning {_COLUMNS}"
)
_COUNTS: LiteralString = (
    "select day, class, clicks_before, clicks_after from class_run_counts where run_id = %s order by day desc, class"
)


class ClassRunBody(Body):
    """Which days are to be classed anew, whatever lists they were classed by."""

    first_day: Day
    """The first day, in UTC."""
    to: Day
    """The last day."""

    def faults(self) -> Iterator[FieldError]:
        """Yield the errors of the body as a whole."""
        if self.to < self.first_day:
            yield FieldError("to", "to must not be before first_day")


class ClassRun(Shown):
    """A run."""

    run_id: int
    state: Literal["waiting", "running", "done", "superseded"]
    """`superseded`: the lists changed meanwhile, and another run does the rest."""
    lists: str | None
    """The version of the lists; null until it begins."""
    from_day: date | None
    """The first day that was asked for; null for a run of all days that other lists classed."""
    to_day: date | None
    """The last one."""
    day: date | None
    """The day that it is at."""
    done_day: date | None
    """The last day that is done. The newest day comes first."""
    changed: int
    """How many clicks got another class so far."""
    requested_by: str
    """The name of the API token that asked for it; `lists` if a change of a list began it."""
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ClassCount(Shown):
    """The clicks of a class in what a run has read."""

    before: int
    """By the class that they had."""
    after: int
    """By the class that the lists give them. Duplicates beside changed clicks are settled later."""


class ClassedDay(Shown):
    """What a run found on a day of click ids, in UTC."""

    day: date
    classes: dict[TrafficClass, ClassCount]


class CountedClassRun(ClassRun):
    """A run with its counts."""

    days: list[ClassedDay]
    """The newest day comes first."""


class ClassRuns:
    """All runs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("List runs that class clicks anew")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: NumberedPageQuery) -> Page[ClassRun]:
        """The newest runs come first."""
        where = sql.SQL("" if query.cursor is None else "where run_id < %(before)s")
        with self._pool.connection() as database:
            values = {"before": query.cursor, "limit": query.limit + 1}
            rows = database.execute(sql.SQL(_PAGE).format(where), values).fetchall()
        return page_of(Page[ClassRun], rows, query.limit, ClassRun.of, lambda row: str(row["run_id"]))

    @operation("Class stored clicks anew", statuses=(HTTPStatus.ACCEPTED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, body: ClassRunBody) -> ClassRun:
        """A change of a list begins a run by itself. This one is for days that were classed by the same lists."""
        faults = list(body.faults())
        if faults:
            raise InvalidFieldsError(faults)
        with self._pool.connection() as database:
            row = database.execute(_ADD, [body.first_day, body.to, actor_of(req)]).fetchone()
        assert row is not None
        resp.location = f"/v1/class-runs/{row['run_id']}"
        return ClassRun.of(row)


class ClassRunItem:
    """One run."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show a run that classes clicks anew")
    def on_get(self, req: falcon.Request, resp: falcon.Response, run_id: int) -> CountedClassRun:
        """The answer shows its progress, and the clicks of each day by class, before and after."""
        with self._pool.connection() as database:
            row = database.execute(_ONE, [run_id]).fetchone()
            if row is None:
                raise NotFoundError(f"there is no run {run_id}")
            return CountedClassRun.of(row, days=_days(database, run_id))


def _days(database: Database, run_id: int) -> list[ClassedDay]:
    days: dict[date, dict[TrafficClass, ClassCount]] = {}
    rows: list[Row] = database.execute(_COUNTS, [run_id]).fetchall()
    for row in rows:
        count = ClassCount(before=row["clicks_before"], after=row["clicks_after"])
        days.setdefault(row["day"], {})[TrafficClass(row["class"])] = count
    return [ClassedDay(day=day, classes=classes) for day, classes in days.items()]
