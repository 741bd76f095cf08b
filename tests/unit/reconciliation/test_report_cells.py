"""Cells of a report: read as stated, or refused with what to do; never guessed between two readings."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.money import format_amount
from tracking.reconciliation import cell_text, parse_date_format
from tracking.reconciliation.cells import parse_date, parse_id, parse_report_amount
from tracking.runtime import FieldError

DAYS = [
    ("YYYY-MM-DD", "2026-03-04", date(2026, 3, 4)),
    ("DD.MM.YYYY", "04.03.2026", date(2026, 3, 4)),
    ("MM/DD/YYYY", "03/04/2026", date(2026, 3, 4)),
    ("D/M/YYYY", "4/3/2026", date(2026, 3, 4)),
    ("M/D/YYYY *", "3/4/2026 11:59 PM", date(2026, 3, 4)),
    ("YYYY-MM-DD*", "2026-03-04T10:11:12.123+02:00", date(2026, 3, 4)),
    ("YYYY-MM-DDTHH:mm:ss", "2026-03-04T10:11:12", date(2026, 3, 4)),
    ("DD-MMM-YYYY", "04-mar-2026", date(2026, 3, 4)),
    ("YYYYMMDD", "20260304", date(2026, 3, 4)),
    ("YYYYMMDD", 20260304, date(2026, 3, 4)),
    ("YYYY-MM-DD", datetime(2026, 3, 4, 23, 59), date(2026, 3, 4)),  # noqa: DTZ001 - a workbook's cell has no zone
    ("YYYY-MM-DD", date(2026, 3, 4), date(2026, 3, 4)),
]


@pytest.mark.parametrize(("words", "cell", "day"), DAYS)
def test_a_date_is_read_as_it_is_stated_to_be_written(words: str, cell: Any, day: date) -> None:
    assert parse_date(cell, parse_date_format(words)) == day


BAD_DAYS = [
    ("DD.MM.YYYY", "2026-03-04"),
    ("MM/DD/YYYY", "31/12/2026"),
    ("DD/MM/YYYY", "12/31/2026"),
    ("YYYY-MM-DD", "2026-02-30"),
    ("YYYY-MM-DD", "2026-3-4"),
    ("YYYY-MM-DD", "0000-01-01"),
    ("DD-MMM-YYYY", "04-Mai-2026"),
    ("YYYY-MM-DD", ""),
    ("YYYY-MM-DD", None),
    ("YYYY-MM-DD", 46085.5),
    ("YYYY-MM-DD", time(12)),
    ("YYYY-MM-DD", True),
    ("YYYY-MM-DD", "2026-03-04\x00"),
    ("YYYY-MM-DD", "٢٠٢٦-03-04"),
]


@pytest.mark.parametrize(("words", "cell"), BAD_DAYS)
def test_a_date_that_is_written_otherwise_is_refused_with_a_fix(words: str, cell: Any) -> None:
    with pytest.raises(FieldError, match=r"date") as caught:
        parse_date(cell, parse_date_format(words))
    assert caught.value.field == "date"


@pytest.mark.parametrize("words", ["", "DD.MM", "YY-MM-DD", "DD/DD/YYYY", "%d.%m.%Y", "YYYY-MM-DD-MM", "(YYYY)+MMDD"])
def test_a_date_format_must_name_year_month_and_day_once(words: str) -> None:
    with pytest.raises(FieldError):
        parse_date_format(words)


def test_a_date_of_text_needs_a_format() -> None:
    with pytest.raises(FieldError, match="date_format"):
        parse_date("01.02.2026", None)
    assert parse_date(date(2026, 1, 2), None) == date(2026, 1, 2)


AMOUNTS = [
    ("25", "USD", ".", 2500),
    ("25.00", "USD", ".", 2500),
    ("25,00", "EUR", ",", 2500),
    ("1.234,56", "EUR", ",", 123456),
    ("1,234.56", "USD", ".", 123456),
    ("1 234,56", "EUR", ",", 123456),
    ("1\u00a0234\u00a0567,8", "EUR", ",", 123456780),
    ("1'234.50", "CHF", ".", 123450),
    ("$25", "USD", ".", 2500),
    ("-$25.10", "USD", ".", -2510),
    ("$-25.10", "USD", ".", -2510),
    ("(25.10)", "USD", ".", -2510),
    ("\u221225.10", "USD", ".", -2510),
    ("25,10 €", "EUR", ",", 2510),
    ("EUR 25.10", "EUR", ".", 2510),
    ("1,000", "JPY", ".", 1000),
    ("1.234", "BHD", ".", 1234),
    ("0", "USD", ".", 0),
    (25, "USD", ".", 2500),
    (25.1, "USD", ",", 2510),
    (0.1 + 0.2, "USD", ".", 30),
    (-25.5, "USD", ".", -2550),
]


@pytest.mark.parametrize(("cell", "currency", "decimal", "minor"), AMOUNTS)
def test_an_amount_is_read_with_the_stated_separator(cell: Any, currency: str, decimal: str, minor: int) -> None:
    assert parse_report_amount(cell, currency, decimal) == minor


BAD_AMOUNTS = [
    ("25,00", "USD", "."),
    ("25.00", "EUR", ","),
    ("1,23", "USD", "."),
    ("1.2.3", "USD", "."),
    ("1,234.56", "EUR", ","),
    ("1234,567.00", "USD", "."),
    ("€25", "USD", "."),
    ("25 GBP", "USD", "."),
    ("--25", "USD", "."),
    ("(-25)", "USD", "."),
    ("25.", "USD", "."),
    (".5", "USD", "."),
    ("25.001", "USD", "."),
    ("1.5", "JPY", "."),
    ("", "USD", "."),
    (None, "USD", "."),
    (True, "USD", "."),
    ("1e5", "USD", "."),
    ("NaN", "USD", "."),
    ("٢٥", "USD", "."),
    ("9" * 40, "USD", "."),
    (1e300, "USD", "."),
    (float("nan"), "USD", "."),
    (float("inf"), "USD", "."),
    (1.005, "USD", "."),
    ("=1+1", "USD", "."),
    ("25\x00", "USD", "."),
]


@pytest.mark.parametrize(("cell", "currency", "decimal"), BAD_AMOUNTS)
def test_an_amount_that_does_not_fit_is_refused_and_not_guessed(cell: Any, currency: str, decimal: str) -> None:
    with pytest.raises(FieldError) as caught:
        parse_report_amount(cell, currency, decimal)
    assert caught.value.field == "amount"


@given(st.integers(-(10**14), 10**14), st.sampled_from(["USD", "JPY", "BHD"]), st.sampled_from(".,"))
def test_an_amount_written_in_any_grouping_reads_back(minor: int, currency: str, decimal: str) -> None:
    whole, _, decimals = format_amount(minor, currency).partition(".")
    group = "," if decimal == "." else "."
    grouped = f"{int(whole):,}".replace(",", group)
    grouped = f"-{grouped}" if minor < 0 and not grouped.startswith("-") else grouped
    text = f"{grouped}{decimal}{decimals}" if decimals else grouped
    assert parse_report_amount(text, currency, decimal) == minor


def test_an_id_is_what_a_reader_would_copy() -> None:
    read = [parse_id(cell, "order_id") for cell in (" A-1 ", 12345, 12345.0, None, "")]
    assert read == ["A-1", "12345", "12345", None, None]


@pytest.mark.parametrize("cell", ["1.23457E+14", "5E+5", 1.2345678901234568e17, 10**15, "a\x00b", "x" * 201, "a\tb"])
def test_an_id_that_a_spreadsheet_has_spoilt_is_refused(cell: Any) -> None:
    with pytest.raises(FieldError) as caught:
        parse_id(cell, "order_id")
    assert caught.value.field == "order_id"


def test_cells_are_shown_as_a_sheet_shows_them() -> None:
    assert [cell_text(cell) for cell in (True, False, 3.0, 2.5, None, " x ")] == ["true", "false", "3", "2.5", "", "x"]
