"""The answers that questions to reports must have, counted from the rows one by one in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from admin_api.reports import Axis, Question, Selection
from report_recount import Connection, click_facts, click_measures, conversion_facts
from tracking.money import Rate, RateOrigin, minor_digits, rate_finder
from tracking.reports import CLICK_MEASURES, DIMENSIONS, DimensionKind, day_of, number_of_day

Key = tuple[int | str, ...]
Sums = dict[str, Decimal]


@dataclass
class World:
    """All rows, and the rates. `clicks` and `conversions` have the columns of their tables."""

    clicks: list[dict[str, Any]]
    conversions: list[dict[str, Any]]
    rates: list[Rate]
    missing: set[tuple[str, date]] = field(default_factory=set)

    def answer(self, question: Question, selection: Selection | None = None) -> dict[Key, dict[str, int]]:
        """Return the figures of each key that has any. `missing` gets the rates that were missed."""
        chosen = selection or question.selection
        found: dict[Key, Sums] = defaultdict(lambda: defaultdict(Decimal))
        for key, name, amount in self._amounts(question, chosen):
            if name in question.figures:
                found[key][name] += amount
        kept = {key: sums for key, sums in found.items() if any(sums.values())}
        if not question.group_by:
            kept = {(): found[()]}
        return {key: {name: _rounded(sums[name]) for name in question.figures} for key, sums in kept.items()}

    def totals(self, question: Question, selection: Selection | None = None) -> dict[str, int]:
        """Return the figures of all rows together, each rounded once."""
        chosen = selection or question.selection
        sums: Sums = defaultdict(Decimal)
        for _, name, amount in self._amounts(question, chosen):
            sums[name] += amount
        return {name: _rounded(sums[name]) for name in question.figures}

    def _amounts(self, question: Question, selection: Selection) -> Iterator[tuple[Key, str, Decimal]]:
        for click in self.clicks:
            values = _values(click, click["clicked_at"], selection) | {"class": click["class"]}
            if _passes(selection, values, "event"):
                measures = dict(zip(CLICK_MEASURES, click_measures(click), strict=True))
                cost = Decimal(measures.pop("cost_micro")).scaleb(-6 + minor_digits(question.cost_currency))
                key = tuple(values.get(name, "") for name in question.group_by)
                for name, amount in measures.items():
                    yield key, name, Decimal(amount)
                if cost and "cost" in question.figures:
                    yield key, "cost", self._converted(cost, question.cost_currency, question, values["day"])
        for facts in self.conversions:
            moment = facts["clicked_at" if question.by is Axis.CLICK else "received_at"]
            values = _values(facts, moment, selection) | {"event": facts["event"]}
            if not _passes(selection, values, "class"):
                continue
            key = tuple(values.get(name, "") for name in question.group_by)
            for name in ("pending", "approved", "rejected", "reversed"):
                yield key, name, Decimal(facts[name])
            yield key, f"event:{facts['event']}", Decimal(facts["pending"] + facts["approved"])
            for name in ("revenue", "commission"):
                amount = Decimal(facts[f"{name}_minor"])
                if amount and any(figure in question.figures for figure in ("revenue", "commission")):
                    yield key, name, self._converted(amount, facts["currency"], question, values["day"])

    def _converted(self, amount: Decimal, currency: str, question: Question, day: int | str) -> Decimal:
        found = rate_finder(self.rates)(currency, question.currency, day_of(int(day)))
        if found is None:
            self.missing.add((currency, day_of(int(day))))
            return Decimal(0)
        return (amount * found.rate).scaleb(minor_digits(question.currency) - minor_digits(currency))


def read_world(connection: Connection) -> World:
    """Return everything that is stored."""
    clicks = list(click_facts(connection))
    rates = connection.execute("select origin, base, quote, rate_date, rate, valid_days from exchange_rates").fetchall()
    return World(
        clicks,
        list(conversion_facts(connection, {click["click_id"]: click for click in clicks})),
        [Rate(RateOrigin(origin), *rest) for origin, *rest in rates],
    )


def _values(row: Mapping[str, Any], moment: datetime, selection: Selection) -> dict[str, int | str]:
    """Return the value of every dimension that a row has."""
    local = moment.astimezone(ZoneInfo(selection.time_zone))
    found: dict[str, int | str] = {
        "day": number_of_day(local.date()),
        "hour": local.hour,
        "weekday": local.isoweekday(),
    }
    for name, dimension in DIMENSIONS.items():
        value = row.get(dimension.column)
        if dimension.kind is DimensionKind.ID:
            found[name] = value or 0
        elif dimension.kind is DimensionKind.TEXT:
            found[name] = (value or "")[: dimension.characters_max]
    return found


def _passes(selection: Selection, values: Mapping[str, int | str], without: str) -> bool:
    first, last = number_of_day(selection.first_day), number_of_day(selection.last_day)
    return first <= int(values["day"]) <= last and all(
        each.has(values[each.dimension]) for each in selection.filters if each.dimension != without
    )


def _rounded(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_HALF_UP))
