"""When schedules are due, and which days relative periods stand for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.saved_reports.periods import Days, Period, dated, days_of
from admin_api.saved_reports.recurrence import Recurrence
from tracking.runtime import FieldError

ZONES = ("UTC", "Europe/Vienna", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu")
RECURRENCES = st.builds(
    Recurrence,
    st.sampled_from(["day", "week", "month"]),
    st.integers(1, 7),
    st.integers(1, 31),
    st.integers(0, 23),
    st.sampled_from(ZONES),
)
MOMENTS = st.datetimes(datetime(2012, 1, 2), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def at(text: str) -> datetime:
    """Return a moment."""
    return datetime.fromisoformat(text)


@given(RECURRENCES, MOMENTS)
def test_the_next_moment_is_later_and_on_the_day_that_was_asked_for(recurrence: Recurrence, moment: datetime) -> None:
    due_at = recurrence.next_after(moment)
    local = due_at.astimezone(ZoneInfo(recurrence.time_zone))
    assert moment < due_at <= moment + timedelta(days=33)
    assert recurrence.every != "week" or local.isoweekday() == recurrence.weekday
    assert recurrence.every != "month" or local.day == recurrence.day or (local + timedelta(days=1)).day == 1
    # Only a clock that was put forward shows another time.
    assert (local.hour, local.minute) == (recurrence.hour, 0) or 0 < (
        local.hour * 60 + local.minute - recurrence.hour * 60
    ) <= 60


@given(RECURRENCES, MOMENTS, st.integers(0, 400))
def test_of_all_that_was_missed_the_last_one_is_sent(recurrence: Recurrence, moment: datetime, days: int) -> None:
    first = recurrence.next_after(moment)
    now = first + timedelta(days=days)
    last = recurrence.last_until(now, first)
    assert first <= last <= now < recurrence.next_after(last)


def test_an_hour_that_the_clock_skips_is_due_right_after() -> None:
    daily = Recurrence("day", 1, 1, 2, "Europe/Vienna")
    assert daily.next_after(at("2026-03-28T12:00+00:00")) == at("2026-03-29T01:00+00:00")


def test_an_hour_that_comes_twice_is_due_once() -> None:
    daily = Recurrence("day", 1, 1, 2, "Europe/Vienna")
    due_at = daily.next_after(at("2026-10-24T12:00+00:00"))
    assert due_at == at("2026-10-25T00:00+00:00")
    assert daily.next_after(due_at) == at("2026-10-26T01:00+00:00")


def test_the_31st_of_a_shorter_month_is_its_last_day() -> None:
    monthly = Recurrence("month", 1, 31, 6, "UTC")
    assert monthly.next_after(at("2026-02-01T00:00+00:00")) == at("2026-02-28T06:00+00:00")
    assert monthly.next_after(at("2026-02-28T06:00+00:00")) == at("2026-03-31T06:00+00:00")


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("today", "2026-11-25", "2026-11-25"),
        ("yesterday", "2026-11-24", "2026-11-24"),
        ("last_7_days", "2026-11-18", "2026-11-24"),
        ("week_to_date", "2026-11-23", "2026-11-25"),
        ("last_week", "2026-11-16", "2026-11-22"),
        ("month_to_date", "2026-11-01", "2026-11-25"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("year_to_date", "2026-01-01", "2026-11-25"),
    ],
)
def test_a_period_stands_for_days(period: str, first: str, last: str) -> None:
    expected = Days(date.fromisoformat(first), date.fromisoformat(last))
    assert days_of(Period(period), date(2026, 11, 25)) == expected


@given(st.sampled_from(Period), st.dates(date(1980, 1, 1), date(2100, 1, 1)))
def test_every_period_has_a_day_and_ends_by_today(period: Period, today: date) -> None:
    days = days_of(period, today)
    assert days.first <= days.last <= today


@pytest.mark.parametrize("question", [{"period": "soon"}, {"period": "today", "from": "2026-01-01"}])
def test_a_period_that_says_nothing_clear_is_refused(question: dict[str, str]) -> None:
    with pytest.raises(FieldError):
        dated(question, date(2026, 11, 25))
