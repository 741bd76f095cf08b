"""Writes CSV for spreadsheets. Text that a spreadsheet would take for a formula stays text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

PIECE_CHARACTERS = 32 * 1024
# Text that a spreadsheet might run, perhaps with the quotes before it that a guard put there.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,6})?")


def csv_pieces(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a CSV file in UTF-8 in pieces: first the mark by which spreadsheets recognise UTF-8, then the heading."""
    buffer = io.StringIO()
    buffer.write("\ufeff")
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in chain([heading], rows):
        writer.writerow([csv_cell(value) for value in row])
        if buffer.tell() >= PIECE_CHARACTERS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def csv_cell(value: Any) -> str:
    """Return the text of a cell.

    SECURITY: text that was sent to us may begin with = + - @, a tab or a line break. A spreadsheet would run it as a
    formula when the file is opened, so a quote is put before it. A plain number, even a negative one, is no formula.
    Text that begins with quotes of its own gets one more, so that `unguarded` always returns the text.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def unguarded(text: str) -> str:
    """Return the text that a cell stands for: without the quote that `csv_cell` put before it."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
