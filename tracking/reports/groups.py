"""The groups of dimensions that roll-ups are kept by. The tables of the roll-ups follow from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tracking.reports.dimensions import DIMENSIONS, Dimension
from tracking.traffic import TrafficClass

# In the order of the columns. `cost_micro` is the cost of all requests but head and prefetch.
CLICK_MEASURES = (
    TrafficClass.VALID.value,
    TrafficClass.DUPLICATE.value,
    TrafficClass.BOT.value,
    TrafficClass.HEAD.value,
    TrafficClass.PREFETCH.value,
    TrafficClass.DATACENTER.value,
    TrafficClass.RATE.value,
    "uniques",
    "cost_micro",
)
CONVERSION_MEASURES = ("pending", "approved", "rejected", "reversed", "revenue_minor", "commission_minor")


@dataclass(frozen=True, slots=True)
class RollupGroup:
    """Dimensions that clicks and conversions are added up by.

    `hours`: also by the hour, for as long as hours are kept. `limited`: visitors choose the values, so that a day with
    too many of them is not kept.
    """

    name: str
    names: tuple[str, ...]
    hours: bool = False
    limited: bool = False

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        return tuple(DIMENSIONS[name] for name in self.names)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dimension.column for dimension in self.dimensions)


GROUPS = (
    RollupGroup("total", (), hours=True),
    RollupGroup("link", ("link", "profile", "merchant", "source", "rule", "destination"), hours=True),
    # Narrow groups answer a series of days by source or country, for which a wide group reads a hundred times as much.
    RollupGroup("source", ("source",), hours=True),
    RollupGroup("country", ("country",), hours=True),
    RollupGroup("device", ("device",)),
    RollupGroup("audience", ("source", "country", "device"), hours=True),
    RollupGroup("place", ("country", "region", "city"), limited=True),
    RollupGroup("technology", ("device", "os", "browser", "language"), limited=True),
    RollupGroup("referrer", ("source", "referrer"), limited=True),
    RollupGroup("sub1", ("source", "sub1"), limited=True),
    RollupGroup("sub2", ("source", "sub2"), limited=True),
)


def clicks_table(group: RollupGroup) -> str:
    """Return the table of a group's clicks."""
    return f"report_clicks_{group.name}"


def conversions_table(group: RollupGroup) -> str:
    """Return the table of a group's conversions of all events together."""
    return f"report_conversions_{group.name}"


def events_table(group: RollupGroup) -> str:
    """Return the table of a group's conversions by event."""
    return f"report_events_{group.name}"
