"""Rates and amounts: which rate counts on a day, and that an amount is rounded once, half to even."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.money import AppliedRate, Rate, RateOrigin, rate_finder
from tracking.money.exchange_rates import RATE_DIGITS, convert

FRIDAY = date(2026, 10, 30)
ECB, OWN = RateOrigin.ECB, RateOrigin.OPERATOR


def ecb(quote: str, rate: str, day: date = FRIDAY) -> Rate:
    return Rate(ECB, "EUR", quote, day, Decimal(rate))


def own(base: str, quote: str, rate: str, day: date = FRIDAY, valid_days: int = 7) -> Rate:
    return Rate(OWN, base, quote, day, Decimal(rate), valid_days)


def test_a_rate_goes_from_the_euro_to_it_and_across() -> None:
    find = rate_finder([ecb("USD", "1.25"), ecb("GBP", "0.8")])
    assert find("EUR", "USD", FRIDAY) == AppliedRate(Decimal("1.25"), FRIDAY)
    assert find("USD", "EUR", FRIDAY) == AppliedRate(Decimal("0.8"), FRIDAY)
    assert find("USD", "GBP", FRIDAY) == AppliedRate(Decimal("0.64"), FRIDAY)
    assert find("USD", "USD", FRIDAY) == AppliedRate(Decimal(1), FRIDAY)


@pytest.mark.parametrize(("days", "counts"), [(-1, False), (0, True), (2, True), (7, True), (8, False)])
def test_a_rate_counts_for_seven_days_after_its_date(days: int, counts: bool) -> None:
    find = rate_finder([ecb("USD", "1.25")])
    assert (find("EUR", "USD", FRIDAY + timedelta(days=days)) is not None) is counts


def test_the_newest_rate_that_is_not_later_counts() -> None:
    days = [FRIDAY - timedelta(days=offset) for offset in (0, 1, 2)]
    find = rate_finder(ecb("USD", f"1.{number}", day) for number, day in enumerate(days))
    assert find("EUR", "USD", days[1]) == AppliedRate(Decimal("1.1"), days[1])
    assert find("EUR", "USD", FRIDAY + timedelta(days=3)) == AppliedRate(Decimal("1.0"), FRIDAY)


def test_across_the_euro_the_date_is_the_older_of_the_two() -> None:
    find = rate_finder([ecb("USD", "1.25"), ecb("GBP", "0.8", FRIDAY - timedelta(days=1))])
    assert find("GBP", "USD", FRIDAY) == AppliedRate(Decimal("1.5625"), FRIDAY - timedelta(days=1))


def test_an_operators_rate_comes_first_even_where_it_is_older() -> None:
    older = FRIDAY - timedelta(days=20)
    find = rate_finder([ecb("USD", "1.25"), own("EUR", "USD", "1.1", older, 30)])
    assert find("EUR", "USD", FRIDAY) == AppliedRate(Decimal("1.1"), older)
    assert find("EUR", "USD", older + timedelta(days=31)) is None


def test_an_operators_rate_counts_either_way_round_and_as_one_leg() -> None:
    find = rate_finder([own("USD", "KES", "128"), own("KES", "EUR", "0.008"), ecb("USD", "1.25"), ecb("GBP", "0.8")])
    assert find("KES", "USD", FRIDAY) == AppliedRate(Decimal("0.0078125"), FRIDAY)
    # Not across the euro, since there is one between the two.
    assert find("USD", "KES", FRIDAY) == AppliedRate(Decimal(128), FRIDAY)
    assert find("KES", "GBP", FRIDAY) == AppliedRate(Decimal("0.0064"), FRIDAY)


def test_where_nothing_counts_there_is_no_rate() -> None:
    find = rate_finder([ecb("USD", "1.25")])
    assert find("USD", "KES", FRIDAY) is None
    assert rate_finder([])("EUR", "USD", FRIDAY) is None


@pytest.mark.parametrize(
    ("amount_minor", "source", "target", "rate", "percent", "expected"),
    [
        (10_000, "EUR", "USD", "1.25", "100", 12_500),
        (10_000, "EUR", "USD", "1.25", "25", 3125),
        # Half a cent goes to the even one: 1.5 up to 2, 2.5 down to 2.
        (3, "EUR", "USD", "0.5", "100", 2),
        (5, "EUR", "USD", "0.5", "100", 2),
        (1, "USD", "USD", "1", "50", 0),
        (3, "USD", "USD", "1", "50", 2),
        # JPY has no decimals and BHD three.
        (1000, "JPY", "USD", "0.0065", "100", 650),
        (650, "USD", "JPY", "153.846153846", "100", 1000),
        (1000, "USD", "BHD", "0.377", "100", 3770),
        (0, "EUR", "USD", "1.25", "100", 0),
    ],
)
def test_an_amount_is_converted_and_rounded_half_to_even(
    amount_minor: int, source: str, target: str, rate: str, percent: str, expected: int
) -> None:
    assert convert(amount_minor, source, target, Decimal(rate), Decimal(percent)) == expected


def test_an_amount_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(OverflowError):
        convert(10**15, "BHD", "IDR", Decimal(20_000))


@given(
    st.integers(0, 10**12),
    st.decimals("0.000001", "100000", places=6),
    st.decimals("0.0001", "100", places=4),
)
@settings(deadline=None)
def test_no_rounding_but_the_last_one(amount_minor: int, rate: Decimal, percent: Decimal) -> None:
    exact = Fraction(amount_minor) * Fraction(rate) * Fraction(percent) / 100
    try:
        found = convert(amount_minor, "EUR", "USD", rate, percent)
    except OverflowError:
        assert exact > 10**15
        return
    # Fraction's own round() is half to even.
    assert found == round(exact)


@given(st.decimals("0.0001", "100000", places=4), st.decimals("0.0001", "100000", places=4))
@settings(deadline=None)
def test_a_computed_rate_has_twelve_digits(left: Decimal, right: Decimal) -> None:
    used = rate_finder([ecb("AAA", str(left)), ecb("BBB", str(right))])("AAA", "BBB", FRIDAY)
    assert used is not None
    assert len(used.rate.as_tuple().digits) <= RATE_DIGITS
    assert abs(Fraction(used.rate) / (Fraction(right) / Fraction(left)) - 1) <= Fraction(1, 10 ** (RATE_DIGITS - 1))
