"""When payouts are made and which are held back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.money import (
    AMOUNT_MINOR_MAX,
    HeldBack,
    Payable,
    PayoutSchedule,
    PayoutState,
    Rate,
    RateOrigin,
    held_back,
    payable_groups,
    period_ends,
    rate_finder,
)
from tracking.money.payout_schedules import period_end

NOW = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "now", "end"),
    [
        ("weekly", NOW, "2026-11-16"),
        ("weekly", datetime(2026, 11, 16, tzinfo=UTC), "2026-11-16"),
        ("weekly", datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC), "2026-11-09"),
        ("fortnightly", NOW, "2026-11-09"),
        ("fortnightly", datetime(2026, 11, 23, tzinfo=UTC), "2026-11-23"),
        ("monthly", NOW, "2026-11-01"),
        ("monthly", datetime(2026, 12, 1, tzinfo=UTC), "2026-12-01"),
        ("monthly", datetime(2024, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2024-02-01"),
    ],
)
def test_a_period_ends_on_a_monday_or_a_first_at_midnight_utc(schedule: str, now: datetime, end: str) -> None:
    assert period_end(PayoutSchedule(schedule), now) == datetime.combine(
        date.fromisoformat(end), datetime.min.time(), UTC
    )


@given(st.integers(1_600_000_000, 2_200_000_000), st.sampled_from(PayoutSchedule))
@settings(deadline=None)
def test_periods_have_no_gaps(now_s: int, schedule: PayoutSchedule) -> None:
    now = datetime.fromtimestamp(now_s, UTC)
    end = period_end(schedule, now)
    assert end <= now
    longest = {"weekly": 7, "fortnightly": 14, "monthly": 31}[schedule]
    assert now - end < timedelta(days=longest)
    assert period_end(schedule, end) == end
    assert period_end(schedule, end - timedelta(microseconds=1)) < end


def payable(**changes: Any) -> Payable:
    values: dict[str, Any] = {"amount_minor": 500, "entries": 2, "minimum_minor": 500, "standing": None}
    return Payable(1, "USD", PayoutSchedule.WEEKLY, **values | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"amount_minor": 499}, HeldBack.BELOW_MINIMUM),
        ({"amount_minor": 0}, HeldBack.NOT_POSITIVE),
        ({"amount_minor": -1, "minimum_minor": None}, HeldBack.NOT_POSITIVE),
        ({"minimum_minor": None}, HeldBack.RATE_MISSING),
        ({"standing": PayoutState.OPEN}, HeldBack.ALREADY_MADE),
        ({"standing": PayoutState.APPROVED}, HeldBack.ALREADY_MADE),
        ({"standing": PayoutState.PAID}, HeldBack.ALREADY_MADE),
        ({"standing": PayoutState.REJECTED}, HeldBack.REJECTED_BEFORE),
    ],
)
def test_what_is_held_back_says_why(changes: dict[str, Any], expected: HeldBack | None) -> None:
    assert held_back(payable(**changes), anew=False) is expected


def test_an_operator_makes_a_rejected_payout_anew() -> None:
    assert held_back(payable(standing=PayoutState.REJECTED), anew=True) is None
    assert held_back(payable(standing=PayoutState.REJECTED, amount_minor=0), anew=True) is HeldBack.NOT_POSITIVE


def row(**changes: Any) -> dict[str, Any]:
    return {
        "source_id": 1,
        "currency": "EUR",
        "payout_schedule": "weekly",
        "amount_minor": 700,
        "entries": 3,
        "minimums": {},
        "standing": None,
    } | changes


@pytest.mark.parametrize(
    ("minimums", "expected"),
    [
        ({}, 0),
        ({"EUR": 300}, 300),
        ({"USD": 500}, 400),
        ({"USD": 500, "EUR": 300}, 400),
        ({"USD": 100, "EUR": 300}, 300),
        ({"KES": 100}, None),
        ({"USD": 10**18}, AMOUNT_MINOR_MAX),
    ],
)
def test_the_minimum_is_the_largest_of_the_event_types_in_the_payouts_currency(
    minimums: dict[str, int], expected: int | None
) -> None:
    find = rate_finder([Rate(RateOrigin.ECB, "EUR", "USD", NOW.date(), Decimal("1.25"))])
    (found,) = payable_groups([row(minimums=minimums)], find, NOW)
    assert found.minimum_minor == expected


def test_every_schedule_has_a_period() -> None:
    assert set(period_ends(NOW)) == set(PayoutSchedule)
