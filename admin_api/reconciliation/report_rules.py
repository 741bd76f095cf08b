"""Makes the rules that read a report's rows, from its settings, its headings and its account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from admin_api.http import DELIMITERS, InvalidFieldsError
from admin_api.reconciliation.report_settings import ReportSettings
from tracking.conversions import ConversionStatus
from tracking.postbacks import EVENT_OF_STATUS_WORD, EVENT_WORDS, STATUS_WORDS
from tracking.reconciliation import Column, ReportRules, cell_text, parse_date_format
from tracking.runtime import FieldError

# These words mean the same in every report. Numbers of trackers, and `lead` and `sale`, mean what a merchant says.
STATUSES: Mapping[str, ConversionStatus] = {
    word: status for word, status in STATUS_WORDS.items() if word.isalpha() and word not in EVENT_OF_STATUS_WORD
}
_SHOWN_CHARACTERS = 40


class Account(NamedTuple):
    """What is known of the report's account: its currency, and all event types."""

    currency: str
    events: Sequence[str]


def rules_of(
    settings: ReportSettings,
    header: Sequence[Any] | None,
    account: Account,
    read_click: Callable[[str], UUID | None],
) -> ReportRules:
    """Return how rows are read by a heading (None: the file has none). Raises InvalidFieldsError."""
    faults = list(_unknown_events(settings, account.events))
    places: dict[Column, int] = {}
    for name, place in settings.columns.items():
        try:
            places[Column(name)] = place_of(place, header, f"columns.{name}")
        except FieldError as error:
            faults.append(error)
    if faults:
        raise InvalidFieldsError(faults)
    own = {event: event for event in account.events}
    known = {word: event for word, event in EVENT_WORDS.items() if event in own} | own
    return ReportRules(
        places,
        None if settings.date_format is None else parse_date_format(settings.date_format),
        settings.decimal_separator or ".",
        settings.currency or account.currency,
        {**STATUSES, **{word: ConversionStatus(status) for word, status in settings.statuses.items()}},
        known | settings.events,
        read_click,
    )


def place_of(column: int | str, header: Sequence[Any] | None, field: str) -> int:
    """Return a column's place, counted from 0. It is given by its number from 1, or by a heading that occurs once."""
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
    shown = ", ".join(repr(heading[:_SHOWN_CHARACTERS]) for heading in headings[:30])
    other = [mark for mark in DELIMITERS if len(headings) == 1 and mark in headings[0]]
    hint = f"; is the delimiter {other[0]!r}?" if other else ", or the heading is in another header_row"
    raise FieldError(field, f"the headings have no {column!r}: they are {shown}{hint}")


def _unknown_events(settings: ReportSettings, known: Sequence[str]) -> Iterator[FieldError]:
    named = [(f"events.{word[:_SHOWN_CHARACTERS]}", event) for word, event in settings.events.items()]
    named += [(f"only_events[{index}]", event) for index, event in enumerate(settings.only_events or ())]
    for field, event in named:
        if event not in known:
            yield FieldError(field, f"there is no event type {event!r}; the types are {', '.join(known)}")
