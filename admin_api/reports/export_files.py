"""Writes whole answers to files, as CSV or XLSX. A row at a time: the memory it takes does not grow with the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.exceptions import WorkbookAlreadySaved

from admin_api.http import csv_pieces
from admin_api.reports.errors import TooMuchError
from admin_api.reports.export_rows import PREVIOUS, Cell, cells, figure_cells, headings, notes
from admin_api.reports.store import Head, Stream

# What a sheet of a workbook holds, its headings included.
SHEET_ROWS_MAX = 1_048_576
Write = Callable[[Stream, BinaryIO], list[str]]


def write_csv(stream: Stream, file: BinaryIO) -> list[str]:
    """Write an answer as CSV in UTF-8, and return what a reader must know beside it."""
    file.writelines(csv_pieces(headings(stream.head.question), cells(stream)))
    return notes(stream.head)


def write_xlsx(stream: Stream, file: BinaryIO) -> list[str]:
    """Write an answer as a workbook with its totals and notes on a second sheet. Return the notes.

    Raises TooMuchError if a sheet does not hold all rows.
    """
    book = Workbook(write_only=True)
    try:
        _fill(book, stream)
        book.save(file)
    except BaseException:
        _discard(book)
        raise
    return notes(stream.head)


def _fill(book: Workbook, stream: Stream) -> None:
    sheet = book.create_sheet("Report")
    heading: list[Cell] = [*headings(stream.head.question)]
    for number, row in enumerate(chain([heading], cells(stream)), 1):
        if number > SHEET_ROWS_MAX:
            raise TooMuchError(f"a sheet holds {SHEET_ROWS_MAX - 1:,} rows, and this answer has more; ask for CSV")
        sheet.append([_typed(sheet, value) for value in row])
    about = book.create_sheet("About")
    for said in notes(stream.head):
        about.append([_typed(about, said)])
    for line in _totals(stream.head):
        about.append([_typed(about, value) for value in line])


def _discard(book: Workbook) -> None:
    """Delete the temporary files of a workbook that was not saved, which openpyxl keeps until the process ends."""
    for sheet in book.worksheets:
        with suppress(WorkbookAlreadySaved):
            sheet.close()
        with suppress(FileNotFoundError):
            sheet._writer.cleanup()


WRITERS: dict[str, Write] = {"csv": write_csv, "xlsx": write_xlsx}


def _totals(head: Head) -> Sequence[tuple[str, Cell, Cell]]:
    question = head.question
    before = figure_cells(question, head.previous_totals)
    found: list[tuple[str, Cell, Cell]] = [("total", None, PREVIOUS.rstrip("_") if question.compare else None)]
    return [*found, *zip(question.columns, figure_cells(question, head.totals), before, strict=True)]


def _typed(sheet: Any, value: Cell) -> Any:
    """Return a cell. SECURITY: text stays text: by itself, openpyxl makes a formula of what begins with `=`."""
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value))
    cell.data_type = "s"
    return cell
