"""The exchange rates of a question: of each day and currency the one that bookkeeping would apply."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from admin_api.reports.planner import periods
from admin_api.reports.question import Question
from admin_api.runtime import Database
from tracking.money import PIVOT_CURRENCY, Rate, RateOrigin, minor_digits, rate_finder
from tracking.reports import day_of, number_of_day

_LOAD = """
    select origin, base, quote, rate_date, rate, valid_days from exchange_rates
    where base = any(%(currencies)s) and quote = any(%(currencies)s)
        and rate_date <= %(last)s and rate_date + valid_days >= %(first)s
"""


class DayRate(NamedTuple):
    """By what minor units of a currency are multiplied on a day to be minor units of the question's."""

    currency: str
    day: int
    factor: Decimal


class Exchange(NamedTuple):
    """The rates of a question. `currencies` are those of amounts to convert; `complete`: no day lacks a rate."""

    currencies: tuple[str, ...] = ()
    rates: tuple[DayRate, ...] = ()
    complete: bool = True


def load_exchange(database: Database, question: Question, currencies: Collection[str], *, costs: bool) -> Exchange:
    """Return the rates of all days from `currencies`, and with `costs` from that of costs, to the question's."""
    foreign = tuple(sorted(set(currencies) - {question.currency, ""}))
    wanted = set(foreign)
    if costs and question.cost_currency != question.currency:
        wanted.add(question.cost_currency)
    days = _days(question)
    if not wanted or not days:
        return Exchange(foreign)
    known = [question.currency, PIVOT_CURRENCY, *wanted]
    span = {"currencies": known, "first": day_of(days[0]), "last": day_of(days[-1])}
    rows = database.execute(_LOAD, span, prepare=False).fetchall()
    by_day = _by_day((Rate(**row | {"origin": RateOrigin(row["origin"])}) for row in rows), days)
    found = []
    for day in days:
        find = rate_finder(by_day.get(day, ()))
        for currency in sorted(wanted):
            applied = find(currency, question.currency, day_of(day))
            if applied is not None:
                shift = minor_digits(question.currency) - minor_digits(currency)
                found.append(DayRate(currency, day, applied.rate.scaleb(shift)))
    return Exchange(foreign, tuple(found), complete=len(found) == len(days) * len(wanted))


def _days(question: Question) -> list[int]:
    return sorted({day for period in periods(question) for first, end in period.runs() for day in range(first, end)})


def _by_day(rates: Iterable[Rate], days: list[int]) -> dict[int, list[Rate]]:
    """Return the rates that are valid on each day."""
    asked = set(days)
    found: dict[int, list[Rate]] = {}
    for rate in rates:
        first = number_of_day(rate.rate_date)
        for day in range(first, first + rate.valid_days + 1):
            if day in asked:
                found.setdefault(day, []).append(rate)
    return found
