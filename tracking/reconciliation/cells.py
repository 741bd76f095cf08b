"""Parses the cells of a merchant's report, text of a CSV file or values of a workbook, as dates, amounts and ids.

Whoever loads the report states how dates and decimals are written in it. Nothing is guessed: a cell that is written in
another way raises FieldError, whose message says how to correct it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from tracking.money import AMOUNT_MINOR_MAX, minor_digits
from tracking.runtime import FieldError

ID_CHARACTERS_MAX = 200
# A larger number in a workbook may have lost digits, since its cells are binary floating point.
WHOLE_NUMBER_MAX = 10**15
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TOKENS: Mapping[str, str] = {
    "YYYY": r"(?P<year>[0-9]{4})",
    "MMM": r"(?P<name>[A-Za-z]{3})",
    "MM": r"(?P<month>[0-9]{2})",
    "M": r"(?P<month>[0-9]{1,2})",
    "DD": r"(?P<day>[0-9]{2})",
    "D": r"(?P<day>[0-9]{1,2})",
    "HH": r"[0-9]{1,2}",
    "mm": r"[0-9]{2}",
    "ss": r"[0-9]{2}",
    "*": r".*",
}
_TOKEN = re.compile("|".join(re.escape(token) for token in _TOKENS) + r"|[-/. ,:T]")
_SYMBOLS: Mapping[str, frozenset[str]] = {
    "€": frozenset({"EUR"}),
    "£": frozenset({"GBP", "EGP", "FKP", "GIP", "SHP"}),
    "¥": frozenset({"JPY", "CNY"}),
    "$": frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "BRL", "ARS", "CLP", "COP"}),
}
# A space, and the spaces that typesetters put between groups of digits.
_SPACES = re.compile("[ \u00a0\u2009\u202f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHORTENED = re.compile(r"[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,3}")


class DateFormat(NamedTuple):
    """How a report writes dates: the words that say so, and the pattern made of them."""

    words: str
    pattern: re.Pattern[str]


def parse_date_format(words: str, field: str = "date_format") -> DateFormat:
    """Return the format that words such as `DD.MM.YYYY` describe, or raise FieldError."""
    pieces, at = [], 0
    while at < len(words):
        token = _TOKEN.match(words, at)
        if token is None:
            raise FieldError(field, f"{field} cannot have {words[at : at + 10]!r}; it is made of {', '.join(_TOKENS)}")
        pieces.append(_TOKENS.get(token.group(), re.escape(token.group())))
        at = token.end()
    pattern = "".join(pieces)
    months = pattern.count("(?P<month>") + pattern.count("(?P<name>")
    if (pattern.count("(?P<year>"), months, pattern.count("(?P<day>")) != (1, 1, 1):
        raise FieldError(field, f"{field} must name year, month and day once each, as in YYYY-MM-DD or D/M/YYYY *")
    return DateFormat(words, re.compile(pattern, re.DOTALL))


def parse_date(cell: Any, wanted: DateFormat | None, field: str = "date") -> date:
    """Return the day in a cell, or raise FieldError. A date cell of a workbook needs no format."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = cell_text(cell)
    if not text:
        raise FieldError(field, "the cell is empty; give a date")
    if wanted is None:
        raise FieldError(field, f"{text[:40]!r} is text; say in date_format how its day, month and year are written")
    day = _day_of(text, wanted.pattern)
    if day is None:
        raise FieldError(
            field, f"{text[:40]!r} is not a date written as {wanted.words}; correct it, or state another date_format"
        )
    return day


def parse_report_amount(cell: Any, currency: str, decimal: str, field: str = "amount") -> int:
    """Return an amount in minor units, negative if the report takes it back, or raise FieldError.

    `decimal` is the decimal separator of text cells. The other separator may be between groups of three digits.
    """
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        # It is rounded to six decimals: a cell that shows 0.3 may hold 0.30000000000000004.
        value = Decimal(repr(cell)).quantize(Decimal("0.000001")) if abs(cell) < AMOUNT_MINOR_MAX else None
        shown = repr(cell)
    else:
        shown = cell_text(cell)
        value = _amount_of(shown, currency, decimal)
    if not shown:
        raise FieldError(field, "the cell is empty; give an amount, 0 for none")
    if value is None:
        raise FieldError(
            field,
            f"{shown[:40]!r} is not an amount of {currency} with {decimal!r} before its decimals; correct it, or state"
            " another decimal_separator or currency",
        )
    minor = value.scaleb(minor_digits(currency))
    if minor != minor.to_integral_value():
        raise FieldError(field, f"{shown[:40]!r} has more decimals than {currency} has ({minor_digits(currency)})")
    if abs(minor) > AMOUNT_MINOR_MAX:
        raise FieldError(field, f"{shown[:40]!r} is larger than any amount Waypost keeps")
    return int(minor)


def parse_id(cell: Any, field: str) -> str | None:
    """Return an order or click id as text, None for an empty cell, or raise FieldError."""
    if isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) >= WHOLE_NUMBER_MAX:
        raise FieldError(field, f"{cell!r} is a number whose last digits were lost; format the column as text")
    text = cell_text(cell)
    if _SHORTENED.fullmatch(text) and "+" in text:
        raise FieldError(field, f"{text[:40]!r} is a number that a spreadsheet shortened; format the column as text")
    if len(text) > ID_CHARACTERS_MAX or _CONTROL.search(text):
        raise FieldError(field, f"an id has up to {ID_CHARACTERS_MAX} characters and no control character among them")
    return text or None


def cell_text(cell: Any) -> str:
    """Return a cell as one would copy it from the sheet: without white space around it, a whole number without
    decimals.
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell).strip()


@lru_cache(maxsize=1000)
def _day_of(text: str, pattern: re.Pattern[str]) -> date | None:
    """Return the day of a text, None if it is not one. PERF: a report has the same few days in all its rows."""
    found = pattern.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    month = parts.get("month")
    if parts.get("name"):
        name = str(parts["name"]).lower()
        month = MONTHS.index(name) + 1 if name in MONTHS else None
    try:
        return date(int(parts["year"]), int(month or 0), int(parts["day"]))
    except ValueError:
        return None


@lru_cache(maxsize=1000)
def _amount_of(text: str, currency: str, decimal: str) -> Decimal | None:
    """Return the number that a text is, None if it is not one. White space may group digits like the other
    separator.
    """
    bare = _SPACES.sub(" ", text)
    negative = bare.startswith("(") and bare.endswith(")")
    bare = bare[1:-1].strip() if negative else bare
    if bare[:1] in ("-", "\u2212"):
        if negative:
            return None
        negative, bare = True, bare[1:].strip()
    bare = _without_currency(bare, currency)
    if bare[:1] == "-" and not negative:
        negative, bare = True, bare[1:].strip()
    group = "," if decimal == "." else "."
    whole, point, decimals = bare.partition(decimal)
    for separator in (group, " ", "'", "\u2019"):
        if separator in whole:
            parts = whole.split(separator)
            if not 1 <= len(parts[0]) <= 3 or any(len(part) != 3 for part in parts[1:]):
                return None
            whole = "".join(parts)
            break
    if not _is_digits(whole) or len(whole) > 15 or (point and not (_is_digits(decimals) and len(decimals) <= 6)):
        return None
    number = Decimal(f"{whole}.{decimals or 0}")
    return -number if negative else number


def _without_currency(text: str, currency: str) -> str:
    """Return the text without the currency's code or symbol. Those of another currency stay, and no number is
    parsed.
    """
    marks = [currency, *(symbol for symbol, codes in _SYMBOLS.items() if currency in codes)]
    for mark in marks:
        if text.upper().startswith(mark):
            return text[len(mark) :].strip()
        if text.upper().endswith(mark):
            return text[: -len(mark)].strip()
    return text


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
