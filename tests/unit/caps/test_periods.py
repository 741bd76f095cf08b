"""Periods of caps are hours, days and months of the operator's zone, also where its clocks change."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.caps import ALWAYS, CapPer, Period, following, is_time_zone, period_at

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/Goose_Bay",
    "Asia/Beirut",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Chatham",
)
PERIODS = (CapPer.HOUR, CapPer.DAY, CapPer.MONTH)
MOMENTS = st.integers(0, int(datetime(2038, 1, 1, tzinfo=UTC).timestamp()))


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def hours(period: Period) -> float:
    return (period.end_s - period.start_s) / 3600


@given(per=st.sampled_from(PERIODS), zone=st.sampled_from(ZONES), moment=MOMENTS)
def test_periods_have_no_gap_and_no_overlap(per: CapPer, zone: str, moment: int) -> None:
    period = period_at(per, zone, moment)
    assert period.start_s <= moment < period.end_s
    assert period_at(per, zone, period.start_s) == period
    assert period_at(per, zone, period.end_s - 1) == period
    after = following(per, zone, period)
    assert after is not None
    assert after.start_s == period.end_s
    assert period_at(per, zone, period.start_s - 1).end_s == period.start_s


@given(per=st.sampled_from(PERIODS), zone=st.sampled_from(ZONES), moment=MOMENTS)
def test_no_period_is_longer_than_its_name_says(per: CapPer, zone: str, moment: int) -> None:
    longest = {CapPer.HOUR: 1, CapPer.DAY: 26, CapPer.MONTH: 31 * 24 + 2}
    assert 0 < hours(period_at(per, zone, moment)) <= longest[per]


def test_a_day_is_the_operators_day() -> None:
    period = period_at(CapPer.DAY, "Asia/Kolkata", at("2026-11-25T23:59:59", "Asia/Kolkata"))
    assert period == (at("2026-11-25T00:00", "Asia/Kolkata"), at("2026-11-26T00:00", "Asia/Kolkata"))


@pytest.mark.parametrize(
    ("zone", "moment", "length"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00", 25),
        ("Australia/Lord_Howe", "2026-10-04T12:00", 23.5),
        # Here clocks skip midnight, so the day begins at one o'clock.
        ("Asia/Beirut", "2026-03-29T12:00", 23),
    ],
)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(zone: str, moment: str, length: float) -> None:
    assert hours(period_at(CapPer.DAY, zone, at(moment, zone))) == length


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    first = period_at(CapPer.HOUR, "Europe/Berlin", int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()))
    second = period_at(CapPer.HOUR, "Europe/Berlin", int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp()))
    assert second.start_s == first.end_s
    assert hours(first) == hours(second) == 1


def test_an_hour_that_a_clock_change_cuts_short_ends_there() -> None:
    # At 02:00 of that day the clocks of Lord Howe go to 02:30.
    change = at("2026-10-04T02:30", "Australia/Lord_Howe")
    assert period_at(CapPer.HOUR, "Australia/Lord_Howe", change) == (change, change + 1800)


def test_a_month_begins_on_its_first_day_in_the_zone() -> None:
    period = period_at(CapPer.MONTH, "America/New_York", at("2026-11-25T10:00", "America/New_York"))
    assert period == (at("2026-11-01T00:00", "America/New_York"), at("2026-12-01T00:00", "America/New_York"))


def test_a_total_cap_has_one_period() -> None:
    assert period_at(CapPer.TOTAL, "UTC", 1_800_000_000) == ALWAYS
    assert following(CapPer.TOTAL, "UTC", ALWAYS) is None


def test_a_zone_that_is_not_known_counts_as_utc() -> None:
    assert period_at(CapPer.DAY, "Mars/Olympus", 90_000) == (86_400, 172_800)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "a\0b", "x" * 300])
def test_what_is_no_time_zone_is_none(name: str) -> None:
    assert not is_time_zone(name)


@pytest.mark.parametrize("name", ZONES)
def test_time_zones_are_known(name: str) -> None:
    assert is_time_zone(name)
