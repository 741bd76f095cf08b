"""The settings of traffic quality: what makes a click a duplicate, too many of an address, or unique."""

from __future__ import annotations

from config.settings.environment import EnvironmentReader
from tracking.traffic import TrafficLimits

_DAY_S = 86_400
_YEAR_HOURS = 366 * 24


def traffic_limits(read: EnvironmentReader) -> TrafficLimits:
    """Return the limits, or raise SettingError."""
    return TrafficLimits(
        duplicate_window_s=read.number("DUPLICATE_WINDOW_S", 0, _DAY_S),
        per_address_per_minute=read.number("CLICKS_PER_ADDRESS_PER_MINUTE", 0, 1_000_000),
        unique_window_hours=read.number("UNIQUE_WINDOW_HOURS", 0, _YEAR_HOURS),
    )
