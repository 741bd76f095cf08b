"""The columns of reports: which figures each is made of, how it is sorted, and what it shows.

Figures are whole numbers that add up: counts, and amounts in minor units of the question's currency. SQL adds them up
and sorts; the values that are shown are computed here, from the figures of a row or of the totals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType

from tracking.money import format_amount, minor_digits
from tracking.traffic import TrafficClass

Figures = Mapping[str, int]
Shown = int | float | str | None
EVENT_PREFIX = "event:"
# Decimals of an amount per click beyond those of the currency, and of percentages.
EPC_DIGITS = 4
PERCENT_DIGITS = 4
CLASSES = tuple(each.value for each in TrafficClass)
STATUSES = ("pending", "approved", "rejected", "reversed")
REVENUE, COMMISSION, COST = "revenue", "commission", "cost"


class Side(StrEnum):
    """What a column is counted from. What is counted from both has neither a class nor an event."""

    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    BOTH = "both"


class Money(StrEnum):
    """Who sees a column: everybody, whoever sees money, or whoever sees money and is no partner."""

    NONE = "none"
    OWN = "own"
    HOUSE = "house"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `order` is the SQL of its value in terms of figures, null where it has none; `kind` is its type."""

    name: str
    figures: tuple[str, ...]
    side: Side
    order: str
    shows: Callable[[Figures, str], Shown]
    meaning: str
    money: Money = Money.NONE
    kind: str = "bigint"


def _sum_of(names: Iterable[str]) -> str:
    return "(" + " + ".join(names) + ")"


def _count(name: str, figures: tuple[str, ...], side: Side, meaning: str) -> Column:
    return Column(name, figures, side, _sum_of(figures), lambda at, _: sum(at[each] for each in figures), meaning)


def _amount(name: str, figures: tuple[str, ...], side: Side, meaning: str, money: Money) -> Column:
    first, *less = figures

    def shows(at: Figures, currency: str) -> str:
        return format_amount(at[first] - sum(at[each] for each in less), currency)

    return Column(name, figures, side, "(" + " - ".join(figures) + ")", shows, meaning, money)


def _percent(dividend: int, divisor: int) -> float | None:
    return round(100 * dividend / divisor, PERCENT_DIGITS) if divisor else None


def _ratio(dividend: str, divisor: str) -> str:
    # Numbers of this kind come back from a cursor exactly as they were.
    return f"({dividend})::float8 / nullif({divisor}, 0)"


def _epc(amount: str, money: Money, meaning: str) -> Column:
    def shows(at: Figures, currency: str) -> str | None:
        if not at["valid"]:
            return None
        digits = minor_digits(currency) + EPC_DIGITS
        exact = Decimal(at[amount]).scaleb(-minor_digits(currency)) / at["valid"]
        return str(exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))

    return Column(
        "epc", ("valid", amount), Side.BOTH, _ratio(amount, "valid"), shows, meaning, money, "double precision"
    )


def _declared() -> Iterable[Column]:
    yield _count("requests", CLASSES, Side.CLICKS, "All stored requests, of every class. The same as gross.")
    yield _count("gross", CLASSES, Side.CLICKS, "All stored requests: net and those of the other classes.")
    yield _count("net", ("valid",), Side.CLICKS, "Valid clicks.")
    yield _count("uniques", ("uniques",), Side.CLICKS, "Valid clicks whose visitor was new to the link in the window.")
    for each in CLASSES:
        yield _count(each, (each,), Side.CLICKS, f"Requests of class {each}.")
    yield _count("conversions", ("pending", "approved"), Side.CONVERSIONS, "Conversions that are pending or approved.")
    for each in STATUSES:
        yield _count(each, (each,), Side.CONVERSIONS, f"Conversions that are {each} now.")
    won = ("pending", "approved")
    yield Column(
        "cr",
        ("valid", *won),
        Side.BOTH,
        _ratio("pending + approved", "valid") + " * 100",
        lambda at, _: _percent(at["pending"] + at["approved"], at["valid"]),
        "Conversions per hundred net clicks, in percent. Null without net clicks.",
        kind="double precision",
    )
    yield _epc(REVENUE, Money.HOUSE, "Revenue per net click; for a partner, its commission per net click.")
    yield _amount(
        REVENUE, (REVENUE,), Side.CONVERSIONS, "What merchants owe: the sum of the merchants' entries.", Money.HOUSE
    )
    yield _amount(
        COMMISSION, (COMMISSION,), Side.CONVERSIONS, "What sources earn: their entries but payouts.", Money.OWN
    )
    yield _amount(
        COST, (COST,), Side.CLICKS, "What the requests cost, as their links stated; head and prefetch cost nothing.",
        Money.HOUSE,
    )  # fmt: skip
    spent = (REVENUE, COMMISSION, COST)
    yield _amount("profit", spent, Side.BOTH, "Revenue less commission less cost.", Money.HOUSE)
    yield Column(
        "roi",
        spent,
        Side.BOTH,
        _ratio(f"{REVENUE} - {COMMISSION} - {COST}", f"{COMMISSION} + {COST}") + " * 100",
        lambda at, _: _percent(at[REVENUE] - at[COMMISSION] - at[COST], at[COMMISSION] + at[COST]),
        "Profit per hundred of what was spent (commission and cost), in percent. Null if nothing was spent.",
        Money.HOUSE,
        "double precision",
    )


COLUMNS: Mapping[str, Column] = MappingProxyType({column.name: column for column in _declared()})
_EPC_OF_PARTNER = _epc(COMMISSION, Money.OWN, COLUMNS["epc"].meaning)
USUAL = (
    *("gross", "net", "uniques", "conversions", "cr", "epc"),
    *(REVENUE, COMMISSION, COST, "profit", "roi"),
)


def event_figure(event: str) -> str:
    """Return the figure of a column `event:<event>`."""
    return f"{EVENT_PREFIX}{event}"


def column_of(name: str, *, of_partner: bool) -> Column:
    """Return a column by its name, which must be one that exists. That of an event has its figure by its own name."""
    if name.startswith(EVENT_PREFIX):
        event = name.removeprefix(EVENT_PREFIX)
        figure = event_figure(event)
        # The name of the figure is quoted where it is SQL; the names of events have no quotes.
        return Column(
            name,
            (figure,),
            Side.CONVERSIONS,
            f'"{figure}"',
            lambda at, _: at[figure],
            f"Conversions of event {event} that are pending or approved.",
        )
    return _EPC_OF_PARTNER if of_partner and name == "epc" else COLUMNS[name]


def may_see(column: Column, *, sees_money: bool, of_partner: bool) -> bool:
    """Whether a viewer may see a column."""
    return column.money is Money.NONE or (sees_money and (column.money is Money.OWN or not of_partner))
