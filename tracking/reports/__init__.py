"""What reports are made of: dimensions, the groups of the roll-ups, and the blocks of days of a period. Pure."""

from __future__ import annotations

from tracking.reports.cover import LEVELS, Block, cover, day_of, number_of_day
from tracking.reports.dimensions import DIMENSIONS, Dimension, DimensionKind
from tracking.reports.groups import (
    CLICK_MEASURES,
    CONVERSION_MEASURES,
    GROUPS,
    RollupGroup,
    clicks_table,
    conversions_table,
    events_table,
)

__all__ = [
    "CLICK_MEASURES",
    "CONVERSION_MEASURES",
    "DIMENSIONS",
    "GROUPS",
    "LEVELS",
    "Block",
    "Dimension",
    "DimensionKind",
    "RollupGroup",
    "clicks_table",
    "conversions_table",
    "cover",
    "day_of",
    "events_table",
    "number_of_day",
]
