"""Filters of dimensions as text: `12,13` is any of these, `!DE` is all but this, `(none)` is what is not known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from tracking.reports import Dimension, DimensionKind, day_of, number_of_day
from tracking.runtime import FieldError
from tracking.traffic import TrafficClass

VALUES_MAX = 200
NONE = "(none)"
_ID = re.compile("[1-9][0-9]{0,17}")
_EVENT = re.compile("[a-z][a-z0-9_]{0,39}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
# The first and the last value of the parts of a time, which are also those of tracking.reports.
_PARTS = {"hour": (0, 23), "weekday": (1, 7)}
_ESCAPED = re.compile(r"([\\,])")

Value = int | str


class ValueFilter(NamedTuple):
    """The values of a dimension that count, or with `without` those that do not. A day is its number since 1970."""

    dimension: str
    values: tuple[Value, ...]
    without: bool = False

    def has(self, value: Value) -> bool:
        """Whether a value counts."""
        return (value in self.values) is not self.without


def parse_filter(text: str, dimension: Dimension) -> ValueFilter:
    r"""Return the filter that a parameter stands for, or raise FieldError.

    A backslash takes the meaning from what follows it: `\,` is a comma in a value, and `\!DE` the value `!DE`.
    """
    name = dimension.name
    if _CONTROL.search(text):
        raise FieldError(name, f"{name} contains a control character such as a tab, a line break or NUL; remove it")
    without = text.startswith("!")
    parts = list(_split(text[1:] if without else text, name))
    if len(parts) > VALUES_MAX:
        raise FieldError(name, f"{name} has {len(parts)} values; send at most {VALUES_MAX}")
    values = dict.fromkeys(_parse_value(part, literal, dimension) for part, literal in parts)
    return ValueFilter(name, tuple(values), without)


def encode_filter(chosen: ValueFilter, dimension: Dimension) -> str:
    """Return the text of a filter, which `parse_filter` reads."""
    texts = [encode_value(value, dimension) for value in chosen.values]
    return ("!" if chosen.without else "") + ",".join(texts)


def encode_value(value: Value, dimension: Dimension) -> str:
    """Return the text of one value."""
    if value == "" or (value == 0 and dimension.kind is DimensionKind.ID):
        return NONE
    text = str(shown_value(value, dimension))
    escaped = _ESCAPED.sub(r"\\\1", text)
    return f"\\{escaped}" if text == NONE or text.startswith("!") else escaped


def shown_value(value: Value, dimension: Dimension) -> Value:
    """Return a value as answers show it: a day as its date."""
    return day_of(int(value)).isoformat() if dimension.name == "day" else value


def _split(text: str, field: str) -> Iterator[tuple[str, bool]]:
    """Yield each value, and whether it began with a backslash."""
    part, literal, escaped = "", False, False
    for character in text:
        if escaped:
            part, literal, escaped = part + character, literal or not part, False
        elif character == "\\":
            escaped = True
        elif character == ",":
            yield part, literal
            part, literal = "", False
        else:
            part += character
    if escaped:
        raise FieldError(field, f"{field} ends with a backslash; write two of them for one in a value")
    yield part, literal


def _parse_value(text: str, literal: bool, dimension: Dimension) -> Value:
    name = dimension.name
    known = dimension.kind in (DimensionKind.ID, DimensionKind.TEXT)
    if known and text == NONE and not literal:
        return 0 if dimension.kind is DimensionKind.ID else ""
    if not text:
        hint = f"; write {NONE} for what is not known" if known else ""
        raise FieldError(name, f"{name} has an empty value{hint}")
    match dimension.kind:
        case DimensionKind.ID:
            if not _ID.fullmatch(text):
                raise FieldError(name, f"{name} must be the number of a {name}, or {NONE}, not {text[:40]!r}")
            return int(text)
        case DimensionKind.TEXT:
            # Views and roll-ups know only so much of a text.
            return text[: dimension.characters_max]
        case DimensionKind.CLASS:
            if text not in list(TrafficClass):
                raise FieldError(name, f"{name} must be one of {', '.join(TrafficClass)}, not {text[:40]!r}")
            return text
        case DimensionKind.EVENT:
            return parse_event(text, name)
        case DimensionKind.TIME:
            return _parse_part(text, name)


def parse_event(text: str, field: str) -> str:
    """Return the name of an event type, or raise FieldError."""
    if not _EVENT.fullmatch(text):
        raise FieldError(field, f"{field} must have names of event types, such as ftd, not {text[:40]!r}")
    return text


def _parse_part(text: str, name: str) -> int:
    if name == "day":
        return number_of_day(parse_day(text, name))
    first, last = _PARTS[name]
    if not re.fullmatch("[0-9]{1,2}", text) or not first <= int(text) <= last:
        raise FieldError(name, f"{name} must be a number from {first} to {last}, not {text[:40]!r}")
    return int(text)


def parse_day(value: Any, field: str) -> date:
    """Return a day, or raise FieldError."""
    try:
        day = date.fromisoformat(value) if _DAY.fullmatch(value) else None
    except ValueError:
        day = None
    if day is None or not 1970 <= day.year <= 9000:
        raise FieldError(field, f"{field} must be a day such as 2026-10-31, not {str(value)[:40]!r}")
    return day
