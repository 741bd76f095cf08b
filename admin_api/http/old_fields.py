"""What a noun's JSON may hold: a table of fields, each with its parser, and the two ways to read an object by it.

A parser takes an untrusted value and the field's name, and returns what is stored or raises FieldError. Nothing is
coerced: a number in quotes is text, and true is not 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from tracking.clicks import check_domain, check_url, compile_template
from tracking.money import parse_currency
from tracking.runtime import FieldError

Parser = Callable[[Any, str], Any]
Values = dict[str, Any]

REQUIRED: Final = object()
ID_MAX = 2**63 - 1
PIXELS_MAX = 20
PERCENT_DIGITS = 4
_COUNTRY = re.compile("[A-Z]{2}")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `default` is stored when a new object leaves it out; null stands for itself only where `nullable`.

    A `generated` field is made up when a new object leaves it out or says null.
    """

    name: str
    parse: Parser
    default: Any = REQUIRED
    nullable: bool = False
    generated: bool = False


def validate_new(fields: Sequence[Field], body: Mapping[str, Any]) -> Values:
    """Return the values of a new object, defaults filled in and generated ones None, or raise FieldError."""
    _refuse_unknown(fields, body)
    values = {}
    for field in fields:
        given = body.get(field.name)
        if field.name in body and not (given is None and field.generated):
            values[field.name] = _parsed(field, given)
        elif field.generated:
            values[field.name] = None
        elif field.default is REQUIRED:
            raise FieldError(field.name, f"{field.name} is required", code="missing-field")
        else:
            values[field.name] = field.default
    return values


def validate_changes(fields: Sequence[Field], body: Mapping[str, Any]) -> Values:
    """Return the values that a partial object changes, or raise FieldError."""
    _refuse_unknown(fields, body)
    return {field.name: _parsed(field, body[field.name]) for field in fields if field.name in body}


def _parsed(field: Field, value: Any) -> Any:
    if value is not None:
        return field.parse(value, field.name)
    if not field.nullable:
        raise FieldError(field.name, f"{field.name} must not be null; leave it out to keep what it is")
    return None


def _refuse_unknown(fields: Sequence[Field], body: Mapping[str, Any]) -> None:
    known = [field.name for field in fields]
    for name in body:
        if name not in known:
            shown = name[:64]
            raise FieldError(shown, f"{shown!r} cannot be set; the fields are {', '.join(known)}", code="unknown-field")


def text(longest: int, shortest: int = 1) -> Parser:
    """Accept text of some length without control characters; white space around it is dropped."""

    def parse(value: Any, field: str) -> str:
        trimmed = _text(value, field).strip()
        if not shortest <= len(trimmed) <= longest:
            raise FieldError(field, f"{field} must have {shortest} to {longest} characters, not {len(trimmed)}")
        return trimmed

    return parse


def matching(pattern: str, meaning: str) -> Parser:
    """Accept text that a whole pattern matches; `meaning` completes the sentence `must be`."""
    compiled = re.compile(pattern)

    def parse(value: Any, field: str) -> str:
        if not compiled.fullmatch(_text(value, field)):
            raise FieldError(field, f"{field} must be {meaning}")
        return str(value)

    return parse


def choice(*words: str) -> Parser:
    """Accept one of some words."""

    shown = ", ".join(f'"{word}"' for word in words)

    def parse(value: Any, field: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise FieldError(field, f"{field} must be one of {shown}")
        return value

    return parse


def whole(low: int, high: int) -> Parser:
    """Accept a whole number of a range."""

    def parse(value: Any, field: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise FieldError(field, f"{field} must be a whole number from {low} to {high}")
        return value

    return parse


def object_id(value: Any, field: str) -> int:
    """Accept the id of another object; whether it exists is for the database to say."""
    if type(value) is not int or not 1 <= value <= ID_MAX:
        raise FieldError(field, f"{field} must be the number of an existing object")
    return value


def flag(value: Any, field: str) -> bool:
    """Accept true or false."""
    if type(value) is not bool:
        raise FieldError(field, f"{field} must be true or false")
    return value


def domain(value: Any, field: str) -> str:
    """Accept a bare host name; stored as browsers send it."""
    return check_domain(_text(value, field), field)


def destination(value: Any, field: str) -> str:
    """Accept a URL with macros; stored as written, since it is compiled whenever it is published."""
    url = _text(value, field)
    compile_template(url, field)
    return url


def plain_url(value: Any, field: str) -> str:
    """Accept a URL without macros."""
    url = _text(value, field)
    if "{" in url or "}" in url:
        raise FieldError(field, f"{field} cannot have macros; write %7B and %7D for braces")
    return check_url(url, field)


def plain_urls(value: Any, field: str) -> list[str]:
    """Accept a short list of URLs without macros."""
    if not isinstance(value, list) or len(value) > PIXELS_MAX:
        raise FieldError(field, f"{field} must be a list of at most {PIXELS_MAX} URLs")
    return [plain_url(url, field) for url in value]


def currency(value: Any, field: str) -> str:
    """Accept an ISO 4217 code."""
    return parse_currency(_text(value, field), field)


def countries(value: Any, field: str) -> list[str]:
    """Accept a list of two-letter country codes; stored in capitals, sorted, each once."""
    codes = [code.upper() if isinstance(code, str) else "" for code in value] if isinstance(value, list) else [""]
    if not all(_COUNTRY.fullmatch(code) for code in codes):
        raise FieldError(field, f'{field} must be a list of two-letter country codes such as ["DE", "AT"]')
    return sorted(set(codes))


def day(value: Any, field: str) -> date:
    """Accept a day."""
    text = _text(value, field)
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise FieldError(field, f"{field} must be a day such as 2026-10-31") from None


def percent(value: Any, field: str) -> float:
    """Accept a percentage from 0 to 100 with at most four digits after the point."""
    if type(value) not in (int, float) or not 0 <= value <= 100 or round(value, PERCENT_DIGITS) != value:
        raise FieldError(field, f"{field} must be a number from 0 to 100 with at most {PERCENT_DIGITS} decimals")
    return float(value)


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise FieldError(field, f"{field} must be text in double quotes")
    if _CONTROL.search(value):
        raise FieldError(field, f"{field} contains a control character such as a tab, a line break or NUL; remove it")
    return value
