"""What an operator says about a report: the settings that come with its file. They are checked before it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, WithJsonSchema

from admin_api.http import (
    DELIMITERS,
    ENCODINGS,
    Body,
    Currency,
    Day,
    EventName,
    InvalidFieldsError,
    Matching,
    ObjectId,
    OneOf,
    Text,
    checked,
    converted,
    decode_json,
    refuse_control,
)
from admin_api.reconciliation.workbooks import COLUMNS_MAX
from tracking.conversions import ConversionStatus
from tracking.reconciliation import Column, parse_date_format
from tracking.runtime import FieldError

DAYS_MAX = 400
WORDS_MAX = 200
HEADER_ROW_MAX = 100
HEADING_CHARACTERS_MAX = 200
_WORD_CHARACTERS_MAX = 100
_TIME_ZONE = r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}"
# The columns by which rows find their conversions.
_KEYS = (Column.ORDER_ID, Column.CLICK_ID)
# A key that is no word by the pattern is refused.
_WORDS = Field(max_length=WORDS_MAX, json_schema_extra={"additionalProperties": False})
_PLACE = f"a heading of up to {HEADING_CHARACTERS_MAX} characters, or a number from 1 to {COLUMNS_MAX}"


def _check_place(place: Any, field: str) -> int | str:
    if isinstance(place, int) and not isinstance(place, bool) and 1 <= place <= COLUMNS_MAX:
        return place
    if isinstance(place, str):
        heading = refuse_control(place, field).strip()
        if 1 <= len(heading) <= HEADING_CHARACTERS_MAX:
            return heading
    raise FieldError(field, f"a column is {_PLACE}")


def _check_columns(columns: dict[str, int | str], field: str) -> dict[str, int | str]:
    if not any(name in columns for name in _KEYS):
        raise FieldError(field, f"{field} must name {' or '.join(_KEYS)}, by which rows find their conversions")
    return columns


def _check_date_format(words: str, field: str) -> str:
    return parse_date_format(words, field).words


def _in_small_letters(words: dict[str, str], field: str) -> dict[str, str]:
    lowered = {word.lower(): meaning for word, meaning in words.items()}
    if len(lowered) < len(words):
        raise FieldError(field, f"{field} has a word twice; capital and small letters are not told apart")
    return lowered


_NUMBER_SCHEMA = {"type": "integer", "minimum": 1, "maximum": COLUMNS_MAX}
_HEADING_SCHEMA = TypeAdapter(Annotated[str, Text(HEADING_CHARACTERS_MAX)]).json_schema()
# The place of a column: its heading, or its number from 1.
Place = Annotated[int | str, converted(_check_place), WithJsonSchema({"anyOf": [_NUMBER_SCHEMA, _HEADING_SCHEMA]})]
# A word of the report, in upper or lower case.
ReportWord = Annotated[str, Text(_WORD_CHARACTERS_MAX)]


class ReportSettings(Body):
    """How to read a merchant's report."""

    merchant_id: ObjectId
    """The account that the report is about."""
    first_day: Annotated[Day, Field(alias="from")]
    """The first day that the report covers."""
    last_day: Annotated[Day, Field(alias="to")]
    """The last day that the report covers. The report may cover at most 400 days."""
    time_zone: Annotated[str, Matching(_TIME_ZONE, "the name of a time zone such as UTC or Europe/Malta")] = "UTC"
    """The time zone of these days, by its name in the time zone database."""
    format: Literal["csv", "tsv", "xlsx"]
    """The format of the file."""
    encoding: Annotated[str, OneOf(ENCODINGS)] = ENCODINGS[0]
    """How a CSV or TSV file is encoded. UTF-8 and UTF-16 with a byte order mark are recognised."""
    delimiter: Annotated[str, OneOf(DELIMITERS)] | None = None
    """The character between the cells of a CSV or TSV file; a comma or a tab, if it is left out."""
    sheet: Annotated[str, Text(100)] | None = None
    """The sheet of a workbook; the first, if it is left out."""
    header_row: Annotated[int, Field(ge=0, le=HEADER_ROW_MAX)] = 1
    """The row with the headings. It is 0 if there is none; columns are then given by their numbers."""
    columns: Annotated[
        dict[Column, Place],
        Field(min_length=1, json_schema_extra={"anyOf": [{"required": [name]} for name in _KEYS]}),
        checked(_check_columns),
    ]
    """The column of each field, by its heading or its number from 1. `order_id` or `click_id` is required."""
    date_format: Annotated[str, Text(40), checked(_check_date_format)] | None = None
    """The format of dates in text, such as DD.MM.YYYY. A column of dates needs it, except in a workbook."""
    decimal_separator: Literal[".", ","] | None = None
    """The character before decimals in text. A column of amounts needs it, except in a workbook."""
    currency: Currency | None = None
    """The currency of rows that name none. If it is left out, the account's currency counts."""
    statuses: Annotated[dict[ReportWord, ConversionStatus], _WORDS, checked(_in_small_letters)] = {}
    """The meaning of the report's words for statuses."""
    events: Annotated[dict[ReportWord, EventName], _WORDS, checked(_in_small_letters)] = {}
    """The event types that the report's words for events stand for."""
    only_events: Annotated[list[EventName], Field(min_length=1, max_length=WORDS_MAX)] | None = None
    """The event types that the report covers; all, if it is left out."""

    def stated(self) -> Mapping[str, Any]:
        """Return all settings as JSON with defaults filled in, as the run keeps them."""
        return self.model_dump(mode="json", by_alias=True)


def parse_settings(data: bytes) -> ReportSettings:
    """Return the settings of a report, or raise BodyError or InvalidFieldsError."""
    settings = decode_json(data, ReportSettings, source="the part `settings`")
    contradictions = list(_contradictions(settings))
    if contradictions:
        raise InvalidFieldsError(contradictions)
    return settings


def _contradictions(settings: ReportSettings) -> Iterator[FieldError]:
    """Yield errors of fields that do not fit others, although each may be correct by itself."""
    if not 0 <= (settings.last_day - settings.first_day).days < DAYS_MAX:
        yield FieldError("to", f"to must be from the day of `from` on, within {DAYS_MAX} days")
    if settings.format != "xlsx":
        if "amount" in settings.columns and settings.decimal_separator is None:
            yield _not_stated("decimal_separator", "amount", 'say "." or ","')
        if "date" in settings.columns and settings.date_format is None:
            yield _not_stated("date_format", "date", "say how a date is written, as in DD.MM.YYYY")


def _not_stated(setting: str, column: str, how: str) -> FieldError:
    message = f"{setting} is required with a column of {column}: {how}; it is not guessed"
    return FieldError(setting, message, code="missing-field")
