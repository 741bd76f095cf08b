"""Where the rows of an answer come from, as SQL: roll-ups with what is not folded into them, or stored rows.

Names of tables and columns are those of tracking.reports; everything that a client sent is a parameter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from admin_api.reports.parameters import Parameters
from admin_api.reports.planner import Grain, Offset, Plan, ReportState, day_blocks, hour_runs, late_days, offsets
from admin_api.reports.question import Axis, Keys, Question, Selection
from admin_api.reports.values import ValueFilter
from tracking.reports import DIMENSIONS, LEVELS, DimensionKind, clicks_table, conversions_table, events_table

NOTHING = "false"
CLICK_ROWS, CONVERSION_ROWS = "report_click_rows", "report_conversion_rows"
_TYPES = {DimensionKind.TIME: "integer", DimensionKind.ID: "bigint"}
# A click may be that much older or newer than its id, by far.
_ID_SLACK = timedelta(days=1)
_ID_MS_MAX = (1 << 48) - 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table or view. `stored` rows are single clicks, the others are figures already added up.

    `day`, `hour` and `weekday` are SQL of the local time of a row, as far as it has one.
    """

    table: str
    where: str
    day: str = ""
    hour: str = ""
    weekday: str = ""
    negative: bool = False
    stored: bool = False

    def key(self, dimension: str) -> str:
        """Return the SQL of a dimension."""
        return DIMENSIONS[dimension].column or str(getattr(self, dimension))


@dataclass(frozen=True, slots=True)
class Reading:
    """What a period is read with."""

    question: Question
    plan: Plan
    state: ReportState
    selection: Selection
    parameters: Parameters
    # Whether clicks and conversions of the period may not be folded yet.
    unfolded_clicks: bool = True
    unfolded_conversions: bool = True

    def clicks(self, *, by_day: bool = False) -> list[Rows]:
        """Return the rows of clicks; with `by_day` each has its day."""
        filters = self._conditions(("event", "class") if self.plan.group else ("event",))
        if self.plan.group is None:
            bounds = ids_between(self.selection, self.parameters)
            return [self._rows(CLICK_ROWS, "clicked_at", [*bounds, *filters], stored=True)]
        found = self._rolled_up(clicks_table(self.plan.group), filters, by_day=by_day)
        if self.unfolded_clicks:
            found.append(self._rows("report_unfolded_clicks", "clicked_at", filters))
        return found

    def conversions(self, *, by_event: bool, by_day: bool = False) -> list[Rows]:
        """Return the rows of conversions; with `by_event` each has its event."""
        filters = self._conditions(("class",))
        moment = "clicked_at" if self.question.by is Axis.CLICK else "received_at"
        if self.plan.group is None:
            return [self._rows(CONVERSION_ROWS, moment, filters)]
        table = events_table(self.plan.group) if by_event else conversions_table(self.plan.group)
        axis = 0 if self.question.by is Axis.CLICK else 1
        found = self._rolled_up(table, [f"axis = {axis}", *filters], by_day=by_day)
        if self.unfolded_conversions:
            found.append(self._rows("report_unfolded_conversions", moment, filters))
        return found

    def _conditions(self, without: Sequence[str]) -> list[str]:
        kept = [each for each in self.selection.filters if each.dimension not in without]
        found = value_conditions(kept, self.parameters)
        return found if self.selection.keys is None else [*found, key_condition(self.selection.keys, self.parameters)]

    def _rows(self, table: str, moment: str, conditions: Iterable[str], *, stored: bool = False) -> Rows:
        local = LocalTime.of_moment(moment, self.selection.time_zone, self.parameters)
        times = time_conditions(self.selection, moment, local, self.parameters)
        where = " and ".join([*times, *conditions])
        return Rows(table, where, local.day, local.hour, local.weekday, stored=stored)

    def _rolled_up(self, table: str, conditions: Sequence[str], *, by_day: bool) -> list[Rows]:
        if self.plan.grain is Grain.HOURS:
            local = LocalTime.of_hour(offsets(self.selection) or [])
            hours = [f"level = 0 and {_within('block', hour_runs(self.selection))}"]
            hours += part_conditions(self.selection, "hour", local.hour, self.parameters)
            return [Rows(table, " and ".join([*hours, *conditions]), local.day, local.hour, local.weekday)]
        local = LocalTime.of_day("block")
        every_day = by_day or any(self.question.uses(name) for name in ("day", "weekday"))
        if every_day:
            days = [(False, f"level = 1 and {_within('block', self.selection.runs())}")]
        else:
            days = list(_blocks(self.selection, self.state.built_day)) or [(False, NOTHING)]
        return [
            Rows(
                table,
                " and ".join([f"({where})", *conditions]),
                local.day,
                local.hour,
                local.weekday,
                negative=negative,
            )
            for negative, where in days
        ]


@dataclass(frozen=True, slots=True)
class LocalTime:
    """SQL of the local day (a number since 1970), hour and weekday of a row."""

    day: str
    hour: str
    weekday: str

    @classmethod
    def of_day(cls, day: str) -> LocalTime:
        """Return that of rows of days. They have no hour."""
        return cls(day, "", f"(({day} + 3) %% 7 + 1)")

    @classmethod
    def of_hour(cls, changes: Sequence[Offset]) -> LocalTime:
        """Return that of rows of hours since 1970, whose column is `block`."""
        shift = str(changes[-1].hours) if changes else "0"
        for each, following in reversed(list(pairwise(changes))):
            shift = f"case when block < {following.hour} then {each.hours} else {shift} end"
        local = f"(block + {shift})"
        days = cls.of_day(f"({local} / 24)")
        return cls(days.day, f"({local} %% 24)", days.weekday)

    @classmethod
    def of_moment(cls, moment: str, time_zone: str, parameters: Parameters) -> LocalTime:
        """Return that of rows with a moment."""
        local = f"({moment} at time zone {parameters.add(time_zone, 'text')})"
        day = f"({local}::date - date '1970-01-01')"
        return cls(day, f"extract(hour from {local})::integer", f"extract(isodow from {local})::integer")


def key_type(dimension: str) -> str:
    """Return the SQL type of a dimension."""
    return _TYPES.get(DIMENSIONS[dimension].kind, "text")


def value_conditions(filters: Iterable[ValueFilter], parameters: Parameters) -> list[str]:
    """Return the conditions of filters on columns; those on parts of the time are not among them."""
    found = []
    for each in filters:
        dimension = DIMENSIONS[each.dimension]
        if dimension.kind is DimensionKind.TIME:
            continue
        values = parameters.add(list(each.values), f"{key_type(each.dimension)}[]")
        found.append(f"{dimension.column} {'<> all' if each.without else '= any'} ({values})")
    return found


def key_condition(keys: Keys, parameters: Parameters) -> str:
    """Return the condition that a row has one of some keys."""
    columns = ", ".join(DIMENSIONS[name].column for name in keys.dimensions)
    values = [
        parameters.add([key[index] for key in keys.keys], f"{key_type(name)}[]")
        for index, name in enumerate(keys.dimensions)
    ]
    if len(values) == 1:
        return f"{columns} = any ({values[0]})"
    return f"({columns}) in (select * from unnest({', '.join(values)}))"  # noqa: S608


def time_conditions(selection: Selection, moment: str, local: LocalTime, parameters: Parameters) -> list[str]:
    """Return the conditions of the days, and of filters on parts of the time, for rows with a moment."""
    runs = selection.runs()
    if not runs:
        return [NOTHING]
    begins, ends = selection.moment(runs[0][0]), selection.moment(runs[-1][1])
    found = [f"{moment} >= {parameters.add(begins)}", f"{moment} < {parameters.add(ends)}"]
    if len(runs) > 1:
        found += part_conditions(selection, "day", local.day, parameters)
        found += part_conditions(selection, "weekday", local.weekday, parameters)
    return found + part_conditions(selection, "hour", local.hour, parameters)


def part_conditions(selection: Selection, part: str, local: str, parameters: Parameters) -> list[str]:
    """Return the conditions of the filters on a part of the time."""
    return [
        f"{local} {'<> all' if each.without else '= any'} ({parameters.add(list(each.values), 'integer[]')})"
        for each in selection.filter_of(part)
    ]


def ids_between(selection: Selection, parameters: Parameters) -> list[str]:
    """Return the conditions by which PostgreSQL opens only the partitions of clicks of the days."""
    runs = selection.runs()
    if not runs:
        return [NOTHING]
    begins = selection.moment(runs[0][0]) - _ID_SLACK
    ends = selection.moment(runs[-1][1]) + _ID_SLACK
    return [
        f"click_id >= {parameters.add(id_at(begins.timestamp()), 'uuid')}",
        f"click_id < {parameters.add(id_at(ends.timestamp()), 'uuid')}",
    ]


def id_at(unix_s: float) -> str:
    """Return the smallest click id of a moment."""
    digits = f"{min(max(int(unix_s * 1000), 0), _ID_MS_MAX):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


def _blocks(selection: Selection, built_day: int) -> Iterator[tuple[bool, str]]:
    """Yield the conditions of the blocks to add, and to subtract. PERF: one scan reads all blocks of one sign."""
    signs: Counter[tuple[int, int]] = Counter()
    for level, block, sign in day_blocks(selection, built_day):
        # What one range of days adds and the next one subtracts is not read at all.
        signs[level, block] += sign
    late = list(late_days(selection, built_day))
    if any(abs(sign) > 1 for sign in signs.values()):
        yield False, f"level = 1 and {_within('block', selection.runs())}"
        return
    for sign in (1, -1):
        conditions = [
            f"(level = {level} and block in ({', '.join(str(block) for block in blocks)}))"
            for level in LEVELS
            if (blocks := [block for (of_level, block), each in signs.items() if (of_level, each) == (level, sign)])
        ]
        if late and sign == 1:
            conditions.append(f"(level = 1 and {_within('block', late)})")
        if conditions:
            yield sign < 0, " or ".join(conditions)


def _within(column: str, runs: Sequence[tuple[int, int]]) -> str:
    if not runs:
        return NOTHING
    return "(" + " or ".join(f"({column} >= {first} and {column} < {end})" for first, end in runs) + ")"
