"""Reads a CSV or TSV file of any size in little memory. It does not trust the file and does not guess its encoding."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tracking.runtime import FieldError

LINE_CHARACTERS_MAX = 64 * 1024
# A quote that is never closed swallows the lines after it.
RECORD_LINES_MAX = 100
# The characters that may stand between cells.
DELIMITERS = (",", ";", "|", "\t")
ENCODINGS = ("utf-8", "cp1252")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ZIP_START = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for a row that cannot be read. `fix` says what to do about it."""

    fix: str


def delimited_rows(
    file: BinaryIO, encoding: str, delimiter: str, line_characters_max: int = LINE_CHARACTERS_MAX
) -> Iterator[list[str] | Unreadable]:
    """Yield the rows of a file from its beginning. Raises FieldError if it cannot be read any further.

    `encoding` is one of ENCODINGS. A byte order mark of UTF-8 or UTF-16 overrides utf-8.
    """
    text = io.TextIOWrapper(file, encoding=encoding_of(file, encoding), newline="")
    # A cell is never longer than the lines that it stands on. The limit is the same for all readers of this process.
    csv.field_size_limit(max(csv.field_size_limit(), line_characters_max * 2))
    lines = _Lines(text, line_characters_max)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    try:
        while True:
            number += 1
            lines.begin_record()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Unreadable(f"the row's quotes do not fit ({error}); quote cells by doubling the quotes in them")
                continue
            yield row
    except _TooLongError as error:
        raise FieldError("file", f"row {number}: {error}") from None
    except UnicodeDecodeError as error:
        raise FieldError(
            "file",
            f"row {number} or one soon after is not {error.encoding}; save the file as UTF-8, or state encoding"
            f" {' or '.join(ENCODINGS)}",
        ) from None
    finally:
        # Whoever opened the file closes it, perhaps before this is collected.
        if not file.closed:
            text.detach()


def encoding_of(file: BinaryIO, encoding: str) -> str:
    """Return the encoding that a file is read with, and leave it at its beginning. Raises FieldError."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(_ZIP_START):
        raise FieldError("file", 'the file is a workbook or another archive; say format "xlsx", or save it as CSV')
    for mark, marked in _MARKS:
        if start.startswith(mark):
            if encoding != "utf-8":
                raise FieldError("encoding", f"the file begins with the mark of {marked}; leave encoding out")
            return marked
    if b"\x00" in start:
        raise FieldError(
            "file", "the file begins with NUL; if it is UTF-16, save it with a byte order mark, or as UTF-8"
        )
    return encoding


class _TooLongError(Exception):
    """A line or record is too long for memory."""


class _Lines:
    """Gives csv.reader lines and limits them: csv.reader would take a line or record of any length."""

    def __init__(self, text: io.TextIOWrapper, characters_max: int) -> None:
        self._text = text
        self._characters_max = characters_max
        self._lines = 0

    def begin_record(self) -> None:
        """Start counting lines from 0."""
        self._lines = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._characters_max)
        if not line:
            raise StopIteration
        self._lines += 1
        if len(line) == self._characters_max:
            raise _TooLongError(f"a line has {self._characters_max} characters or more; is this the file you meant?")
        if self._lines > RECORD_LINES_MAX:
            raise _TooLongError(f"a quote is opened that is not closed in {RECORD_LINES_MAX} lines; close it")
        return line
