"""Rows of a report: what they say, every fault they have, and in what they differ from a conversion."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from tracking.conversions import ConversionStatus
from tracking.reconciliation import (
    Column,
    Fault,
    ReportRow,
    ReportRules,
    Stated,
    differences,
    parse_date_format,
    read_row,
)
from tracking.reconciliation.comparison import Difference

CLICK = UUID(int=7)
OTHER = UUID(int=8)
APPROVED, PENDING, REVERSED = ConversionStatus.APPROVED, ConversionStatus.PENDING, ConversionStatus.REVERSED
ALL = {column: place for place, column in enumerate(Column)}


def rules(**changes: Any) -> ReportRules:
    made = ReportRules(
        places=ALL,
        date_format=parse_date_format("DD.MM.YYYY"),
        decimal=",",
        currency="EUR",
        statuses={"paid": APPROVED, "open": PENDING, "chargeback": REVERSED},
        events={"first deposit": "ftd"},
        read_click=lambda text: CLICK if text == "click" else None,
    )
    return made._replace(**changes)


def cells(**changes: Any) -> list[Any]:
    said = {"date": "31.12.2026", "amount": "1.234,50", "currency": "USD", "order_id": "A-1", "status": "Paid"}
    said |= {"click_id": "click", "event": "First Deposit"} | changes
    return [said[column] for column in Column]


def test_a_row_says_what_its_columns_hold() -> None:
    assert read_row(cells(), rules()) == ReportRow(date(2026, 12, 31), "A-1", CLICK, "ftd", 123450, "USD", APPROVED)


def test_what_a_report_has_no_column_for_is_not_said() -> None:
    only = rules(places={Column.ORDER_ID: 0}, date_format=None)
    assert read_row(["A-1"], only) == ReportRow(None, "A-1", None, None, None, "EUR", None)


def test_empty_cells_of_currency_status_and_event_say_nothing() -> None:
    row = read_row(cells(currency="", status=None, event=" "), rules())
    assert isinstance(row, ReportRow)
    assert (row.currency, row.status, row.event) == ("EUR", None, None)


def test_an_amount_below_zero_takes_the_conversion_back() -> None:
    row = read_row(cells(amount="-25,00", status=""), rules())
    assert isinstance(row, ReportRow)
    assert (row.amount_minor, row.status) == (2500, REVERSED)


def test_an_amount_below_zero_of_an_approved_row_is_a_fault() -> None:
    faults = read_row(cells(amount="-25,00"), rules())
    assert [fault.column for fault in faults if isinstance(fault, Fault)] == [Column.AMOUNT]


def test_a_sub_id_that_is_no_click_id_does_no_harm_where_the_order_is_known() -> None:
    row = read_row(cells(click_id="newsletter"), rules())
    assert isinstance(row, ReportRow)
    assert row.click_id is None


BAD = [
    ({"order_id": "", "click_id": "newsletter"}, [Column.CLICK_ID]),
    ({"order_id": "", "click_id": ""}, [Column.ORDER_ID]),
    ({"date": "12/31/2026"}, [Column.DATE]),
    ({"date": "2026", "amount": "1,2,3", "status": "unheard of"}, [Column.DATE, Column.STATUS, Column.AMOUNT]),
    ({"currency": "euro"}, [Column.CURRENCY]),
    ({"event": "dance"}, [Column.EVENT]),
    ({"order_id": "1.5E+12"}, [Column.ORDER_ID]),
    ({"order_id": "a\x00b"}, [Column.ORDER_ID]),
]


@pytest.mark.parametrize(("changes", "columns"), BAD)
def test_every_fault_of_a_row_is_told_with_its_column_value_and_fix(
    changes: dict[str, Any], columns: list[Column]
) -> None:
    faults = read_row(cells(**changes), rules())
    assert isinstance(faults, list)
    assert [fault.column for fault in faults] == columns
    assert all(fault.fix for fault in faults)
    assert not any("\x00" in fault.value for fault in faults)


def test_a_short_row_lacks_what_its_missing_cells_would_say() -> None:
    faults = read_row(["31.12.2026"], rules())
    assert isinstance(faults, list)
    assert {fault.column for fault in faults} == {Column.AMOUNT, Column.ORDER_ID}


def ours(**changes: Any) -> Stated:
    return Stated(2500, "EUR", APPROVED, CLICK)._replace(**changes)


COMPARED = [
    (ours(), ours(), []),
    (Stated(None, "EUR", None, None), ours(), []),
    (ours(amount_minor=2400), ours(), [Difference.AMOUNT]),
    (ours(amount_minor=2500, currency="USD"), ours(), [Difference.CURRENCY]),
    (ours(status=PENDING), ours(), [Difference.STATUS]),
    (ours(click_id=OTHER), ours(), [Difference.CLICK]),
    (ours(amount_minor=0), ours(amount_minor=None, currency=None), []),
    (ours(amount_minor=1), ours(amount_minor=None, currency=None), [Difference.AMOUNT]),
    (ours(amount_minor=1, status=REVERSED), ours(), [Difference.AMOUNT, Difference.STATUS]),
]


@pytest.mark.parametrize(("theirs", "own", "found"), COMPARED)
def test_what_the_report_does_not_say_it_does_not_contradict(
    theirs: Stated, own: Stated, found: list[Difference]
) -> None:
    assert differences(theirs, own) == found
