"""The types of query parameters: text that stands for numbers, flags, moments and lists of words.

In the `filter` of a JSON body, which uses the same classes, numbers and flags may also be JSON's own.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from admin_api.http.field_types import ID_MAX, PRINTABLE, Matching, checked, converted, refuse_control
from tracking.runtime import FieldError

Word = TypeVar("Word")

SEARCH_CHARACTERS_MAX = 200
_DIGITS = re.compile("[0-9]{1,19}")


def parse_moment(text: str, field: str) -> datetime:
    """Return a moment in UTC, or raise FieldError. A day means its beginning; a time without an offset is in UTC."""
    try:
        # In a query, a plus sign stands for a space. Nobody means a space before an offset.
        moment = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:?[0-9]{2}$)", "+", text))
    except (ValueError, TypeError):
        moment = None
    if moment is None or not 1970 <= moment.year <= 9000:
        raise FieldError(field, f"{field} must be a moment such as 2026-10-31T12:00:00Z, not {str(text)[:40]!r}")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_number(value: Any, field: str) -> Any:
    """Return the number that digits stand for, or raise FieldError. A JSON number stays as it is."""
    if not isinstance(value, str):
        return value
    if not _DIGITS.fullmatch(value):
        raise FieldError(field, f"{field} must be a whole number, not {value[:40]!r}")
    return int(value)


def _parse_flag(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        return value
    if value not in ("true", "false"):
        raise FieldError(field, f"{field} must be true or false")
    return value == "true"


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _in_capitals(value: Any, field: str) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


# The number of an object.
Number = Annotated[int, Field(strict=True, ge=1, le=ID_MAX), converted(parse_number)]
Flag = Annotated[bool, Field(strict=True), converted(_parse_flag)]
# A moment, or a day that stands for its beginning.
Moment = Annotated[
    datetime,
    converted(parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-"}),
]
# One word, or several with commas between them, any of which may match.
AnyOf = Annotated[list[Word], Field(min_length=1), BeforeValidator(_split)]
SearchText = Annotated[
    str,
    checked(refuse_control),
    Field(max_length=SEARCH_CHARACTERS_MAX),
    WithJsonSchema({"type": "string", "maxLength": SEARCH_CHARACTERS_MAX, "pattern": PRINTABLE}),
]
CountryCode = Annotated[str, Matching("[A-Z]{2}", "a two-letter country code such as DE")]
# A currency as it was stored, which may be one that is no longer in use.
CurrencyCode = Annotated[str, converted(_in_capitals), Matching("[A-Z]{3}", "a three-letter currency code such as USD")]
