"""Reads a question from the parameters of a query, and names every wrong parameter at once with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from admin_api.http import InvalidFieldsError
from admin_api.reports.columns import (
    COLUMNS,
    COST,
    EVENT_PREFIX,
    USUAL,
    Column,
    column_of,
    may_see,
)
from admin_api.reports.errors import MoneyHiddenError
from admin_api.reports.places import decode_place
from admin_api.reports.question import Axis, Question, Selection, Sort, Usual, Viewer, side_refused
from admin_api.reports.values import ValueFilter, parse_day, parse_event, parse_filter
from tracking.money import parse_currency
from tracking.reports import DIMENSIONS
from tracking.runtime import FieldError

Read = TypeVar("Read")
UsualNow = Callable[[], Usual]

GROUP_BY_MAX = 4
COLUMNS_MAX = 40
DAYS_MAX = 3660
DAYS = 30
ROWS = 100
ROWS_MAX = 500
PERIOD = ("from", "to", "time_zone")
PARAMETERS = ("group_by", *PERIOD, "by", "currency", "columns", "sort", "compare", "limit", "cursor", *DIMENSIONS)
# In the order in which rows are usually read.
_SERIES = ("day", "hour", "weekday")


class _Reader:
    """Reads parameters one by one, and keeps what is wrong with them."""

    def __init__(self, parameters: Mapping[str, str], known: tuple[str, ...]) -> None:
        self.wrong: list[FieldError] = []
        self._given: dict[str, str] = {}
        for name, text in parameters.items():
            shown = name[:40]
            if name not in known:
                said = f"{shown} is not known here; the names are {', '.join(known)}"
                self.wrong.append(FieldError(shown, said, code="unknown-field"))
            elif not isinstance(text, str):
                self.wrong.append(FieldError(name, f"{name} was given more than once; put commas between values"))
            else:
                self._given[name] = text

    def read(self, name: str, parse: Callable[[str, str], Read], usual: Read) -> Read:
        """Return a parameter as `parse` reads it, or what is usual."""
        text = self._given.get(name)
        if text is None:
            return usual
        try:
            return parse(text, name)
        except FieldError as error:
            self.wrong.append(error)
            return usual

    def filters(self) -> Iterator[ValueFilter]:
        """Yield the filters of all dimensions."""
        for name, dimension in DIMENSIONS.items():
            chosen = self.read(name, lambda text, _, kept=dimension: parse_filter(text, kept), None)  # type: ignore[misc]
            if chosen is not None:
                yield chosen

    def finish(self) -> None:
        """Raise InvalidFieldsError if anything was wrong."""
        if self.wrong:
            raise InvalidFieldsError(self.wrong)


def parse_selection(parameters: Mapping[str, str], viewer: Viewer, usual: Usual) -> Selection:
    """Return the clicks and conversions that `from`, `to`, `time_zone` and the filters of dimensions select.

    Raises InvalidFieldsError.
    """
    read = _Reader(parameters, (*PERIOD, *DIMENSIONS))
    found = _selection(read, viewer, usual)
    read.finish()
    return found


def parse_question(parameters: Mapping[str, str], viewer: Viewer, usual: Usual) -> Question:
    """Return the question that the parameters of a query ask.

    Raises InvalidFieldsError with every wrong parameter, and MoneyHiddenError for columns that the viewer may not see.
    """
    read = _Reader(parameters, PARAMETERS)
    selection = _selection(read, viewer, usual)
    nothing: tuple[str, ...] = ()
    group_by = read.read("group_by", _parse_dimensions, nothing)
    uses_class = "class" in group_by or bool(selection.filter_of("class"))
    by_event = "event" in group_by
    if uses_class and by_event:
        read.wrong.append(FieldError("group_by", "conversions have no class and clicks no event; ask for one of them"))
        read.finish()

    def visible(column: Column) -> bool:
        return may_see(column, sees_money=viewer.sees_money, of_partner=viewer.of_partner)

    def usual_columns() -> tuple[str, ...]:
        fits = [column_of(name, of_partner=viewer.of_partner) for name in USUAL]
        return tuple(
            each.name
            for each in fits
            # Roll-ups have no costs by class.
            if visible(each)
            and side_refused(uses_class, by_event, each.side) is None
            and not (uses_class and each.name == COST)
        )

    columns = read.read("columns", _parse_columns, usual_columns())
    usual_sort = _usual_sort(group_by, columns)
    sort = read.read("sort", lambda text, name: _parse_sort(text, name, group_by), usual_sort)
    asked = [(each, "columns") for each in columns] + ([(sort.name, "sort")] if sort is not usual_sort else [])
    for name, where in asked:
        column = column_of(name, of_partner=viewer.of_partner) if _is_column(name, group_by) else None
        refused = column and side_refused(uses_class, by_event, column.side)
        if refused:
            read.wrong.append(FieldError(where, f"{name}: {refused}"))
        if column and not visible(column):
            raise MoneyHiddenError(f"{name} is money, which you may not see; leave it out of {where}", field=where)
    question = Question(
        group_by=group_by,
        selection=selection,
        by=read.read("by", parse_axis, Axis.CLICK),
        currency=read.read("currency", parse_currency, usual.currency),
        cost_currency=usual.cost_currency,
        columns=columns,
        sort=sort,
        compare=read.read("compare", _parse_compare, False),
        limit=read.read("limit", _parse_limit, ROWS),
        viewer=viewer,
    )
    after = read.read("cursor", lambda text, name: decode_place(text, name, question), None)
    read.finish()
    return replace(question, after=after)


def _selection(read: _Reader, viewer: Viewer, usual: Usual) -> Selection:
    zone = read.read("time_zone", parse_zone, usual.time_zone)
    today = usual.today(zone)
    last = read.read("to", parse_day, None)
    first = read.read("from", parse_day, None)
    if last is None:
        last = max(today, first) if first is not None else today
    if first is None:
        first = max(last - timedelta(days=DAYS - 1), date(1970, 1, 1))
    if first > last:
        read.wrong.append(FieldError("to", f"to must be {first} or later: it is the last day, and from the first"))
    elif (last - first).days >= DAYS_MAX:
        read.wrong.append(FieldError("from", f"from must be at most {DAYS_MAX} days before to; ask for a part"))
    own = () if viewer.source_id is None else (ValueFilter("source", (viewer.source_id,)),)
    # SECURITY: a partner's own source comes with every question, beside what it asks for.
    return Selection(first, last, zone, (*read.filters(), *own))


def parse_zone(text: str, field: str) -> str:
    """Return the name of a time zone, or raise FieldError."""
    if text not in available_timezones():
        raise FieldError(field, f"{field} must be a time zone such as Europe/Vienna, not {text[:40]!r}")
    ZoneInfo(text)
    return text


def _parse_dimensions(text: str, field: str) -> tuple[str, ...]:
    names = tuple(text.split(",")) if text else ()
    for name in names:
        if name not in DIMENSIONS:
            raise FieldError(field, f"{field} must have dimensions of {', '.join(DIMENSIONS)}, not {name[:40]!r}")
    if len(names) > GROUP_BY_MAX or len(set(names)) < len(names):
        raise FieldError(field, f"{field} takes up to {GROUP_BY_MAX} dimensions, each once")
    return names


def _parse_columns(text: str, field: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        _check_column(name, field)
    if len(names) > COLUMNS_MAX or len(set(names)) < len(names):
        raise FieldError(field, f"{field} takes up to {COLUMNS_MAX} columns, each once")
    return names


def _check_column(name: str, field: str) -> None:
    if name.startswith(EVENT_PREFIX):
        parse_event(name.removeprefix(EVENT_PREFIX), field)
    elif name not in COLUMNS:
        known = f"{', '.join(COLUMNS)} or {EVENT_PREFIX}ftd with the name of any event"
        raise FieldError(field, f"{field} must have columns of {known}, not {name[:40]!r}")


def _is_column(name: str, group_by: tuple[str, ...]) -> bool:
    return name not in group_by and (name in COLUMNS or name.startswith(EVENT_PREFIX))


def _parse_sort(text: str, field: str, group_by: tuple[str, ...]) -> Sort:
    name = text.removeprefix("-")
    if name in DIMENSIONS and name not in group_by:
        raise FieldError(field, f"{field} can be {name} only if group_by has it too")
    if name not in group_by:
        _check_column(name, field)
    return Sort(name, text.startswith("-"))


def _usual_sort(group_by: tuple[str, ...], columns: tuple[str, ...]) -> Sort:
    series = [name for name in _SERIES if name in group_by]
    if series:
        return Sort(series[0], descending=False)
    counted = [name for name in columns if name in ("net", "conversions")] or list(columns)
    return Sort(counted[0], descending=True)


def parse_axis(text: str, field: str) -> Axis:
    """Return whose date counts for conversions, or raise FieldError."""
    if text not in list(Axis):
        raise FieldError(field, f"{field} must be click or conversion: whose date counts for conversions")
    return Axis(text)


def _parse_compare(text: str, field: str) -> bool:
    if text != "previous":
        raise FieldError(field, f"{field} must be previous, or be left out")
    return True


def _parse_limit(text: str, field: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= ROWS_MAX):
        raise FieldError(field, f"{field} must be a number from 1 to {ROWS_MAX}")
    return int(text)
