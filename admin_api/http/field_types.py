"""The types of fields in request bodies, beyond pydantic's own. Each has its rule, its message and its schema.

A rule of the domain raises FieldError, whose message says how to correct the value. `checked` makes it a validator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeVar

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from tracking.clicks import URL_CHARACTERS_MAX, check_domain, check_redirect_host, check_url, compile_destination
from tracking.money import AMOUNT_MINOR_MAX, currency_codes, parse_currency
from tracking.runtime import FieldError

Checked = TypeVar("Checked")

ID_MAX = 2**63 - 1
PERCENT_DIGITS = 4
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COUNTRY = re.compile("[A-Za-z]{2}")
# What the schema says about text: it has no control character and is not only white space.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_NOT_BLANK = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f\s][^\x00-\x1f\x7f]*$"


def checked(check: Callable[[Any, str], Checked]) -> AfterValidator:
    """Return a validator that applies a rule of the domain, which takes a value and the field's name."""
    return AfterValidator(_with_refusal(check))


def converted(convert: Callable[[Any, str], Checked]) -> BeforeValidator:
    """Return a validator that turns the client's value into another before its type is checked."""
    return BeforeValidator(_with_refusal(convert))


def _with_refusal(check: Callable[[Any, str], Checked]) -> Callable[[Any, ValidationInfo], Checked]:
    def apply(value: Any, info: ValidationInfo) -> Checked:
        try:
            return check(value, info.field_name or "value")
        except FieldError as error:
            # The message is passed as a value, since it may contain braces.
            context = {"code": error.code, "said": error.message, "named": info.field_name or "value"}
            raise PydanticCustomError("refused", "{said}", context) from error

    return apply


@dataclass(frozen=True)
class Text(GroupedMetadata):
    """Text up to a length. White space around it is dropped, and control characters are refused."""

    longest: int
    shortest: int = 1

    def __iter__(self) -> Iterator[Any]:
        def check(value: str, field: str) -> str:
            trimmed = refuse_control(value, field).strip()
            if not self.shortest <= len(trimmed) <= self.longest:
                said = f"{self.shortest} to {self.longest} characters, not {len(trimmed)}"
                raise FieldError(field, f"{field} must have {said}")
            return trimmed

        yield checked(check)
        yield WithJsonSchema(
            {
                "type": "string",
                "minLength": self.shortest,
                "maxLength": self.longest,
                "pattern": _NOT_BLANK if self.shortest else PRINTABLE,
            }
        )


@dataclass(frozen=True)
class Matching(GroupedMetadata):
    """Text that must match a pattern as a whole. `meaning` completes the sentence `must be`."""

    pattern: str
    meaning: str

    def __iter__(self) -> Iterator[Any]:
        compiled = re.compile(self.pattern)

        def check(value: str, field: str) -> str:
            if not compiled.fullmatch(value):
                raise FieldError(field, f"{field} must be {self.meaning}")
            return value

        yield checked(check)
        yield WithJsonSchema({"type": "string", "pattern": f"^(?:{self.pattern})$"})


@dataclass(frozen=True)
class OneOf(GroupedMetadata):
    """One of several words, which are known when the program starts."""

    words: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        def check(value: str, field: str) -> str:
            if value not in self.words:
                raise FieldError(field, f"{field} must be one of {', '.join(self.words)}")
            return value

        yield checked(check)
        yield WithJsonSchema({"type": "string", "enum": list(self.words)})


def refuse_control(value: str, field: str) -> str:
    """Return text unchanged, or raise FieldError if it has a control character."""
    if _CONTROL.search(value):
        raise FieldError(field, f"{field} contains a control character such as a tab, a line break or NUL; remove it")
    return value


def _check_plain_url(url: str, field: str) -> str:
    if "{" in url or "}" in url:
        raise FieldError(field, f"{field} cannot have macros; write %7B and %7D for braces")
    return check_url(refuse_control(url, field), field)


def _check_destination(url: str, field: str) -> str:
    # Text is stored as it was written, since it is compiled whenever it is published.
    compile_destination(refuse_control(url, field), field)
    return url


def _check_countries(codes: list[str], field: str) -> list[str]:
    if not all(_COUNTRY.fullmatch(code) for code in codes):
        raise FieldError(field, f'{field} must be a list of two-letter country codes such as ["DE", "AT"]')
    return sorted({code.upper() for code in codes})


def _check_percent(value: float, field: str) -> float:
    if round(value, PERCENT_DIGITS) != value:
        raise FieldError(field, f"{field} must have at most {PERCENT_DIGITS} decimals")
    return value


def _check_day(value: date, field: str) -> date:
    if not 1970 <= value.year <= 9000:
        raise FieldError(field, f"{field} must be a day of this era, such as 2026-10-31")
    return value


def _check_redirect_host(value: str, field: str) -> str:
    return check_redirect_host(refuse_control(value, field), field)


def _check_domain(value: str, field: str) -> str:
    return check_domain(refuse_control(value, field), field)


_URL_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^https?://", "maxLength": URL_CHARACTERS_MAX})
# The number of another object. The database checks whether it exists.
ObjectId = Annotated[int, Field(ge=1, le=ID_MAX)]
# A bare host name. It is stored as browsers send it: in small letters and in ASCII.
Domain = Annotated[
    str, checked(_check_domain), WithJsonSchema({"type": "string", "format": "idn-hostname", "maxLength": 253})
]
# A URL without macros.
PlainUrl = Annotated[str, checked(_check_plain_url), _URL_SCHEMA]
# A URL that may have macros in its path, query and fragment, or `{name:raw}`: the URL in that parameter.
DestinationUrl = Annotated[
    str,
    checked(_check_destination),
    WithJsonSchema({"type": "string", "pattern": r"^(https?://|\{\w+:raw\}$)", "maxLength": URL_CHARACTERS_MAX}),
]
# A host name, or `*.` and a domain.
RedirectHost = Annotated[str, checked(_check_redirect_host), WithJsonSchema({"type": "string", "maxLength": 255})]
# An ISO 4217 code.
Currency = Annotated[str, checked(parse_currency), WithJsonSchema({"type": "string", "enum": currency_codes()})]
# Two-letter country codes. They are stored in capitals, sorted and without repetition.
Countries = Annotated[
    list[str],
    checked(_check_countries),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z]{2}$"}}),
]
# An amount in minor units of its currency.
AmountMinor = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX)]
# A percentage with at most four decimals.
Percent = Annotated[float, Field(ge=0, le=100), checked(_check_percent)]
Day = Annotated[
    date,
    checked(_check_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": "^(19[7-9][0-9]|[2-8][0-9]{3}|9000)-"}),
]
# The name of an event type.
EventName = Annotated[str, Matching("[a-z][a-z0-9_]{0,39}", "the name of an event type, such as ftd")]
