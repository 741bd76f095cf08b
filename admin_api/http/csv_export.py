"""CSV for spreadsheets: text that a spreadsheet would take for a formula is kept from being one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

PIECE_CHARACTERS = 32 * 1024
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,6})?")


def csv_pieces(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield a CSV file in UTF-8 in pieces, its heading first, after the mark that spreadsheets know UTF-8 by."""
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

    SECURITY: what was sent to us may begin with = + - @, a tab or a line break: a formula, which runs where the file is
    opened. A quote before it makes it text. A plain number, also a negative one, is none.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = str(value)
    if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
