"""Decides what a question is answered from: which roll-up, by days or hours, or the stored rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from admin_api.reports.columns import COST
from admin_api.reports.question import Question, Selection
from tracking.reports import GROUPS, Block, DimensionKind, RollupGroup, cover

HOUR_S = 3600
# How many keys a group has on a day, roughly; the group with the fewest answers.
_KEYS: Mapping[str, int] = MappingProxyType(
    {
        "total": 1,
        "device": 5,
        "country": 200,
        "source": 500,
        "technology": 3_000,
        "referrer": 5_000,
        "audience": 8_000,
        "link": 12_000,
        "place": 15_000,
        "sub1": 18_000,
        "sub2": 18_000,
    }
)


class AnsweredFrom(StrEnum):
    """What a question was answered from."""

    ROLLUPS = "rollups"
    PARTITIONS = "partitions"


class Grain(StrEnum):
    """The rows that are added up: blocks of days, hours, or each click and conversion."""

    DAYS = "days"
    HOURS = "hours"
    ROWS = "rows"


class ReportState(NamedTuple):
    """How far roll-ups are kept, in the snapshot of the answer. `time_zone` is None while nothing is folded."""

    time_zone: str | None
    built_day: int
    hours_from: int
    # The days that a group has no rows of.
    gaps: frozenset[tuple[str, int]] = frozenset()


class Offset(NamedTuple):
    """From an hour since 1970 on, local time is so many hours ahead of UTC."""

    hour: int
    hours: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a question is answered from. Without a group it is answered from rows."""

    grain: Grain
    group: RollupGroup | None = None

    @property
    def answered_from(self) -> AnsweredFrom:
        return AnsweredFrom.PARTITIONS if self.group is None else AnsweredFrom.ROLLUPS


def periods(question: Question) -> list[Selection]:
    """Return the period that is asked about, and the one before if they are compared."""
    asked = question.selection
    return [asked, asked.previous()] if question.compare else [asked]


def plan_of(question: Question, state: ReportState) -> Plan:
    """Return the plan with the smallest group that has all dimensions, filters included, or one from rows."""
    if question.uses("class") and COST in question.figures:
        # Roll-ups have the costs of all classes together.
        return Plan(Grain.ROWS)
    zone = question.selection.time_zone
    other_zone = state.time_zone is not None and state.time_zone != zone
    grain = Grain.HOURS if question.uses("hour") or other_zone else Grain.DAYS
    if grain is Grain.HOURS and not all(_has_hours(each, state) for each in periods(question)):
        return Plan(Grain.ROWS)
    for group in groups_of(question):
        if (group.hours or grain is Grain.DAYS) and not (group.limited and _has_gaps(group, question, state)):
            return Plan(grain, group)
    return Plan(Grain.ROWS)


def groups_of(question: Question) -> list[RollupGroup]:
    """Return the groups that have all dimensions of a question, the smallest first."""
    named = question.dimensions_of(DimensionKind.ID, DimensionKind.TEXT)
    return sorted((group for group in GROUPS if named <= set(group.names)), key=lambda group: _KEYS[group.name])


def remedy(question: Question) -> str:
    """Return what to ask instead, so that roll-ups answer: the groups that have most of the dimensions asked."""
    named = question.dimensions_of(DimensionKind.ID, DimensionKind.TEXT)
    needed = {"source"} if question.viewer.of_partner else set()
    fit = [group for group in GROUPS if needed <= set(group.names)]
    best = sorted(fit, key=lambda group: (-len(named & set(group.names)), _KEYS[group.name]))[:3]
    groups = "; ".join(", ".join(group.names) or "no dimension" for group in best)
    return (
        f"ask for fewer days, or group by and filter by dimensions of one of these groups, which is answered at once:"
        f" {groups}; day and weekday go with all of them"
    )


def day_blocks(selection: Selection, built_day: int) -> Iterator[Block]:
    """Yield the blocks of the days before `built_day` that count. Later days have rows of level 1 alone."""
    for first, end in selection.runs():
        yield from cover(first, min(end, built_day), built_day)


def late_days(selection: Selection, built_day: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of days from `built_day` on that count."""
    for first, end in selection.runs():
        if end > built_day:
            yield max(first, built_day), end


def hour_runs(selection: Selection) -> list[tuple[int, int]]:
    """Return the days that count as ranges of hours since 1970, the end not included."""
    return [(_hour(selection, first), _hour(selection, end)) for first, end in selection.runs()]


def offsets(selection: Selection) -> list[Offset] | None:
    """Return how local time differs from UTC, from change to change, or None if it is not by whole hours."""
    zone, runs = ZoneInfo(selection.time_zone), selection.runs()
    if not runs:
        return []
    day, last = runs[0][0], runs[-1][1]
    found = [Offset(_hour(selection, day), _offset_s(zone, _hour(selection, day)))]
    while day < last:
        low, high = _hour(selection, day), _hour(selection, day + 1)
        if _offset_s(zone, high) != found[-1].hours:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset_s(zone, middle) == found[-1].hours else (low, middle)
            found.append(Offset(high, _offset_s(zone, high)))
        day += 1
    if any(each.hours % HOUR_S for each in found):
        return None
    return [Offset(hour, seconds // HOUR_S) for hour, seconds in found]


def _has_hours(selection: Selection, state: ReportState) -> bool:
    """Whether all hours of the days are kept, and are hours of their zone."""
    runs = selection.runs()
    return not runs or (_hour(selection, runs[0][0]) >= state.hours_from and offsets(selection) is not None)


def _has_gaps(group: RollupGroup, question: Question, state: ReportState) -> bool:
    return any(
        (group.name, day) in state.gaps
        for each in periods(question)
        for first, end in each.runs()
        for day in range(first, end)
    )


def _hour(selection: Selection, day: int) -> int:
    return int(selection.moment(day).timestamp()) // HOUR_S


def _offset_s(zone: ZoneInfo, hour: int) -> int:
    shift = datetime.fromtimestamp(hour * HOUR_S, UTC).astimezone(zone).utcoffset()
    assert shift is not None
    return int(shift.total_seconds())
