"""From a row of a report to the clicks and conversions that it counts: paths, and the conditions of their lists."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from admin_api.reports.parameters import Parameters
from admin_api.reports.question import Axis, Question, Selection
from admin_api.reports.sources import LocalTime, ids_between, time_conditions, value_conditions
from admin_api.reports.values import Value, ValueFilter, encode_filter
from tracking.reports import DIMENSIONS, day_of

CLICKS_PATH = "/v1/clicks"
CONVERSIONS_PATH = "/v1/reports/conversions"


def clicks_path(question: Question, key: Sequence[Value]) -> str | None:
    """Return the path of the clicks of a row; None for rows of an event, which clicks do not have."""
    if "event" in question.group_by:
        return None
    return f"{CLICKS_PATH}?{urlencode(_asked(question, key, 'event'))}"


def conversions_path(question: Question, key: Sequence[Value]) -> str | None:
    """Return the path of the conversions of a row; None for questions about classes, which conversions do not have."""
    if question.uses("class"):
        return None
    return f"{CONVERSIONS_PATH}?{urlencode({'by': question.by.value, **_asked(question, key, 'class')})}"


def click_conditions(selection: Selection, parameters: Parameters) -> list[str]:
    """Return the conditions on report_click_rows of the clicks of a selection. A filter on events does not count."""
    filters = [each for each in selection.filters if each.dimension != "event"]
    local = LocalTime.of_moment("clicked_at", selection.time_zone, parameters)
    return [
        *ids_between(selection, parameters),
        *time_conditions(selection, "clicked_at", local, parameters),
        *value_conditions(filters, parameters),
    ]


def conversion_conditions(selection: Selection, by: Axis, parameters: Parameters) -> list[str]:
    """Return the conditions on report_conversion_rows of the conversions of a selection."""
    moment = moment_of(by)
    local = LocalTime.of_moment(moment, selection.time_zone, parameters)
    return [
        *time_conditions(selection, moment, local, parameters),
        *value_conditions(selection.filters, parameters),
    ]


def moment_of(by: Axis) -> str:
    """Return the column of the moment that conversions are counted by."""
    return "clicked_at" if by is Axis.CLICK else "received_at"


def _asked(question: Question, key: Sequence[Value], without: str) -> dict[str, str]:
    """Return the parameters that select what a row counts."""
    selection = question.selection
    first, last = selection.first_day, selection.last_day
    # The key says more than a filter on the same dimension, which it passed.
    filters = {each.dimension: each for each in selection.filters}
    if question.viewer.of_partner:
        # A partner's own source comes with every question of its own.
        filters.pop("source", None)
    for name, value in zip(question.group_by, key, strict=True):
        filters[name] = ValueFilter(name, (value,))
        if name == "day":
            first = last = day_of(int(value))
            del filters[name]
    asked = {"from": first.isoformat(), "to": last.isoformat(), "time_zone": selection.time_zone}
    return asked | {
        name: encode_filter(each, DIMENSIONS[name]) for name, each in filters.items() if each.dimension != without
    }
