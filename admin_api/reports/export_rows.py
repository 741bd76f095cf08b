"""A whole answer as a table: its headings, and its rows as cells. What files of every kind have in common."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from admin_api.reports.columns import Figures, Money
from admin_api.reports.question import Question
from admin_api.reports.store import Head, ReportRow, Stream
from admin_api.reports.values import NONE, Value, shown_value
from tracking.reports import DIMENSIONS, DimensionKind

Cell = str | int | float | Decimal | None
PREVIOUS = "previous_"
_RATES_SHOWN = 20


def headings(question: Question) -> list[str]:
    """Return the headings: dimensions, each id with its name, the columns, and those of the period before."""
    named = [
        heading for name in question.group_by for heading in ([name, f"{name}_name"] if _has_name(name) else [name])
    ]
    before = [f"{PREVIOUS}{name}" for name in question.columns] if question.compare else []
    return [*named, *question.columns, *before]


def cells(stream: Stream) -> Iterator[list[Cell]]:
    """Yield the rows in the order of the question. Amounts are exact, in major units of its currency."""
    question = stream.head.question
    for rows, names in stream.pages:
        for row in rows:
            yield [*_key_cells(question, row, names), *_value_cells(question, row)]


def notes(head: Head) -> list[str]:
    """Return what a reader must know beside the figures, in sentences."""
    question, selection = head.question, head.question.selection
    days = f"{selection.first_day} to {selection.last_day}, both included"
    said = [
        f"Days from {days}, in the time zone {selection.time_zone}.",
        f"Conversions are counted by the date of the {question.by.value}. Amounts are in {question.currency}.",
    ]
    if head.missing_rates:
        lacking = ", ".join(f"{each.currency} of {each.day}" for each in head.missing_rates[:20])
        more = " and others" if len(head.missing_rates) > 20 else ""
        said.append(f"Amounts without an exchange rate are left out: {lacking}{more}.")
    return said


def figure_cells(question: Question, figures: Figures | None) -> list[Cell]:
    """Return the values of all columns, or blanks."""
    if figures is None:
        return [None] * len(question.columns)
    found: list[Cell] = []
    for name in question.columns:
        column = question.column(name)
        value = column.shows(figures, question.currency)
        found.append(Decimal(value) if column.money is not Money.NONE and isinstance(value, str) else value)
    return found


def _key_cells(question: Question, row: ReportRow, names: dict[str, dict[int, str]]) -> list[Cell]:
    found: list[Cell] = []
    for name, value in zip(question.group_by, row.key, strict=True):
        found.append(_key_cell(name, value))
        if _has_name(name):
            found.append(names.get(name, {}).get(int(value)))
    return found


def _key_cell(name: str, value: Value) -> Cell:
    dimension = DIMENSIONS[name]
    unknown = value == "" or (value == 0 and dimension.kind is DimensionKind.ID)
    return NONE if unknown else shown_value(value, dimension)


def _value_cells(question: Question, row: ReportRow) -> list[Cell]:
    before = figure_cells(question, row.previous) if question.compare else []
    return [*figure_cells(question, row.figures), *before]


def _has_name(dimension: str) -> bool:
    return DIMENSIONS[dimension].kind is DimensionKind.ID
