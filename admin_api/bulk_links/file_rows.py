"""A file of links as rows: what each says about a link, in the types of JSON, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from admin_api.bulk_links.cells import NOTHING, cell_value
from admin_api.bulk_links.faults import Fault, error_of, not_imported
from admin_api.bulk_links.headings import Column, Headings
from admin_api.bulk_links.import_settings import REFERENCES, ImportSettings, Layout
from admin_api.bulk_links.json_rows import json_objects
from admin_api.bulk_links.layouts import NOTED
from admin_api.bulk_links.macros import translated_url
from admin_api.http import DELIMITERS, Unreadable, delimited_rows, unguarded
from tracking.runtime import FieldError

ROWS_MAX = 100_000
# A rule document of 64 KiB, in quotes and with every default.
LINE_CHARACTERS_MAX = 1024 * 1024


class FileRow(NamedTuple):
    """A row, numbered from 1 as spreadsheets do, or an object of JSON, numbered from 1."""

    number: int
    values: dict[str, Any]
    faults: list[Fault]


def file_rows(file: BinaryIO, settings: ImportSettings) -> Iterator[FileRow]:
    """Return the rows of a file, which is read as they are taken. Raises FieldError, at once for its headings."""
    headings = Headings(settings)
    rows = _json_rows(file, headings) if settings.format == "json" else _csv_rows(file, settings, headings)
    return _limited(_translated(row, settings, headings) for row in rows)


def _limited(rows: Iterator[FileRow]) -> Iterator[FileRow]:
    for count, row in enumerate(rows):
        if count == ROWS_MAX:
            raise FieldError("file", f"the file has more than {ROWS_MAX} links; import it in several parts")
        yield row


def _csv_rows(file: BinaryIO, settings: ImportSettings, headings: Headings) -> Iterator[FileRow]:
    delimiter = settings.delimiter or _delimiter_of(file, settings, headings)
    rows = delimited_rows(file, settings.encoding, delimiter, LINE_CHARACTERS_MAX)
    header = _header_row(rows, settings.header_row)
    columns = headings.header(header)
    return _cells(rows, settings, headings, columns)


def _cells(
    rows: Iterator[list[str] | Unreadable], settings: ImportSettings, headings: Headings, columns: list[Column]
) -> Iterator[FileRow]:
    guarded = settings.layout == Layout.WAYPOST
    for number, cells in enumerate(rows, settings.header_row + 1):
        if isinstance(cells, Unreadable):
            yield FileRow(number, {}, [error_of(number, "", "", "unreadable", cells.fix)])
            continue
        if not any(cells):
            continue
        row = FileRow(number, {}, [])
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            said = (
                f"the row has {len(cells)} cells and the headings {len(columns)}; put quotes around a cell with commas"
            )
            row.faults.append(error_of(number, "", cells[len(columns)], "unreadable", said))
            yield row
            continue
        for column, cell in zip(columns, cells, strict=False):
            _take(row, column, unguarded(cell) if guarded else cell, headings)
        yield row


def _take(row: FileRow, column: Column, text: str, headings: Headings) -> None:
    """Put the value of a cell into its row."""
    if column.left_out is not None:
        if text.strip():
            row.faults.append(not_imported(row.number, column.heading, text, _why(column)))
        return
    if column.field is None:
        return
    if column.field == NOTED:
        row.values[NOTED] = text.strip()
        return
    try:
        value = cell_value(column.field, text, headings.columns.tag_separator, tuple(headings.columns.active_words))
    except FieldError as error:
        row.faults.append(error_of(row.number, column.field, text, error.code, error.message))
        return
    if value is not NOTHING:
        row.values[column.field] = value


def _json_rows(file: BinaryIO, headings: Headings) -> Iterator[FileRow]:
    for number, value in enumerate(json_objects(file), 1):
        row = FileRow(number, {}, [])
        if not isinstance(value, Mapping):
            row.faults.append(error_of(number, "", value, "unreadable", "each entry must be an object"))
            yield row
            continue
        for name, given in value.items():
            _take_json(row, name, given, headings)
        twice = [name for name in REFERENCES if name in row.values and f"{name}_id" in row.values]
        for name in twice:
            row.faults.append(
                error_of(number, name, row.values[name], "invalid-field", f"give {name} or {name}_id, not both")
            )
        yield row


def _take_json(row: FileRow, name: str, value: Any, headings: Headings) -> None:
    column = headings.column(name)
    if column is None:
        said = f"{name[:40]!r} is not known; name it in `columns` or in `ignore`. Known are {headings.expected}"
        row.faults.append(error_of(row.number, name[:40], value, "unknown-field", said))
    elif column.left_out is not None:
        if value not in (None, "", [], {}):
            row.faults.append(not_imported(row.number, name, value, _why(column)))
    elif column.field == NOTED:
        row.values[NOTED] = "" if value is None else str(value)
    elif column.field is not None:
        words = headings.columns.active_words
        is_word = column.field == "active" and words and isinstance(value, str)
        row.values[column.field] = value.strip().lower() in words if is_word else value


def _translated(row: FileRow, settings: ImportSettings, headings: Headings) -> FileRow:
    """Return a row of another tracker in our terms: with our macros, and with the number that it had in its notes."""
    if settings.layout == Layout.WAYPOST:
        return row
    url = row.values.get("destination_url")
    if isinstance(url, str):
        try:
            macros = {**headings.columns.macros, **settings.macros}
            row.values["destination_url"] = translated_url(url, macros, headings.columns.name)
        except FieldError as error:
            row.faults.append(error_of(row.number, "destination_url", url, error.code, error.message))
    noted = row.values.pop(NOTED, "")
    if noted:
        before = row.values.get("notes")
        line = f"{headings.columns.name} id {noted}"
        row.values["notes"] = f"{before}\n{line}" if isinstance(before, str) and before else line
    return row


def _why(column: Column) -> str:
    return f"{column.heading} has no place in a link and is not imported; {column.left_out}"


def _delimiter_of(file: BinaryIO, settings: ImportSettings, headings: Headings) -> str:
    """Return the delimiter with which most headings are known."""

    def known(delimiter: str) -> int:
        rows = delimited_rows(file, settings.encoding, delimiter, LINE_CHARACTERS_MAX)
        try:
            return headings.known(_header_row(rows, settings.header_row))
        finally:
            rows.close()  # type: ignore[attr-defined]
            file.seek(0)

    return max(DELIMITERS, key=known)


def _header_row(rows: Iterator[list[str] | Unreadable], number: int) -> list[str]:
    found = next(islice(rows, number - 1, None), None)
    if found is None or isinstance(found, Unreadable) or not any(found):
        raise FieldError("header_row", f"row {number} of the file holds no headings; say which row does")
    return [unguarded(heading).strip() for heading in found]
