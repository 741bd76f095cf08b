"""Answers of reports as the API shows them."""

from __future__ import annotations

from datetime import date
from time import perf_counter
from typing import Annotated, Any

from pydantic import Field

from admin_api.http import Shown
from admin_api.reports.columns import Figures
from admin_api.reports.drill_down import clicks_path, conversions_path
from admin_api.reports.planner import AnsweredFrom
from admin_api.reports.question import Axis, Question
from admin_api.reports.store import Answer, MissingRate, ReportRow
from admin_api.reports.values import Value, shown_value
from tracking.reports import DIMENSIONS, DimensionKind

Key = dict[str, int | str | None]
Values = dict[str, int | float | str | None]


class ShownRow(Shown):
    """One row: what it is about, and the columns."""

    key: Key
    """The value of each dimension: the number of an object, text, a day such as 2026-10-31. Null if it is not known."""
    names: dict[str, str]
    """The names of the objects in `key` that still exist, by dimension."""
    values: Values
    """The columns. Counts are whole numbers, `cr` and `roi` percentages, amounts decimal text in major units."""
    previous: Values | None
    """The same of the period before; null unless `compare` asks for it."""
    clicks: str | None
    """The path that lists the clicks of this row, the newest first."""
    conversions: str | None
    """The path that lists its conversions."""


class ShownMissingRate(Shown):
    """A currency and a day without an exchange rate. Amounts of both are in no sum; load rates to have them in."""

    currency: str
    day: date


class ComparedDays(Shown):
    """The period before, of as many days."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]


class Report(Shown):
    """The answer to a question, all of it as of one moment."""

    by: Axis
    """Conversions, and their money, are counted by the date of their click or by their own. Clicks by their own."""
    time_zone: str
    currency: str
    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    """The last day, which is included."""
    compared_with: ComparedDays | None
    answered_from: AnsweredFrom
    """`rollups`, or `partitions` if no roll-up has what was asked, so that rows were counted one by one."""
    group_by: list[str]
    columns: list[str]
    sort: str
    rows: list[ShownRow]
    totals: Values
    """The columns of all rows together, those of other pages included."""
    previous_totals: Values | None
    next_cursor: str | None
    """Send it as `cursor`, with the same question, to read on; null on the last page."""
    took_ms: float
    missing_rates: list[ShownMissingRate]


def shown_report(answer: Answer, began_s: float) -> Report:
    """Return an answer as it is shown. `began_s` is when it was begun, by perf_counter."""
    question, head = answer.head.question, answer.head
    selection = question.selection
    before = selection.previous()
    return Report(
        by=question.by,
        time_zone=selection.time_zone,
        currency=question.currency,
        first=selection.first_day,
        last=selection.last_day,
        compared_with=ComparedDays(first=before.first_day, last=before.last_day) if question.compare else None,
        answered_from=head.answered_from,
        group_by=list(question.group_by),
        columns=list(question.columns),
        sort=str(question.sort),
        rows=[_shown_row(question, row, answer.names) for row in answer.rows],
        totals=shown_values(question, head.totals),
        previous_totals=None if head.previous_totals is None else shown_values(question, head.previous_totals),
        next_cursor=answer.next_cursor,
        missing_rates=[_missing(each) for each in head.missing_rates],
        took_ms=round((perf_counter() - began_s) * 1000, 1),
    )


def shown_values(question: Question, figures: Figures) -> Values:
    """Return the columns that figures come to."""
    return {name: question.column(name).shows(figures, question.currency) for name in question.columns}


def shown_key(question: Question, row: ReportRow) -> Key:
    """Return the key of a row by dimension."""
    return {name: _known(value, name) for name, value in zip(question.group_by, row.key, strict=True)}


def _known(value: Value, name: str) -> int | str | None:
    dimension = DIMENSIONS[name]
    if value == "" or (value == 0 and dimension.kind is DimensionKind.ID):
        return None
    return shown_value(value, dimension)


def _shown_row(question: Question, row: ReportRow, names: dict[str, dict[int, str]]) -> ShownRow:
    named: dict[str, Any] = {
        name: names.get(name, {}).get(value) if isinstance(value, int) else None
        for name, value in zip(question.group_by, row.key, strict=True)
    }
    return ShownRow(
        key=shown_key(question, row),
        names={name: text for name, text in named.items() if text is not None},
        values=shown_values(question, row.figures),
        previous=None if row.previous is None else shown_values(question, row.previous),
        clicks=clicks_path(question, row.key),
        conversions=conversions_path(question, row.key),
    )


def _missing(rate: MissingRate) -> ShownMissingRate:
    return ShownMissingRate(currency=rate.currency, day=date.fromisoformat(rate.day))
