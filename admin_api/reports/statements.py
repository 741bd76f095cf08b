"""The one statement that answers a question: figures by key, totals, the period before, the order and the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from admin_api.reports.branches import CONVERTED, added_up, branch, quoted
from admin_api.reports.columns import CLASSES, COMMISSION, COST, EVENT_PREFIX, REVENUE, STATUSES
from admin_api.reports.parameters import Parameters
from admin_api.reports.question import Question
from admin_api.reports.rates import Exchange
from admin_api.reports.sources import Reading, Rows, key_type
from tracking.money import minor_digits
from tracking.traffic import TrafficClass

PREVIOUS = "p:"
MICRO_DIGITS = 6
_VALID, _UNIQUES = TrafficClass.VALID.value, "uniques"
_MONEY = (REVENUE, COMMISSION)


@dataclass(frozen=True, slots=True)
class Statement:
    """The parts of a question's statement. `readings` are of its period, and of the one before if they are compared."""

    question: Question
    readings: Sequence[Reading]
    exchange: Exchange
    parameters: Parameters

    def text(self, *, page: bool) -> str:
        """Return the statement: kind 0 is the totals and the number of keys; kind 1 the rows of a `page`, or all."""
        question = self.question
        keys, compared = self._keys(), question.compare
        figures = question.figures
        prefixes = ("", PREVIOUS) if compared else ("",)
        shown = [(f"{prefix}{each}", each, prefix) for prefix in prefixes for each in figures]
        ctes = [
            f"exchange (of_currency, of_day, factor) as (select * from {self._exchange()})",  # noqa: S608
            f"now_rows as materialized ({self._grouped(self.readings[0])})",
        ]
        if compared:
            ctes.append(f"previous_rows as materialized ({self._grouped(self.readings[1])})")
            ctes.append(f"rows as materialized ({self._joined(keys)})")
        rows = "rows" if compared else "now_rows"
        totals = [f"{self._figure(each, prefix, added=True)} as {quoted(name)}" for name, each, prefix in shown]
        each_row = [f"{self._figure(each, prefix, added=False)} as {quoted(name)}" for name, each, prefix in shown]
        nulls = [f"null::{key_type(name)} as {key}" for key, name in zip(keys, question.group_by, strict=True)]
        kind = key_type(question.sort.name) if self._sorts_by_key() else question.column(question.sort.name).kind
        placed = f"select s.*, {self._place(keys)} as place from shown s"  # noqa: S608
        names = [*keys, *(quoted(name) for name, _, _ in shown), "place"]
        order = self._order(keys)
        limit = f" limit {question.limit + 1}" if page else ""
        return (
            f"with {', '.join(ctes)}, shown as (select {', '.join([*keys, *each_row])} from {rows})"  # noqa: S608
            f" select * from (select 0 as kind, count(*) as keys, {', '.join([*nulls, *totals])}, null::{kind} as place"
            f" from {rows} union all select * from (select 1, null::bigint, {', '.join(names)} from ({placed}) placed"
            f" where {self._after(keys)} order by {order}{limit}) page) answer"
            f" order by kind, {order}"
        )

    def missing(self) -> str:
        """Return the statement of the currencies and days that have amounts but no rate."""
        parts = [part for reading in self.readings for part in self._unconverted(reading)]
        return (
            f"with exchange (of_currency, of_day, factor) as (select * from {self._exchange()})"  # noqa: S608
            f" select distinct of_currency, of_day from ({' union all '.join(parts)}) amounts (of_currency, of_day)"
            " where not exists"
            " (select from exchange e where (e.of_currency, e.of_day) = (amounts.of_currency, amounts.of_day))"
            " order by 1, 2"
        )

    def _keys(self) -> list[str]:
        return [f"k{index}" for index in range(len(self.question.group_by))]

    def _sorts_by_key(self) -> bool:
        return self.question.sort.name in self.question.group_by

    def _exchange(self) -> str:
        add, rates = self.parameters.add, self.exchange.rates
        return (
            f"unnest({add([each.currency for each in rates], 'text[]')},"
            f" {add([each.day for each in rates], 'integer[]')}, {add([each.factor for each in rates], 'numeric[]')})"
        )

    def _grouped(self, reading: Reading) -> str:
        """Return the query of the raw figures by key."""
        by_class = "class" in self.question.group_by and reading.plan.group is not None
        dimensions = [name for name in self.question.group_by if not (by_class and name == "class")]
        raw = self._raw()
        branches = list(self._branches(reading, dimensions, raw))
        keys = [f"d{index}" for index in range(len(dimensions))]
        sums = [f"{added_up(name)} as {quoted(name)}" for name in raw]
        some = " or ".join(f"{added_up(name)} <> 0" for name in raw)
        grouping = f" group by {', '.join(keys)} having {some}" if keys else ""
        added = (
            f"select {', '.join([*keys, *sums])} from ({' union all '.join(branches)})"  # noqa: S608
            f" as b ({', '.join([*keys, *map(quoted, raw)])}){grouping}"
        )
        shifted = self.question.selection.days if reading is not self.readings[0] else 0
        named = self._named(dimensions, shifted)
        if by_class:
            return self._by_class(added, named, raw)
        return f"select {', '.join([*named, *map(quoted, raw)])} from ({added}) g"  # noqa: S608

    def _named(self, dimensions: Sequence[str], shifted: int) -> list[str]:
        """Return the keys under the names of the answer. Days of the period before stand beside those they precede."""
        named = []
        for index, name in enumerate(self.question.group_by):
            if name in dimensions:
                at = f"d{dimensions.index(name)}"
                named.append(f"{at}{f' + {shifted}' if shifted and name == 'day' else ''} as k{index}")
            else:
                named.append(f"c.class as k{index}")
        return named

    def _by_class(self, added: str, named: Sequence[str], raw: Sequence[str]) -> str:
        """Return the query with a row for each class, made of the columns of roll-ups."""
        classes = [each for each in CLASSES if each in raw]
        if _UNIQUES in raw and _VALID not in classes:
            classes.append(_VALID)
        uniques = f"g.{_UNIQUES}" if _UNIQUES in raw else "0::bigint"
        values = ", ".join(
            f"('{each}', {f'g.{quoted(each)}' if each in raw else '0::bigint'}, {uniques if each == _VALID else '0'})"
            for each in classes
        )
        figures = [
            f"c.{_UNIQUES}" if name == _UNIQUES else f"case when c.class = '{name}' then c.requests else 0 end"
            for name in raw
        ]
        listed = ", ".join(f"{figure} as {quoted(name)}" for figure, name in zip(figures, raw, strict=True))
        return (
            f"select {', '.join(named)}, {listed} from ({added}) g"  # noqa: S608
            f" cross join lateral (values {values}) c (class, requests, {_UNIQUES})"
            " where c.requests <> 0 or c.uniques <> 0"
        )

    def _raw(self) -> list[str]:
        """Return the figures as they are added up: amounts by themselves and, if there are any, those to convert."""
        asked = list(self.question.figures)
        own_cost = self.question.cost_currency == self.question.currency
        raw = [each for each in asked if each != COST or own_cost]
        if self.exchange.currencies:
            raw += [f"{CONVERTED}{each}" for each in asked if each in _MONEY]
        if COST in asked and not own_cost:
            raw.append(f"{CONVERTED}{COST}")
        return raw

    def _branches(self, reading: Reading, dimensions: Sequence[str], raw: Sequence[str]) -> Iterable[str]:
        clicks = [name for name in raw if name in CLASSES or name in (_UNIQUES, COST)]
        conversions = [name for name in raw if name in (*STATUSES, *_MONEY) or name.startswith(EVENT_PREFIX)]
        by_event = self.question.uses("event") or any(name.startswith(EVENT_PREFIX) for name in conversions)
        if clicks:
            for rows in reading.clicks():
                yield branch(rows, dimensions, raw, {each: self._of_clicks(each, rows) for each in clicks})
        if conversions:
            for rows in reading.conversions(by_event=by_event):
                yield branch(rows, dimensions, raw, {each: self._of_conversions(each) for each in conversions})
        yield from self._converted(reading, dimensions, raw, by_event=by_event)

    def _converted(
        self, reading: Reading, dimensions: Sequence[str], raw: Sequence[str], *, by_event: bool
    ) -> Iterable[str]:
        """Yield the queries of amounts in other currencies, each converted by the rate of its day."""
        money = [each for each in _MONEY if f"{CONVERTED}{each}" in raw]
        if money:
            # PERF: most rows have one of the amounts alone; products with 0 took half of the time of wide groups.
            figures = {
                f"{CONVERTED}{each}": f"sum({each}_minor * factor) filter (where {each}_minor <> 0)" for each in money
            }
            some = f"({' or '.join(f'{each}_minor <> 0' for each in money)})"
            # Said once more, since an index finds the days of a currency.
            some += f" and currency = any ({self.parameters.add(list(self.exchange.currencies), 'text[]')})"
            for rows in reading.conversions(by_event=by_event, by_day=True):
                join = f"join exchange on of_currency = currency and of_day = {rows.day} and {some}"
                yield branch(rows, dimensions, raw, figures, join)
        if f"{CONVERTED}{COST}" in raw:
            shift = Decimal(1).scaleb(minor_digits(self.question.cost_currency) - MICRO_DIGITS)
            figures = {f"{CONVERTED}{COST}": f"sum(cost_micro * factor) * {self.parameters.add(shift, 'numeric')}"}
            currency = self.parameters.add(self.question.cost_currency, "text")
            for rows in reading.clicks(by_day=True):
                yield branch(
                    rows, dimensions, raw, figures, f"join exchange on of_currency = {currency} and of_day = {rows.day}"
                )

    def _unconverted(self, reading: Reading) -> Iterable[str]:
        raw = self._raw()
        if any(f"{CONVERTED}{each}" in raw for each in _MONEY):
            currencies = self.parameters.add(list(self.exchange.currencies), "text[]")
            for rows in reading.conversions(by_event=self.question.uses("event"), by_day=True):
                yield (
                    f"select currency, {rows.day} from {rows.table} where {rows.where}"  # noqa: S608
                    f" and currency = any ({currencies}) and (revenue_minor <> 0 or commission_minor <> 0)"
                )
        if f"{CONVERTED}{COST}" in raw:
            currency = self.parameters.add(self.question.cost_currency, "text")
            for rows in reading.clicks(by_day=True):
                yield f"select {currency}, {rows.day} from {rows.table} where {rows.where} and cost_micro <> 0"  # noqa: S608

    def _of_clicks(self, figure: str, rows: Rows) -> str:
        if rows.stored:
            counted = {COST: "report_sum(cost_micro)", _UNIQUES: "count(*) filter (where is_unique)"}
            return counted.get(figure) or f"count(*) filter (where class = '{figure}')"
        class_of = {COST: None, _UNIQUES: _VALID}.get(figure, figure)
        if class_of and not all(each.has(class_of) for each in self.question.selection.filter_of("class")):
            return "0::bigint"
        return f"report_sum({'cost_micro' if figure == COST else figure})"

    def _of_conversions(self, figure: str) -> str:
        if figure in _MONEY:
            currency = self.parameters.add(self.question.currency, "text")
            return f"report_sum({figure}_minor) filter (where currency = {currency})"
        if figure.startswith(EVENT_PREFIX):
            event = self.parameters.add(figure.removeprefix(EVENT_PREFIX), "text")
            return f"report_sum((pending + approved)::bigint) filter (where event = {event})"
        return f"report_sum({figure}::bigint)"

    def _figure(self, figure: str, prefix: str, *, added: bool) -> str:
        """Return a figure in minor units, of one row or `added` up over all of them."""

        def of(name: str) -> str:
            return f"sum({quoted(prefix + name)})" if added else quoted(prefix + name)

        exact = f"report_sum({quoted(prefix + figure)})" if added else quoted(prefix + figure)
        if figure == COST:
            if self.question.cost_currency != self.question.currency:
                return f"round(coalesce({of(CONVERTED + COST)}, 0))::bigint"
            unit = 10 ** (MICRO_DIGITS - minor_digits(self.question.currency))
            return f"(({exact} + {unit // 2}) / {unit})"
        if figure in _MONEY and self.exchange.currencies:
            return f"({exact} + round(coalesce({of(CONVERTED + figure)}, 0))::bigint)"
        return exact

    def _joined(self, keys: Sequence[str]) -> str:
        raw = self._raw()
        named = [f"coalesce(n.{key}, o.{key}) as {key}" for key in keys]
        figures = [f"coalesce(n.{quoted(name)}, 0) as {quoted(name)}" for name in raw]
        before = [f"coalesce(o.{quoted(name)}, 0) as {quoted(PREVIOUS + name)}" for name in raw]
        same = " and ".join(f"n.{key} = o.{key}" for key in keys)
        join = f"full join previous_rows o on {same}" if keys else "cross join previous_rows o"
        return f"select {', '.join([*named, *figures, *before])} from now_rows n {join}"  # noqa: S608

    def _place(self, keys: Sequence[str]) -> str:
        name = self.question.sort.name
        if self._sorts_by_key():
            return f"s.{keys[self.question.group_by.index(name)]}"
        column = self.question.column(name)
        return f"({column.order})::{column.kind}"

    def _order(self, keys: Sequence[str]) -> str:
        place = "place" + (' collate "C"' if self._sorts_by_key() and self._is_text(self.question.sort.name) else "")
        named = [self._collated(key, name) for key, name in zip(keys, self.question.group_by, strict=True)]
        return ", ".join([f"{place}{' desc' if self.question.sort.descending else ''} nulls last", *named])

    def _after(self, keys: Sequence[str]) -> str:
        place = self.question.after
        if place is None or not keys:
            return "true"
        add, names = self.parameters.add, self.question.group_by
        at = ", ".join(self._collated(key, name) for key, name in zip(keys, names, strict=True))
        given = ", ".join(add(part, key_type(name)) for part, name in zip(place.key, names, strict=True))
        behind = f"({at}) > ({given})"
        if place.value is None:
            return f"place is null and {behind}"
        name = self.question.sort.name
        kind = key_type(name) if self._sorts_by_key() else self.question.column(name).kind
        value = add(place.value, kind)
        collated = ' collate "C"' if kind == "text" else ""
        further = "<" if self.question.sort.descending else ">"
        return f"(place{collated} {further} {value} or place is null or (place = {value} and {behind}))"

    def _collated(self, key: str, dimension: str) -> str:
        # The order of bytes is the same whatever the collation of the database is, and is quick.
        return f'{key} collate "C"' if self._is_text(dimension) else key

    def _is_text(self, dimension: str) -> bool:
        return key_type(dimension) == "text"
