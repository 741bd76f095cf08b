"""A question to reports, read and checked: what it groups by, of which period, with which filters and columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from admin_api.reports.columns import Column, Side, column_of
from admin_api.reports.values import Value, ValueFilter
from admin_api.runtime import Actor
from tracking.reports import DIMENSIONS, DimensionKind, number_of_day
from tracking.rights import Right


class Axis(StrEnum):
    """By which date conversions are counted. Clicks are always counted by their own."""

    CLICK = "click"
    CONVERSION = "conversion"


class Viewer(NamedTuple):
    """Who asks: a partner sees only its source; whoever sees no money gets no column of money."""

    source_id: int | None = None
    sees_money: bool = True

    @classmethod
    def of(cls, actor: Actor) -> Self:
        """Return the viewer that an actor is."""
        return cls(actor.source_id, Right.MONEY_READ in actor.rights)

    @property
    def of_partner(self) -> bool:
        return self.source_id is not None


class Usual(NamedTuple):
    """What a question means where it says nothing: the settings, and the current moment."""

    time_zone: str
    currency: str
    cost_currency: str
    now: datetime

    def today(self, time_zone: str) -> date:
        """Return the day that it is in a zone."""
        return self.now.astimezone(ZoneInfo(time_zone)).date()


class Keys(NamedTuple):
    """Some keys of some dimensions."""

    dimensions: tuple[str, ...]
    keys: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which clicks and conversions are meant: those of some days, both included, that all filters let pass.

    With `keys`, only those with one of these.
    """

    first_day: date
    last_day: date
    time_zone: str
    filters: tuple[ValueFilter, ...] = ()
    keys: Keys | None = None

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1

    def filter_of(self, dimension: str) -> list[ValueFilter]:
        """Return the filters of a dimension."""
        return [each for each in self.filters if each.dimension == dimension]

    def previous(self) -> Selection:
        """Return the same for the days before, as many as these. A filter of days moves with them."""
        shift = self.days
        moved = tuple(
            each._replace(values=tuple(int(value) - shift for value in each.values))
            if each.dimension == "day"
            else each
            for each in self.filters
        )
        span = timedelta(days=shift)
        return Selection(self.first_day - span, self.last_day - span, self.time_zone, moved, self.keys)

    def runs(self) -> list[tuple[int, int]]:
        """Return the days that count as ranges of day numbers, the end not included."""
        asked = [each for each in self.filters if each.dimension in ("day", "weekday")]
        found: list[tuple[int, int]] = []
        first = number_of_day(self.first_day)
        if not asked:
            return [(first, first + self.days)]
        for day in range(first, first + self.days):
            parts = {"day": day, "weekday": weekday_of(day)}
            if all(each.has(parts[each.dimension]) for each in asked):
                if found and found[-1][1] == day:
                    found[-1] = (found[-1][0], day + 1)
                else:
                    found.append((day, day + 1))
        return found

    def moment(self, day: int) -> datetime:
        """Return the moment that a day of the zone begins at."""
        return beginning(date.fromordinal(_EPOCH_ORDINAL + day), self.time_zone)


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_THURSDAY = 4


def weekday_of(day: int) -> int:
    """Return the weekday of a day number: 1 is Monday."""
    return (day + _THURSDAY - 1) % 7 + 1


def beginning(day: date, time_zone: str) -> datetime:
    """Return the moment that a day begins at in a zone, which is later than midnight if clocks skip midnight."""
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)


class Sort(NamedTuple):
    """A column or a dimension of the question, and the direction."""

    name: str
    descending: bool

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{self.name}"


class RowPlace(NamedTuple):
    """A place in the order of a report: after the row with this value and this key."""

    value: int | float | str | None
    key: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `selection` has the filter on the viewer's source too."""

    group_by: tuple[str, ...]
    selection: Selection
    by: Axis
    currency: str
    cost_currency: str
    columns: tuple[str, ...]
    sort: Sort
    compare: bool = False
    limit: int = 100
    after: RowPlace | None = None
    viewer: Viewer = field(default=Viewer())

    def column(self, name: str) -> Column:
        """Return a column as this viewer sees it."""
        return column_of(name, of_partner=self.viewer.of_partner)

    @property
    def figures(self) -> tuple[str, ...]:
        """The figures of all columns that are shown or sorted by, each once."""
        asked = [*self.columns, *([] if self.sort.name in self.group_by else [self.sort.name])]
        return tuple(dict.fromkeys(figure for name in asked for figure in self.column(name).figures))

    def dimensions_of(self, *kinds: DimensionKind) -> set[str]:
        """Return the names of the dimensions of some kinds that are grouped by or filtered."""
        named = {*self.group_by, *(each.dimension for each in self.selection.filters)}
        return {name for name in named if DIMENSIONS[name].kind in kinds}

    def uses(self, name: str) -> bool:
        """Whether a dimension is grouped by or filtered."""
        return name in self.group_by or bool(self.selection.filter_of(name))


def side_refused(question_uses_class: bool, groups_by_event: bool, side: Side) -> str | None:
    """Return why a column cannot be shown, or None."""
    if question_uses_class and side is not Side.CLICKS:
        return "conversions have no class; leave out class, or this column"
    if groups_by_event and side is not Side.CONVERSIONS:
        return "clicks have no event; do not group by event, or leave out this column"
    return None
