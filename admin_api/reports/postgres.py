"""Answers questions from PostgreSQL: one statement for figures, totals and order, in one snapshot with its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg

from admin_api.reports.columns import CLASSES, COST, Figures
from admin_api.reports.errors import RowsDroppedError, TooMuchError
from admin_api.reports.names import Names, load_names
from admin_api.reports.parameters import Parameters
from admin_api.reports.planner import AnsweredFrom, Grain, Plan, ReportState, periods, plan_of, remedy
from admin_api.reports.question import Question, RowPlace
from admin_api.reports.rates import load_exchange
from admin_api.reports.snapshot import kept_from, load_snapshot
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

    def __init__(self, pool: Pool, timeout_s: float, plan: Planner = plan_of) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._plan = plan

    def answer(self, question: Question) -> Answer:
        """Return one page of the answer. Raises TooMuchError or RowsDroppedError."""
        with self._snapshot(question) as database:
            plan, statement, missing = _prepare(database, question, self._plan)
            text = statement.text(page=True)
            totals, *found = database.execute(text, statement.parameters.values, prepare=False).fetchall()
            head = _head(question, plan, totals, missing)
            rows = [_row(question, each) for each in found[: question.limit]]
            return Answer(head, rows, len(found) > question.limit, load_names(database, question, rows))

    @contextmanager
    def stream(self, question: Question) -> Iterator[Stream]:
        """Give the whole answer, as of one moment, while the block runs. Raises TooMuchError or RowsDroppedError."""
        with self._snapshot(question) as database:
            plan, statement, missing = _prepare(database, question, self._plan)
            text = statement.text(page=False)
            with database.cursor("report_rows") as cursor:
                cursor.itersize = STREAM_ROWS
                cursor.execute(text, statement.parameters.values)
                totals = cursor.fetchone()
                assert totals is not None
                head = _head(question, plan, totals, missing)
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


def _prepare(
    database: Database, question: Question, planner: Planner
) -> tuple[Plan, Statement, tuple[MissingRate, ...]]:
    """Return the plan of a question, its statement, and the rates that it lacks."""
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
    parameters = Parameters()
    readings = [
        Reading(
            question,
            plan,
            snapshot.state,
            period,
            parameters,
            unfolded_clicks=unfolded,
            unfolded_conversions=snapshot.unfolded_conversions,
        )
        for period, unfolded in zip(periods(question), snapshot.unfolded_clicks, strict=True)
    ]
    statement = Statement(question, readings, exchange, parameters)
    missing: tuple[MissingRate, ...] = ()
    if not exchange.complete:
        asked = Parameters()
        lacking = Statement(question, [replace(each, parameters=asked) for each in readings], exchange, asked)
        rows = database.execute(lacking.missing(), asked.values, prepare=False).fetchall()
        missing = tuple(MissingRate(row["of_currency"], day_of(row["of_day"]).isoformat()) for row in rows)
    return plan, statement, missing


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
