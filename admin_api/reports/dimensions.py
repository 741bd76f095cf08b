"""What can be asked: dimensions, columns, and the groups that roll-ups answer at once."""

from __future__ import annotations

import falcon

from admin_api.http import Shown, caller_of, operation
from admin_api.reports.columns import COLUMNS, EVENT_PREFIX, column_of, may_see
from admin_api.reports.parsing import UsualNow
from admin_api.reports.question import Viewer
from tracking.reports import DIMENSIONS, GROUPS, DimensionKind


class ShownDimension(Shown):
    """A dimension: what rows can be grouped by and filtered on."""

    name: str
    kind: DimensionKind
    """`id`: the number of an object. `text`; `time`: a part of the local time; `class` of traffic; `event` type."""


class ShownColumn(Shown):
    """A column that the caller may see."""

    name: str
    meaning: str
    counted_from: str
    """`clicks`, `conversions` or `both`. Only columns of clicks go with `class`, only of conversions with `event`."""
    money: bool
    """Whether it is an amount, or computed from one."""


class ShownGroup(Shown):
    """Dimensions that roll-ups are kept by. Any of them, with day and weekday, are answered at once."""

    name: str
    dimensions: list[str]
    hours: bool
    """Whether the hour of the day, and other time zones, are answered at once too, for as long as hours are kept."""


class ReportDimensions(Shown):
    """What can be asked, and what is usual."""

    dimensions: list[ShownDimension]
    columns: list[ShownColumn]
    event_column: str
    """How the column of one event type is called; put the event's name in place of `ftd`."""
    groups: list[ShownGroup]
    time_zone: str
    currency: str
    cost_currency: str
    """The currency of the costs that links state."""


class Dimensions:
    """The description of reports as a resource."""

    def __init__(self, usual: UsualNow) -> None:
        self._usual = usual

    @operation("Show what reports can be asked")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> ReportDimensions:
        """The dimensions, the columns that the caller may see, and the groups that are answered at once."""
        viewer, usual = Viewer.of(caller_of(req)), self._usual()
        columns = [column_of(name, of_partner=viewer.of_partner) for name in COLUMNS]
        groups = [group for group in GROUPS if not viewer.of_partner or "source" in group.names]
        return ReportDimensions(
            dimensions=[ShownDimension(name=each.name, kind=each.kind) for each in DIMENSIONS.values()],
            columns=[
                ShownColumn(
                    name=each.name, meaning=each.meaning, counted_from=each.side.value, money=each.money.value != "none"
                )
                for each in columns
                if may_see(each, sees_money=viewer.sees_money, of_partner=viewer.of_partner)
            ],
            event_column=f"{EVENT_PREFIX}ftd",
            groups=[ShownGroup(name=each.name, dimensions=list(each.names), hours=each.hours) for each in groups],
            time_zone=usual.time_zone,
            currency=usual.currency,
            cost_currency=usual.cost_currency,
        )
