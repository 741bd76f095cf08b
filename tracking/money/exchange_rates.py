"""Finds the exchange rate of a day and converts amounts by it, rounding once, half to even. Pure.

A rate is valid on its date and for some days after it, since central banks publish none on weekends and holidays. If no
rate is valid on a day, there is none; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from tracking.money.currencies import AMOUNT_MINOR_MAX, minor_digits

PIVOT_CURRENCY = "EUR"
# The digits of a rate that is computed from others. It is stored with the amounts that are converted by it.
RATE_DIGITS = 12
# Enough digits to multiply the largest amount, a rate and a percentage without rounding.
_PRECISION = 60


class RateOrigin(StrEnum):
    """Where a rate comes from: the European Central Bank, or the operator, whose rates take precedence."""

    ECB = "ecb"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is `rate` units of `quote`. It is valid on `rate_date` and `valid_days` days longer."""

    origin: RateOrigin
    base: str
    quote: str
    rate_date: date
    rate: Decimal
    valid_days: int = 7

    def is_valid_on(self, day: date) -> bool:
        """Whether it is valid on a day."""
        return 0 <= (day - self.rate_date).days <= self.valid_days


@dataclass(frozen=True, slots=True)
class AppliedRate:
    """The rate by which an amount is converted, and its date; the older date if it is computed from two rates."""

    rate: Decimal
    rate_date: date


RatesByPair = Mapping[tuple[str, str], Sequence[Rate]]
# Finds the rate from one currency to another on a day, None if there is none.
RateLookup = Callable[[str, str, date], AppliedRate | None]


def rate_finder(rates: Iterable[Rate]) -> RateLookup:
    """Return a function that finds rates among those given."""
    by_pair: dict[tuple[str, str], list[Rate]] = {}
    for rate in rates:
        by_pair.setdefault((rate.base, rate.quote), []).append(rate)

    def find(source: str, target: str, day: date) -> AppliedRate | None:
        return find_rate(by_pair, source, target, day)

    return find


def find_rate(by_pair: RatesByPair, source: str, target: str, day: date) -> AppliedRate | None:
    """Return the rate of a day: the operator's for the two currencies, in either direction, else one across the euro.

    Across the euro, each of the two rates is the operator's if there is one, else the European Central Bank's.
    """
    if source == target:
        return AppliedRate(Decimal(1), day)
    direct = _leg(by_pair, source, target, day, (RateOrigin.OPERATOR,))
    if direct is not None:
        return direct
    away = _leg(by_pair, PIVOT_CURRENCY, source, day, (RateOrigin.OPERATOR, RateOrigin.ECB))
    back = _leg(by_pair, PIVOT_CURRENCY, target, day, (RateOrigin.OPERATOR, RateOrigin.ECB))
    if away is None or back is None:
        return None
    return AppliedRate(_quotient(back.rate, away.rate), min(away.rate_date, back.rate_date))


def convert(amount_minor: int, source: str, target: str, rate: Decimal, percent: Decimal = Decimal(100)) -> int:
    """Return `percent` of an amount in minor units of another currency, rounded half to even.

    Raises OverflowError if the result is larger than any amount that Waypost keeps.
    """
    with localcontext(prec=_PRECISION):
        shift = minor_digits(target) - minor_digits(source)
        exact = (Decimal(amount_minor) * rate * percent / 100).scaleb(shift)
        rounded = exact.to_integral_value(ROUND_HALF_EVEN)
    if abs(rounded) > AMOUNT_MINOR_MAX:
        raise OverflowError("the converted amount is larger than any that is kept")
    return int(rounded)


def _leg(
    by_pair: RatesByPair, source: str, target: str, day: date, origins: Sequence[RateOrigin]
) -> AppliedRate | None:
    """Return the newest rate of two currencies that is valid on a day, from the first origin that has one."""
    if source == target:
        return AppliedRate(Decimal(1), day)
    for origin in origins:
        found = [
            AppliedRate(
                each.rate if (each.base, each.quote) == (source, target) else _quotient(1, each.rate), each.rate_date
            )
            for pair in ((source, target), (target, source))
            for each in by_pair.get(pair, ())
            if each.origin is origin and each.is_valid_on(day)
        ]
        if found:
            # Of two rates of the same date, the one in this direction was found first, and max() returns the first.
            return max(found, key=lambda used: used.rate_date)
    return None


def _quotient(dividend: Decimal | int, divisor: Decimal) -> Decimal:
    with localcontext(prec=RATE_DIGITS):
        return Decimal(dividend) / divisor
