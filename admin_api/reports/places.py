"""Cursors of reports: where the last page ended in the order, as text that a client sends back unchanged."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any

import orjson

from admin_api.reports.question import Question, RowPlace
from tracking.reports import DIMENSIONS, DimensionKind
from tracking.runtime import FieldError

_NUMBER_MAX = 2**63 - 1
_TEXT_KINDS = (DimensionKind.TEXT, DimensionKind.CLASS, DimensionKind.EVENT)


def encode_place(question: Question, place: RowPlace) -> str:
    """Return the cursor of a place in the order of a question."""
    data = orjson.dumps([_order(question), place.value, list(place.key)])
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode_place(cursor: str, field: str, question: Question) -> RowPlace:
    """Return the place of a cursor, or raise FieldError if it is none or belongs to another question."""
    try:
        data = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        order, value, key = data
        fits = order == _order(question) and _fits(question, value, key)
    except (ValueError, TypeError, binascii.Error):
        fits = False
    if not fits:
        raise FieldError(field, f"{field} must be the next_cursor of an answer to the same question, unchanged")
    return RowPlace(value, tuple(key))


def _order(question: Question) -> str:
    return f"{','.join(question.group_by)} {question.sort}"


def _fits(question: Question, value: Any, key: Any) -> bool:
    """Whether the place has the types of the question's order: PostgreSQL must never be asked to compare others."""
    if not isinstance(key, list) or len(key) != len(question.group_by):
        return False
    kept = all(_is(part, _is_text(name)) for part, name in zip(key, question.group_by, strict=True))
    name = question.sort.name
    if name in question.group_by:
        return kept and bool(value == key[question.group_by.index(name)]) and type(value) is not bool
    if value is None:
        return kept
    if question.column(name).kind == "bigint":
        return kept and _is(value, text=False)
    return kept and type(value) is float and math.isfinite(value)


def _is_text(dimension: str) -> bool:
    return DIMENSIONS[dimension].kind in _TEXT_KINDS


def _is(value: Any, text: bool) -> bool:
    if text:
        return isinstance(value, str) and "\x00" not in value
    return type(value) is int and abs(value) <= _NUMBER_MAX
