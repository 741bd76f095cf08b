"""Parses a row of a merchant's report, and compares it with a stored conversion. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from tracking.conversions import ConversionStatus
from tracking.money import parse_currency
from tracking.reconciliation.cells import DateFormat, cell_text, parse_date, parse_id, parse_report_amount
from tracking.runtime import FieldError

SHOWN_CHARACTERS_MAX = 100


class RowClass(StrEnum):
    """The result of comparing. Every row of a report and every conversion of its period has one class."""

    EQUAL = "equal"
    DIFFERENT = "different"
    MISSING_HERE = "missing-here"
    MISSING_THERE = "missing-there"
    REPEATED = "repeated"
    AMBIGUOUS = "ambiguous"
    OUTSIDE_PERIOD = "outside-period"
    BAD_ROW = "bad-row"


# What to do about the rows of a class. Nothing is to do about the other classes.
CLASS_FIXES: Mapping[RowClass, str] = MappingProxyType(
    {
        RowClass.DIFFERENT: (
            "Ask the merchant which is right. If its report is, have it send the postback with the right amount or"
            " status, or change the conversion by the API."
        ),
        RowClass.MISSING_HERE: (
            "Look the order id up at /v1/trace: a postback that was refused for it has its reason there. Without one,"
            " ask the merchant to send its postback again."
        ),
        RowClass.MISSING_THERE: (
            "Ask the merchant why its report leaves these conversions out; reject those that it does not pay for."
        ),
        RowClass.AMBIGUOUS: (
            "Ask the merchant for a report with order ids, or state the column of the event; compare these by hand."
        ),
        RowClass.BAD_ROW: (
            "Correct the cells that are named, or the settings that say how to read them, and load the report again."
        ),
    }
)


class Difference(StrEnum):
    """What is different in a row and its conversion."""

    AMOUNT = "amount"
    CURRENCY = "currency"
    STATUS = "status"
    CLICK = "click"


class Column(StrEnum):
    """The kinds of columns that a report may have."""

    DATE = "date"
    AMOUNT = "amount"
    CURRENCY = "currency"
    ORDER_ID = "order_id"
    STATUS = "status"
    CLICK_ID = "click_id"
    EVENT = "event"


class ReportRules(NamedTuple):
    """How a report is parsed: the index of each column, and the meaning of its words.

    `currency` is the currency of rows that have none. The words of statuses and events are in lower case. `read_click`
    returns the click id of a text in the click column, None if it is not one of ours.
    """

    places: Mapping[Column, int]
    date_format: DateFormat | None
    decimal: str
    currency: str
    statuses: Mapping[str, ConversionStatus]
    events: Mapping[str, str]
    read_click: Callable[[str], UUID | None]


class ReportRow(NamedTuple):
    """A parsed row; None for what it does not say. The amount is in minor units; if taken back, status is
    `reversed`.
    """

    reported_on: date | None
    order_id: str | None
    click_id: UUID | None
    event: str | None
    amount_minor: int | None
    currency: str
    status: ConversionStatus | None


class Fault(NamedTuple):
    """A cell that cannot be parsed: its column, its text, and what to do."""

    column: Column
    value: str
    fix: str


class Stated(NamedTuple):
    """What one side, the report or the database, says about a conversion."""

    amount_minor: int | None
    currency: str | None
    status: ConversionStatus | None
    click_id: UUID | None


def read_row(cells: Sequence[Any], rules: ReportRules) -> ReportRow | list[Fault]:
    """Return the parsed row, or all its faults. If there are fewer cells than columns, the others are empty."""
    faults: list[Fault] = []
    said: dict[Column, Any] = {}
    currency = rules.currency

    def read(column: Column, parse: Callable[[Any], Any]) -> Any:
        place = rules.places.get(column)
        if place is None:
            return None
        cell = cells[place] if place < len(cells) else None
        try:
            said[column] = parse(cell)
        except FieldError as error:
            shown = cell_text(cell)[:SHOWN_CHARACTERS_MAX].replace("\x00", "\ufffd")
            faults.append(Fault(column, shown, error.message))
        return said.get(column)

    currency = read(Column.CURRENCY, _currency_of) or currency
    read(Column.DATE, lambda cell: parse_date(cell, rules.date_format))
    read(Column.ORDER_ID, lambda cell: parse_id(cell, Column.ORDER_ID))
    read(Column.CLICK_ID, lambda cell: _click_of(cell, rules, said.get(Column.ORDER_ID) is not None))
    read(Column.EVENT, lambda cell: _word(cell, rules.events, Column.EVENT))
    read(Column.STATUS, lambda cell: _word(cell, rules.statuses, Column.STATUS))
    if not any(fault.column == Column.CURRENCY for fault in faults):
        read(Column.AMOUNT, lambda cell: _amount_of(cell, currency, rules.decimal, said.get(Column.STATUS)))
    key_columns = [column for column in (Column.ORDER_ID, Column.CLICK_ID) if column in rules.places]
    faulty = {fault.column for fault in faults}
    if faulty.isdisjoint(key_columns) and not any(said.get(column) for column in key_columns):
        faults.append(Fault(key_columns[0], "", "the row names no conversion; give its order id or its click id"))
    if faults:
        return faults
    amount = said.get(Column.AMOUNT)
    status = said.get(Column.STATUS)
    if amount is not None and amount < 0:
        amount, status = -amount, status or ConversionStatus.REVERSED
    return ReportRow(
        said.get(Column.DATE),
        said.get(Column.ORDER_ID),
        said.get(Column.CLICK_ID),
        said.get(Column.EVENT),
        amount,
        currency,
        status,
    )


def differences(theirs: Stated, ours: Stated) -> list[Difference]:
    """Return what is different in the report and in the database. What the report does not say is not different."""
    found = []
    if theirs.amount_minor is not None:
        # Amounts in different currencies are not compared.
        if ours.amount_minor is not None and theirs.currency != ours.currency:
            found.append(Difference.CURRENCY)
        elif theirs.amount_minor != (ours.amount_minor or 0):
            found.append(Difference.AMOUNT)
    if theirs.status is not None and theirs.status != ours.status:
        found.append(Difference.STATUS)
    if theirs.click_id is not None and theirs.click_id != ours.click_id:
        found.append(Difference.CLICK)
    return found


def _currency_of(cell: Any) -> str | None:
    text = cell_text(cell)
    return parse_currency(text, Column.CURRENCY) if text else None


def _click_of(cell: Any, rules: ReportRules, has_order: bool) -> UUID | None:
    text = parse_id(cell, Column.CLICK_ID)
    if text is None:
        return None
    click_id = rules.read_click(text)
    # If the row has an order id, it does not matter what else a merchant has in that column.
    if click_id is None and not has_order:
        raise FieldError(Column.CLICK_ID, f"{text[:40]!r} is not a click id that Waypost made; correct it")
    return click_id


def _word(cell: Any, words: Mapping[str, Any], column: Column) -> Any:
    text = cell_text(cell)
    if not text:
        return None
    found = words.get(text.lower())
    if found is None:
        name = "statuses" if column == Column.STATUS else "events"
        raise FieldError(column, f"{text[:40]!r} has no meaning yet; say in {name} what it stands for")
    return found


def _amount_of(cell: Any, currency: str, decimal: str, status: ConversionStatus | None) -> int:
    minor = parse_report_amount(cell, currency, decimal)
    if minor < 0 and status in (ConversionStatus.PENDING, ConversionStatus.APPROVED):
        raise FieldError(
            Column.AMOUNT,
            f"an amount below zero takes a conversion back, and its status says {status}; let statuses map that word to"
            " reversed or rejected, or leave the status column out",
        )
    return minor
