"""Answers questions from PostgreSQL: one statement for figures, totals and order, in one snapshot with its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from admin_api.reports import late
from admin_api.reports.columns import CLASSES, COST, Figures
from admin_api.reports.errors import RowsDroppedError, TooMuchError
from admin_api.reports.names import Names, load_names
from admin_api.reports.parameters import Parameters
from admin_api.reports.planner import AnsweredFrom, Grain, Plan, ReportState, periods, plan_of, remedy
from admin_api.reports.question import Question, RowPlace
from admin_api.reports.rates import Exchange, load_exchange
from admin_api.reports.snapshot import Snapshot, kept_from, load_snapshot
from admin_api.reports.sources import Reading
from admin_api.reports.statements import PREVIOUS, Statement
from admin_api.reports.store import Answer, Head, MissingRate, ReportRow, Stream
from admin_api.runtime import Database, Pool, Row
from tracking.reports import day_of

Planner = Callable[[Question, ReportState], Plan]
STREAM_ROWS = 500
# PERF: parallel workers start for 10 ms and take cores from the pipeline; compiling costs 20 to 100 ms where it starts.
_BEGIN = (
    "set transaction isolation level repeatable read, read only;"
    " set local jit = off; set local max_parallel_workers_per_gather = 0; set local work_mem = '64MB';"
    " set local statement_timeout = {timeout_ms}"
)


class PostgresReports:
    """A ReportStore on the roll-ups and rows in PostgreSQL."""

    def __init__(
        self, pool: Pool, timeout_s: float, plan: Planner = plan_of, late_keys_min: int = late.KEYS_MIN
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._plan = plan
        self._late_keys_min = late_keys_min

    def answer(self, question: Question) -> Answer:
        """Return one page of the answer. Raises TooMuchError or RowsDroppedError."""
        with self._snapshot(question) as database:
            prepared = _prepare(database, question, self._plan)
            late_rows = _late(database, prepared, self._late_keys_min)
            if late_rows is None:
                totals, *found = prepared.execute(database, question, page=True)
            else:
                totals, found = late_rows
            head = _head(question, prepared.plan, totals, prepared.missing)
            rows = [_row(question, each) for each in found[: question.limit]]
            return Answer(head, rows, len(found) > question.limit, load_names(database, question, rows))

    @contextmanager
    def stream(self, question: Question) -> Iterator[Stream]:
        """Give the whole answer, as of one moment, while the block runs. Raises TooMuchError or RowsDroppedError."""
        with self._snapshot(question) as database:
            prepared = _prepare(database, question, self._plan)
            statement = prepared.statement(question)
            text = statement.text(page=False)
            with database.cursor("report_rows") as cursor:
                cursor.itersize = STREAM_ROWS
                cursor.execute(text, statement.parameters.values)
                totals = cursor.fetchone()
                assert totals is not None
                head = _head(question, prepared.plan, totals, prepared.missing)
                yield Stream(head, _pages(database, question, cursor))

    @contextmanager
    def _snapshot(self, question: Question) -> Iterator[Database]:
        try:
            with self._pool.connection() as database, database.transaction():
                database.execute(_BEGIN.format(timeout_ms=int(self._timeout_s * 1000)))
                yield database
        except psycopg.errors.QueryCanceled:
            raise TooMuchError(
                f"this question takes longer than REPORT_TIMEOUT_S ({self._timeout_s:g} s), and a part of the"
                f" answer would be wrong; {remedy(question)}"
            ) from None
        except psycopg.errors.NumericValueOutOfRange:
            raise TooMuchError("a sum is too large to be shown; ask for fewer days or fewer links") from None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question with what is known before its figures, all of one snapshot."""

    question: Question
    planner: Planner
    plan: Plan
    snapshot: Snapshot
    exchange: Exchange
    missing: tuple[MissingRate, ...] = ()

    def statement(self, question: Question) -> Statement:
        """Return the statement of the question, or of one that follows from it and asks for no other days."""
        parameters = Parameters()
        plan = self.plan if question.group_by else self.planner(question, self.snapshot.state)
        readings = [
            Reading(
                question,
                plan,
                self.snapshot.state,
                period,
                parameters,
                unfolded_clicks=unfolded,
                unfolded_conversions=self.snapshot.unfolded_conversions,
            )
            for period, unfolded in zip(periods(question), self.snapshot.unfolded_clicks, strict=False)
        ]
        return Statement(question, readings, self.exchange, parameters)

    def execute(self, database: Database, question: Question, *, page: bool) -> list[Row]:
        """Return the totals, then the rows."""
        statement = self.statement(question)
        text = statement.text(page=page)
        rows: list[Row] = database.execute(text, statement.parameters.values, prepare=False).fetchall()
        return rows


def _prepare(database: Database, question: Question, planner: Planner) -> Prepared:
    """Return the question with its plan, its rates, and those that it lacks."""
    snapshot = load_snapshot(database, question)
    plan = planner(question, snapshot.state)
    if plan.grain is Grain.ROWS and any(name in (*CLASSES, "uniques", COST) for name in question.figures):
        since = kept_from(database, question)
        if since is not None:
            raise RowsDroppedError(
                f"this question needs single clicks, which are kept from {since} on; ask from then, or"
                f" {remedy(question)}",
                field="from",
            )
    exchange = load_exchange(database, question, snapshot.currencies, costs=COST in question.figures)
    prepared = Prepared(question, planner, plan, snapshot, exchange)
    if exchange.complete:
        return prepared
    lacking = prepared.statement(question)
    rows = database.execute(lacking.missing(), lacking.parameters.values, prepare=False).fetchall()
    missing = tuple(MissingRate(row["of_currency"], day_of(row["of_day"]).isoformat()) for row in rows)
    return replace(prepared, missing=missing)


def _late(database: Database, prepared: Prepared, keys_min: int) -> tuple[Row, list[Row]] | None:
    """Return the totals and the rows of a page and of the one after it, or None if they are to be found in one step."""
    question = prepared.question
    if not late.is_late(question, prepared.plan, keys_min):
        return None
    first, *ordered = prepared.execute(database, late.by_order(question), page=True)
    keys = [tuple(row[f"k{index}"] for index in range(len(question.group_by))) for row in ordered]
    places = [RowPlace(row["place"], key) for row, key in zip(ordered, keys, strict=True)]
    if not late.decides(question, places, first["keys"]):
        return None
    rows = prepared.execute(database, late.of_keys(question, keys), page=False)[1:]
    by_key = {tuple(row[f"k{index}"] for index in range(len(question.group_by))): row for row in rows}
    totals = prepared.execute(database, late.totals_of(question), page=True)[0]
    return totals, [by_key[key] for key in keys]


def _pages(database: Database, question: Question, cursor: Any) -> Iterator[tuple[list[ReportRow], Names]]:
    while found := cursor.fetchmany(STREAM_ROWS):
        rows = [_row(question, each) for each in found]
        yield rows, load_names(database, question, rows)


def _head(question: Question, plan: Plan, totals: Row, missing: tuple[MissingRate, ...]) -> Head:
    return Head(
        question,
        AnsweredFrom(plan.answered_from),
        _figures(question, totals),
        _figures(question, totals, PREVIOUS) if question.compare else None,
        missing,
    )


def _row(question: Question, row: Row) -> ReportRow:
    key = tuple(row[f"k{index}"] for index in range(len(question.group_by)))
    return ReportRow(
        key,
        _figures(question, row),
        _figures(question, row, PREVIOUS) if question.compare else None,
        RowPlace(row["place"], key),
    )


def _figures(question: Question, row: Row, prefix: str = "") -> Figures:
    return {name: row[f"{prefix}{name}"] for name in question.figures}
