"""Reads the rows of a sheet of an XLSX file. It does not trust the file, and measures it before building objects of it.

SECURITY: a megabyte of workbook can unpack to a thousand times that, or hold a row of millions of cells, and openpyxl
makes objects of all rows and shared strings. So each part first runs through expat alone, which keeps nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, LargeZipFile, ZipFile

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from tracking.runtime import FieldError

PARTS_MAX = 2000
UNPACKED_BYTES_MAX = 256 * 1024 * 1024
COLUMNS_MAX = 200
# The elements that are in memory at the same time: those of a row, or of a part that is read as a whole.
ELEMENTS_AT_ONCE_MAX = 200_000
# The elements of all parts: a workbook of UNPACKED_BYTES_MAX usually has this many. PERF: this many empty cells, a
# file of 64 KiB, took 87 s to read; four times as many would fit into the bytes.
ELEMENTS_MAX = 15_000_000
STRINGS_MAX = 1_000_000
DEPTH_MAX = 100
_CHUNK_BYTES = 256 * 1024
# The errors that the readers raise for a part that is not what it claims to be.
_BROKEN = (
    BadZipFile,
    LargeZipFile,
    InvalidFileException,
    ParseError,
    zlib.error,
    struct.error,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    OSError,
    # An encrypted part.
    RuntimeError,
)


def workbook_rows(file: BinaryIO, sheet: str | None, rows_max: int) -> Iterator[Sequence[Any]]:
    """Yield the rows of a sheet, by default the first, up to `rows_max` of them. Raises FieldError.

    Formulas have the values that the program computed when it saved the file. Without a value, their cells are empty.
    """
    try:
        _measure(file)
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        worksheet = _sheet_of(workbook, sheet)
        # The size that the sheet states may be wrong or missing.
        worksheet.reset_dimensions()
        yield from worksheet.iter_rows(max_row=rows_max, max_col=COLUMNS_MAX, values_only=True)
    except _BROKEN as error:
        raise FieldError(
            "file", f"the file cannot be read as a workbook ({type(error).__name__}); save it anew as XLSX, or as CSV"
        ) from error


def _sheet_of(workbook: Any, name: str | None) -> Any:
    names = [sheet.title for sheet in workbook.worksheets]
    if not names:
        raise FieldError("file", "the workbook has no sheet with cells")
    if name is None:
        return workbook.worksheets[0]
    if name not in names:
        raise FieldError("sheet", f"the workbook has no sheet {name!r}; it has {', '.join(map(repr, names[:20]))}")
    return workbook.worksheets[names.index(name)]


def _measure(file: BinaryIO) -> None:
    """Raise FieldError if a workbook would take more memory than allowed."""
    with ZipFile(file) as archive:
        parts = archive.infolist()
        # ZipFile never unpacks more of a part than its stated size.
        if len(parts) > PARTS_MAX or sum(part.file_size for part in parts) > UNPACKED_BYTES_MAX:
            raise FieldError(
                "file",
                f"the workbook unpacks to more than {UNPACKED_BYTES_MAX // 1024 // 1024} MiB or {PARTS_MAX} parts; save"
                " the sheet as CSV",
            )
        # Spreadsheet programs use these compressions. The others have errors and memory needs of their own.
        if any(part.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for part in parts):
            raise FieldError("file", "the workbook is packed in a way that no spreadsheet program uses; save it anew")
        elements = 0
        for part in parts:
            with archive.open(part) as stream:
                elements += _Measure(ELEMENTS_MAX - elements).run(stream)


class _Measure:
    """Counts the elements of one part. Text that is not XML ends the count, since no reader would get further."""

    def __init__(self, elements_max: int) -> None:
        self._elements_max = elements_max
        self._elements = 0
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._at_once = 0
        self._depth = 0
        self._strings = 0

    def run(self, stream: Any) -> int:
        """Read a part to its end and return how many elements it has."""
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                self._parser.Parse(chunk, False)
        except expat.ExpatError:
            pass
        return self._elements

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._at_once += 1
        self._depth += 1
        if (
            self._at_once > ELEMENTS_AT_ONCE_MAX
            or self._elements > self._elements_max
            or self._strings > STRINGS_MAX
            or self._depth > DEPTH_MAX
        ):
            raise FieldError(
                "file", "the workbook holds more, or more in one row, than a report does; save the sheet as CSV"
            )

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name.endswith("}row"):
            self._at_once = 0
        elif name.endswith("}si"):
            self._at_once = 0
            self._strings += 1

    def _doctype(self, *declaration: object) -> None:
        # SECURITY: entities that expand to gigabytes, or to files, are declared there. A workbook has none.
        raise FieldError("file", "the workbook declares a document type, which no spreadsheet program writes")
