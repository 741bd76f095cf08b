"""What a plan needs to know, in the snapshot of its answer: how far roll-ups are kept, and which currencies occur."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from admin_api.reports.columns import COMMISSION, REVENUE
from admin_api.reports.parameters import Parameters
from admin_api.reports.planner import ReportState, periods
from admin_api.reports.question import Axis, Question, Selection
from admin_api.reports.sources import id_at
from admin_api.runtime import Database
from tracking.reports import number_of_day

_ID_SLACK = timedelta(days=1)
# Clicks of these days were kept once, and the single rows are gone.
_DROPPED = """
    select (min(begins_at) at time zone 'UTC')::date as kept_from from partitions_of('clicks')
    where begins_at > '-infinity' having min(begins_at) > %(begins)s
        and exists (select from {table} where level = 1 and block >= %(first)s
            and block < (min(begins_at) at time zone 'UTC')::date - date '1970-01-01')
"""


class Snapshot(NamedTuple):
    """The state of roll-ups, the currencies of amounts in the periods, and what of each may not be folded yet."""

    state: ReportState
    currencies: tuple[str, ...]
    unfolded_clicks: tuple[bool, ...]
    unfolded_conversions: bool


def load_snapshot(database: Database, question: Question) -> Snapshot:
    """Return the snapshot of the caller's transaction."""
    parameters = Parameters()
    asked = periods(question)
    clicks = [_unfolded_clicks(each, parameters) for each in asked]
    first = min(number_of_day(each.first_day) for each in asked)
    last = number_of_day(question.selection.last_day)
    currencies = "'{}'::text[]"
    if any(figure in (REVENUE, COMMISSION) for figure in question.figures):
        # The days of roll-ups may be those of another zone.
        currencies = _currencies(question, first - 1, last + 1, parameters)
    row = database.execute(
        "select time_zone, built_day, hours_from,"  # noqa: S608
        " (select coalesce(json_agg(json_build_array(grp, day)), '[]') from report_gaps"
        f" where day between {parameters.add(first)} and {parameters.add(last)}) as gaps,"
        f" exists (select from report_conversion_queue) as conversions, array[{', '.join(clicks)}] as clicks,"
        f" {currencies} as currencies from report_state",
        parameters.values,
        prepare=False,
    ).fetchone()
    assert row is not None
    gaps = frozenset((group, day) for group, day in row["gaps"])
    state = ReportState(row["time_zone"], row["built_day"], row["hours_from"], gaps)
    return Snapshot(state, tuple(row["currencies"] or ()), tuple(row["clicks"]), row["conversions"])


def kept_from(database: Database, question: Question) -> str | None:
    """Return the day that single clicks are kept from, if some of the question's are gone; None if all are there."""
    begins = min(each.moment(number_of_day(each.first_day)) for each in periods(question))
    values = {"begins": begins, "first": min(number_of_day(each.first_day) for each in periods(question))}
    row = database.execute(_DROPPED.format(table=_narrow("clicks", question)), values, prepare=False).fetchone()
    return None if row is None else row["kept_from"].isoformat()


def _unfolded_clicks(selection: Selection, parameters: Parameters) -> str:
    """Return the condition that clicks of a period may not be folded yet: ids hold their moments."""
    runs = selection.runs()
    if not runs:
        return "false"
    begins, ends = selection.moment(runs[0][0]), selection.moment(runs[-1][1])
    low = parameters.add(id_at((begins - _ID_SLACK).timestamp()), "uuid")
    high = parameters.add(id_at((ends + _ID_SLACK).timestamp()), "uuid")
    return (
        f"(exists (select from report_queue where low < {high} and high >= {low}) or exists (select from"  # noqa: S608
        f" report_click_changes where clicked_at >= {parameters.add(begins)} and clicked_at < {parameters.add(ends)}))"
    )


def _currencies(question: Question, first: int, last: int, parameters: Parameters) -> str:
    axis = 0 if question.by is Axis.CLICK else 1
    days = f"level = 1 and block between {parameters.add(first)} and {parameters.add(last)} and axis = {axis}"
    return (
        "(select array_agg(currency) from ("  # noqa: S608
        f"select currency from {_narrow('conversions', question)} where {days}"
        " union select currency from conversions where conversion_id in"
        " (select conversion_id from report_conversion_queue) and currency is not null"
        " union select currency from entries where conversion_id in"
        " (select conversion_id from report_conversion_queue)) known)"
    )


def _narrow(facts: str, question: Question) -> str:
    """Return the smallest roll-up that the viewer sees."""
    return f"report_{facts}_{'source' if question.viewer.of_partner else 'total'}"
