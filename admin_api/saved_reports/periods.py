"""Relative periods of saved questions, such as `yesterday`: which days they stand for, seen from one day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from tracking.runtime import FieldError


class Period(StrEnum):
    """A period that moves with the day on which it is asked for. Only those with today in their name include it."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_7_DAYS = "last_7_days"
    LAST_30_DAYS = "last_30_days"
    LAST_90_DAYS = "last_90_days"
    WEEK_TO_DATE = "week_to_date"
    LAST_WEEK = "last_week"
    MONTH_TO_DATE = "month_to_date"
    LAST_MONTH = "last_month"
    YEAR_TO_DATE = "year_to_date"


class Days(NamedTuple):
    """The first and the last day of a period."""

    first: date
    last: date


_LAST_DAYS = {Period.YESTERDAY: 1, Period.LAST_7_DAYS: 7, Period.LAST_30_DAYS: 30, Period.LAST_90_DAYS: 90}


def days_of(period: Period, today: date) -> Days:
    """Return the days of a period. Those `to_date` end with today; `last` days, weeks and months are complete ones.

    A week begins on Monday.
    """
    yesterday = today - timedelta(days=1)
    if period in _LAST_DAYS:
        return Days(today - timedelta(days=_LAST_DAYS[period]), yesterday)
    monday, month = today - timedelta(days=today.weekday()), today.replace(day=1)
    if period is Period.LAST_WEEK:
        return Days(monday - timedelta(days=7), monday - timedelta(days=1))
    if period is Period.LAST_MONTH:
        last = month - timedelta(days=1)
        return Days(last.replace(day=1), last)
    beginnings = {
        Period.WEEK_TO_DATE: monday,
        Period.MONTH_TO_DATE: month,
        Period.YEAR_TO_DATE: today.replace(month=1, day=1),
    }
    return Days(beginnings.get(period, today), today)


def dated(question: Mapping[str, str], today: date) -> dict[str, str]:
    """Return a saved question with the days that its `period` stands for on a day. Others stay as they are.

    Raises FieldError for an unknown period, or for one beside days.
    """
    rest = {name: value for name, value in question.items() if name != "period"}
    if "period" not in question:
        return rest
    try:
        period = Period(question["period"])
    except ValueError:
        known = ", ".join(each.value for each in Period)
        raise FieldError("question.period", f"period must be one of {known}") from None
    if "from" in rest or "to" in rest:
        raise FieldError("question.period", "give a period or the days from and to, not both")
    days = days_of(period, today)
    return rest | {"from": days.first.isoformat(), "to": days.last.isoformat()}
