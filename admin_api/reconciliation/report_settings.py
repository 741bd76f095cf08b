"""How a report is to be read: the settings that come with its file, checked, and what they come to for its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.http.old import Field, choice, currency, day, matching, object_id, text, validate_new, whole
from admin_api.reconciliation.delimited import ENCODINGS
from admin_api.reconciliation.workbooks import COLUMNS_MAX
from tracking.conversions import ConversionStatus
from tracking.postbacks import EVENT_OF_STATUS_WORD, EVENT_WORDS, STATUS_WORDS
from tracking.reconciliation import Column, ReportRules, cell_text, parse_date_format
from tracking.runtime import FieldError

FORMATS = ("csv", "tsv", "xlsx")
DELIMITERS = (",", ";", "|", "\t")
DAYS_MAX = 400
WORDS_MAX = 200
HEADER_ROW_MAX = 100
_WORD_CHARACTERS_MAX = 100
_TIME_ZONE = r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}"
# Words that mean one thing in every report. Trackers' numbers, and `lead` and `sale`, mean what a merchant says.
STATUSES: Mapping[str, ConversionStatus] = {
    word: status for word, status in STATUS_WORDS.items() if word.isalpha() and word not in EVENT_OF_STATUS_WORD
}


class ReportSettings(NamedTuple):
    """What an operator says of a report. `stated` is all of it as JSON, defaults filled in, for the run's row."""

    merchant_id: int
    first_day: date
    last_day: date
    time_zone: str
    format: str
    only_events: list[str] | None
    stated: Mapping[str, Any]


def parse_settings(body: Mapping[str, Any]) -> ReportSettings:
    """Return the settings of a report, or raise FieldError."""
    values = validate_new(_FIELDS, body)
    columns = values["columns"]
    if Column.ORDER_ID not in columns and Column.CLICK_ID not in columns:
        raise FieldError("columns", "columns must name order_id or click_id, by which rows find their conversions")
    if values["format"] != "xlsx":
        _require_stated(values, "amount", "decimal_separator", 'say "." or ","')
        _require_stated(values, "date", "date_format", "say how a date is written, as in DD.MM.YYYY")
    if values["date_format"] is not None:
        parse_date_format(values["date_format"])
    days = (values["to"] - values["from"]).days
    if not 0 <= days < DAYS_MAX or not 1970 <= values["from"].year <= 9000:
        raise FieldError("to", f"to must be from the day of `from` on, within {DAYS_MAX} days, of this era")
    stated = values | {"from": values["from"].isoformat(), "to": values["to"].isoformat()}
    return ReportSettings(
        values["merchant_id"],
        values["from"],
        values["to"],
        values["time_zone"],
        values["format"],
        values["only_events"],
        stated,
    )


def rules_of(
    settings: ReportSettings,
    header: Sequence[Any] | None,
    account: tuple[str, Sequence[str]],
    read_click: Callable[[str], UUID | None],
) -> ReportRules:
    """Return how rows are read under a heading (None: the file has none). `account` is its currency and all events."""
    stated = settings.stated
    default_currency, events = account
    for word in (*stated["events"].values(), *(settings.only_events or ())):
        if word not in events:
            raise FieldError("events", f"there is no event type {word!r}; the types are {', '.join(events)}")
    known = {word: event for word, event in EVENT_WORDS.items() if event in events} | {event: event for event in events}
    return ReportRules(
        {Column(name): place_of(place, header, f"columns.{name}") for name, place in stated["columns"].items()},
        None if stated["date_format"] is None else parse_date_format(stated["date_format"]),
        stated["decimal_separator"] or ".",
        stated["currency"] or default_currency,
        {**STATUSES, **{word: ConversionStatus(status) for word, status in stated["statuses"].items()}},
        known | stated["events"],
        read_click,
    )


def place_of(column: int | str, header: Sequence[Any] | None, field: str) -> int:
    """Return a column's place from 0: given by its number from 1, or by the one heading that it has."""
    if isinstance(column, int):
        return column - 1
    if header is None:
        raise FieldError(field, f"{field} must be a number, since header_row is 0: the file has no headings")
    headings = [cell_text(cell) for cell in header]
    same = [place for place, heading in enumerate(headings) if heading == column]
    same = same or [place for place, heading in enumerate(headings) if heading.lower() == column.lower()]
    if len(same) == 1:
        return same[0]
    if same:
        numbers = ", ".join(str(place + 1) for place in same)
        raise FieldError(field, f"the headings have {column!r} more than once; give the number: {numbers}")
    shown = ", ".join(repr(heading[:40]) for heading in headings[:30])
    other = [mark for mark in DELIMITERS if len(headings) == 1 and mark in headings[0]]
    hint = f"; is the delimiter {other[0]!r}?" if other else ", or the heading is in another header_row"
    raise FieldError(field, f"the headings have no {column!r}: they are {shown}{hint}")


def _require_stated(values: Mapping[str, Any], column: str, setting: str, how: str) -> None:
    if column in values["columns"] and values[setting] is None:
        raise FieldError(
            setting, f"{setting} is required with a column of {column}: {how}; it is not guessed", code="missing-field"
        )


def _columns(value: Any, field: str) -> dict[str, int | str]:
    names = ", ".join(Column)
    if not isinstance(value, dict) or not value:
        raise FieldError(field, f"{field} must be an object of {names}, each with a heading or a number from 1")
    heading, number = text(200), whole(1, COLUMNS_MAX)
    columns = {}
    for name, place in value.items():
        if name not in set(Column):
            raise FieldError(f"{field}.{name[:40]}", f"{field} has no {name[:40]!r}; it may have {names}")
        columns[name] = (number if isinstance(place, int) else heading)(place, f"{field}.{name}")
    return columns


def _words(allowed: Sequence[str] | None) -> Callable[[Any, str], dict[str, str]]:
    """Accept an object from words of the report, in any case, to our own."""
    word = text(_WORD_CHARACTERS_MAX)

    def parse(value: Any, field: str) -> dict[str, str]:
        if not isinstance(value, dict) or len(value) > WORDS_MAX:
            raise FieldError(field, f"{field} must be an object of at most {WORDS_MAX} words and their meanings")
        meaning = choice(*allowed) if allowed else word
        return {word(said, field).lower(): meaning(ours, f"{field}.{said[:40]}") for said, ours in value.items()}

    return parse


def _events(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= WORDS_MAX:
        raise FieldError(field, f"{field} must be a list of event types, or be left out for all")
    return [text(_WORD_CHARACTERS_MAX)(event, field) for event in value]


_FIELDS = (
    Field("merchant_id", object_id),
    Field("from", day),
    Field("to", day),
    Field("time_zone", matching(_TIME_ZONE, "the name of a time zone such as UTC or Europe/Malta"), default="UTC"),
    Field("format", choice(*FORMATS)),
    Field("encoding", choice(*ENCODINGS), default=ENCODINGS[0]),
    Field("delimiter", choice(*DELIMITERS), default=None, nullable=True),
    Field("sheet", text(100), default=None, nullable=True),
    Field("header_row", whole(0, HEADER_ROW_MAX), default=1),
    Field("columns", _columns),
    Field("date_format", text(40), default=None, nullable=True),
    Field("decimal_separator", choice(".", ","), default=None, nullable=True),
    Field("currency", currency, default=None, nullable=True),
    Field("statuses", _words(tuple(ConversionStatus)), default={}),
    Field("events", _words(None), default={}),
    Field("only_events", _events, default=None, nullable=True),
)
