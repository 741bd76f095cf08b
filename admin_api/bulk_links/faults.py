"""What is wrong with a row of a file, and what of it has no place in Waypost."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

VALUE_CHARACTERS_MAX = 100


class Severity(StrEnum):
    """Whether a row can be imported nevertheless."""

    # Nothing is imported while there is one.
    ERROR = "error"
    # The row is imported without this value.
    NOT_IMPORTED = "not-imported"


class Fault(NamedTuple):
    """Something to know about a row: the field or column, its value, and what to do about it."""

    row: int
    severity: Severity
    field: str
    value: str
    code: str
    detail: str


def error_of(row: int, field: str, value: object, code: str, detail: str) -> Fault:
    """Return the fault of a row that cannot be imported."""
    return Fault(row, Severity.ERROR, field, _shown(value), code, detail)


def not_imported(row: int, column: str, value: object, detail: str) -> Fault:
    """Return the fault of a value that has no place in a link."""
    return Fault(row, Severity.NOT_IMPORTED, column, _shown(value), "not-imported", detail)


def _shown(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}…"
