"""Caps: how many clicks or conversions may go somewhere in a period, and how hosts share that capacity; pure."""

from __future__ import annotations

from tracking.caps.definition import LIMIT_MAX, Cap, CapCount, CapPer, is_time_zone
from tracking.caps.leases import lease_target
from tracking.caps.periods import ALWAYS, Period, following, period_at

__all__ = [
    "ALWAYS",
    "LIMIT_MAX",
    "Cap",
    "CapCount",
    "CapPer",
    "Period",
    "following",
    "is_time_zone",
    "lease_target",
    "period_at",
]
