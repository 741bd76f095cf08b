"""Exchange rates: which one counts on a day, and how an amount is converted by it. Pure; rounds once, half to even.

A rate is dated and counts for some days after its date, since central banks publish none on weekends and holidays.
Where nothing counts there is no rate: none is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from enum import StrEnum

from tracking.money.currencies import AMOUNT_MINOR_MAX, minor_digits

PIVOT_CURRENCY = "EUR"
# Digits of a rate that was computed (turned round, or across the euro) and is kept with the amounts it made.
RATE_DIGITS = 12
# Enough for the largest amount, a kept rate and a percentage without any rounding between.
_PRECISION = 60


class RateOrigin(StrEnum):
    """Who says so: the European Central Bank, or the operator, whose rates come first."""

    ECB = "ecb"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is `rate` units of `quote`, from `rate_date` on for `valid_days` more days."""

    origin: RateOrigin
    base: str
    quote: str
    rate_date: date
    rate: Decimal
    valid_days: int = 7

    def is_valid_on(self, day: date) -> bool:
        """Whether it may be used on a day."""
        return 0 <= (day - self.rate_date).days <= self.valid_days


@dataclass(frozen=True, slots=True)
class AppliedRate:
    """The rate an amount is converted by, with the date it is of; of two dates, the older."""

    rate: Decimal
    rate_date: date


RatesByPair = Mapping[tuple[str, str], Sequence[Rate]]
# Finds the rate from one currency to another that counts on a day.
RateLookup = Callable[[str, str, date], AppliedRate | None]


def rate_finder(rates: Iterable[Rate]) -> RateLookup:
    """Return how to look rates up among those given."""
    by_pair: dict[tuple[str, str], list[Rate]] = {}
    for rate in rates:
        by_pair.setdefault((rate.base, rate.quote), []).append(rate)

    def find(source: str, target: str, day: date) -> AppliedRate | None:
        return find_rate(by_pair, source, target, day)

    return find


def find_rate(by_pair: RatesByPair, source: str, target: str, day: date) -> AppliedRate | None:
    """Return the rate that counts: the operator's for the two currencies either way round, else across the euro.

    Each leg across the euro is the operator's too where there is one, else the European Central Bank's.
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

    Raises OverflowError where the result is larger than any amount that is kept.
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
    """Return the newest rate of two currencies that counts on a day, of the first origin that has one."""
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
            # Of the same date the one as written comes before the one turned round, as it was found first.
            return max(found, key=lambda used: used.rate_date)
    return None


def _quotient(dividend: Decimal | int, divisor: Decimal) -> Decimal:
    with localcontext(prec=RATE_DIGITS):
        return Decimal(dividend) / divisor
