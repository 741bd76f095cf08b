"""The periods of caps: hours, days and months of a time zone, without gaps or overlaps, whatever its clocks do.

A day of a zone that changes its clocks has 23 or 25 hours. An hour that the clock goes through twice is two hours, and
one that a clock change cuts short ends there.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tracking.caps.definition import CapPer, zone

_HOUR_S = 3600


class Period(NamedTuple):
    """From `start_s` on and before `end_s`, in Unix seconds."""

    start_s: int
    end_s: int


# The period of a cap that never begins again.
ALWAYS = Period(1, 2**32 - 1)


def period_at(per: CapPer, time_zone: str, at_s: int) -> Period:
    """Return the period that has the moment `at_s`. A zone that this machine does not know counts as UTC."""
    if per is CapPer.TOTAL:
        return ALWAYS
    place = zone(time_zone)
    if per is CapPer.HOUR:
        return _hour(place, at_s)
    day = datetime.fromtimestamp(at_s, place).date()
    first = day if per is CapPer.DAY else day.replace(day=1)
    end = _beginning(_next(first, per), place)
    if at_s >= end:
        # The clock has gone back over midnight: what comes now has the old date once more, and counts for the new one.
        first = _next(first, per)
        end = _beginning(_next(first, per), place)
    return Period(_beginning(first, place), end)


def following(per: CapPer, time_zone: str, period: Period) -> Period | None:
    """Return the period after one, None if there is none."""
    return None if per is CapPer.TOTAL else period_at(per, time_zone, period.end_s)


def _next(first: date, per: CapPer) -> date:
    if per is CapPer.DAY:
        return first + timedelta(days=1)
    return (first.replace(day=1) + timedelta(days=32)).replace(day=1)


def _beginning(day: date, place: ZoneInfo) -> int:
    """Return the first second of a day. Where clocks skip midnight, that is the second of the change."""
    return int(datetime(day.year, day.month, day.day, tzinfo=place).timestamp())


def _hour(place: ZoneInfo, at_s: int) -> Period:
    offset = _offset(place, at_s)
    start = (at_s + offset) // _HOUR_S * _HOUR_S - offset
    end = start + _HOUR_S
    if _offset(place, start) != offset:
        start = _change(place, start, at_s)
    if _offset(place, end - 1) != offset:
        end = _change(place, at_s, end - 1)
    return Period(start, end)


def _change(place: ZoneInfo, low: int, high: int) -> int:
    """Return the first second after `low`, at most `high`, at which the zone has the offset that it has at `high`."""
    offset = _offset(place, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(place, middle) == offset:
            high = middle
        else:
            low = middle
    return high


def _offset(place: ZoneInfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, place).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())
