"""Reads the European Central Bank's file of exchange rates, eurofxref-hist, and refuses any other file. No SQL.

Each line of the file is a day, the newest first, and says how many units of each currency one euro was worth. The file
is a .csv, or a .zip that contains just the .csv.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tracking.money import PIVOT_CURRENCY
from worker.runtime import WorkerError

FILE_BYTES_MAX = 64 << 20
_GET = "get eurofxref-hist.zip from the European Central Bank again"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_NONE = frozenset({"", "N/A"})
# Since 1999 no rate has changed by more than a factor of 2.4 between two days in the file. A lost decimal point or a
# column under the wrong heading makes a larger jump.
JUMP_MAX = 10


class RateFileError(WorkerError):
    """The file has no exchange rates or a wrong line. The message names the line and says what to do."""

    code = "bad-rate-file"


class DatedRate(NamedTuple):
    """How many units of a currency one euro was worth on a day."""

    currency: str
    day: date
    rate: Decimal


def read_rates(path: Path, today: date) -> list[DatedRate]:
    """Return all rates of a file, the oldest first. Raises RateFileError."""
    lines = csv.reader(_text(path).splitlines())
    heading = [cell.strip() for cell in next(lines, [])]
    currencies = _currencies(path, heading)
    rates: list[DatedRate] = []
    lines_of: dict[date, int] = {}
    for cells in lines:
        if not any(cells):
            continue
        line = _Line(path, lines.line_num, [cell.strip() for cell in cells])
        if len(cells) != len(heading):
            raise line.error(f"{len(cells)} columns, and the heading has {len(heading)}")
        day = line.day(today)
        if day in lines_of:
            raise line.error(f"{day} is in line {lines_of[day]} too")
        lines_of[day] = lines.line_num
        rates += line.rates(day, currencies)
    if not rates:
        raise RateFileError(f"{path.name} holds no rate; {_GET}")
    rates.sort(key=lambda each: each.day)
    _check_jumps(path, rates, lines_of)
    return rates


class _Line(NamedTuple):
    path: Path
    number: int
    cells: list[str]

    def error(self, what: str) -> RateFileError:
        return RateFileError(f"{self.path.name}, line {self.number}: {what}; {_GET}")

    def day(self, today: date) -> date:
        text = self.cells[0]
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None:
            raise self.error(f"{text[:40]!r} is not a day such as 2026-11-25")
        if day > today + timedelta(days=1):
            raise self.error(f"{day} has not come yet, if this machine's clock is right")
        return day

    def rates(self, day: date, currencies: list[str]) -> Iterator[DatedRate]:
        for currency, text in zip(currencies, self.cells[1:], strict=False):
            if text in _NONE:
                continue
            rate = Decimal(text) if _RATE.fullmatch(text) else Decimal(0)
            if not rate:
                raise self.error(f"{text[:40]!r} is not a rate of {currency} such as 1.0857")
            yield DatedRate(currency, day, rate)


def _text(path: Path) -> str:
    try:
        content = _unzipped(path) if zipfile.is_zipfile(path) else path.read_bytes()
        if len(content) > FILE_BYTES_MAX:
            raise RateFileError(f"{path.name} is larger than any file of rates; {_GET}")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise RateFileError(f"{path} cannot be read: {error.strerror or error}; name a file that can be") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise RateFileError(f"{path.name} is neither a .csv nor a .zip that holds one: {error}; {_GET}") from error


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if len(names) != 1:
            raise RateFileError(f"{path.name} holds {len(names)} .csv files, not one; {_GET}")
        with archive.open(names[0]) as file:
            # SECURITY: the archive may lie about the file's size, so reading stops at a limit.
            return file.read(FILE_BYTES_MAX + 1)


def _currencies(path: Path, heading: list[str]) -> list[str]:
    # Each line of the bank's file ends with a comma.
    currencies = heading[1:-1] if heading and not heading[-1] else heading[1:]
    wrong = [code for code in currencies if not _CURRENCY.fullmatch(code) or code == PIVOT_CURRENCY]
    twice = sorted({code for code in currencies if currencies.count(code) > 1})
    if heading[:1] != ["Date"] or not currencies:
        raise RateFileError(f"{path.name}, line 1: not a heading such as Date,USD,JPY; {_GET}")
    if wrong or twice:
        named = repr((wrong or twice)[0][:40])
        raise RateFileError(f"{path.name}, line 1: {named} is {'no currency' if wrong else 'there twice'}; {_GET}")
    return currencies


def _check_jumps(path: Path, rates: list[DatedRate], lines_of: dict[date, int]) -> None:
    """Refuse rates, given oldest first, if one is JUMP_MAX times the one before it or a JUMP_MAXth of it."""
    before: dict[str, Decimal] = {}
    for currency, day, rate in rates:
        last = before.get(currency, rate)
        if not last / JUMP_MAX < rate < last * JUMP_MAX:
            raise RateFileError(
                f"{path.name}, line {lines_of[day]}: one euro is {rate} {currency}, and was {last} before; {_GET}"
            )
        before[currency] = rate
