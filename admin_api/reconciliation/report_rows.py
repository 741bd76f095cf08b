"""A report's file as lines: finds the heading, counts rows as spreadsheets do, and reads each row by the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, NamedTuple
from uuid import UUID

from admin_api.http import Unreadable, delimited_rows
from admin_api.reconciliation.report_rules import Account, rules_of
from admin_api.reconciliation.report_settings import ReportSettings
from admin_api.reconciliation.workbooks import COLUMNS_MAX, workbook_rows
from tracking.reconciliation import Column, Fault, ReportRow, ReportRules, cell_text, read_row
from tracking.runtime import FieldError

ROWS_MAX = 1_000_000
# A workbook's rows take ten times as long to read.
WORKBOOK_ROWS_MAX = 200_000
_DELIMITERS = {"csv": ",", "tsv": "\t"}


class Line(NamedTuple):
    """A row of a file, numbered from 1 with its heading: what it says, or all of its faults."""

    number: int
    row: ReportRow | list[Fault]


def report_lines(
    file: BinaryIO,
    settings: ReportSettings,
    account: Account,
    read_click: Callable[[str], UUID | None],
) -> Iterator[Line]:
    """Return the lines of a file, which is read as they are taken. Raises FieldError, at once for its heading."""
    rows = _rows(file, settings)
    header_row = settings.header_row
    header: Sequence[Any] | None = None
    if header_row:
        found = next(islice(rows, header_row - 1, None), None)
        if found is None or isinstance(found, Unreadable) or not any(map(cell_text, found)):
            raise FieldError("header_row", f"row {header_row} of the file holds no headings; say which row does")
        header = found
    return _lines(rows, header_row, rules_of(settings, header, account, read_click), settings)


def _lines(
    rows: Iterator[Sequence[Any] | Unreadable], header_row: int, rules: ReportRules, settings: ReportSettings
) -> Iterator[Line]:
    rows_max = _rows_max(settings)
    # A fault of a whole row is reported for its first key.
    first = Column.ORDER_ID if Column.ORDER_ID in rules.places else Column.CLICK_ID
    for number, row in enumerate(rows, header_row + 1):
        if number - header_row > rows_max:
            raise FieldError(
                "file", f"the file has more than {rows_max} rows; split it by period, or save a workbook as CSV"
            )
        if isinstance(row, Unreadable):
            yield Line(number, [Fault(first, "", row.fix)])
        elif len(row) > COLUMNS_MAX:
            yield Line(number, [Fault(first, "", f"the row has more than {COLUMNS_MAX} cells; is a quote missing?")])
        elif row.count(None) < len(row) and any(map(cell_text, row)):
            yield Line(number, read_row(row, rules))


def _rows(file: BinaryIO, settings: ReportSettings) -> Iterator[Sequence[Any] | Unreadable]:
    if settings.format == "xlsx":
        # One row more than allowed is read, so that one too many is noticed.
        return workbook_rows(file, settings.sheet, settings.header_row + WORKBOOK_ROWS_MAX + 1)
    return delimited_rows(file, settings.encoding, settings.delimiter or _DELIMITERS[settings.format])


def _rows_max(settings: ReportSettings) -> int:
    return WORKBOOK_ROWS_MAX if settings.format == "xlsx" else ROWS_MAX
