"""What a cap is: what it counts, for how long, and where it ends."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

# Counts share a word of 64 bits with a number of 32 bits (edge.caps.table), and a host never counts far beyond a limit.
LIMIT_MAX = 2_000_000_000


class CapCount(StrEnum):
    """What a cap counts."""

    CLICKS = "clicks"
    CONVERSIONS = "conversions"


class CapPer(StrEnum):
    """How long a cap counts before it begins again."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class Cap(NamedTuple):
    """At most `limit` of what it counts in each period. Days and months are those of the IANA zone `time_zone`."""

    cap_id: int
    counted: CapCount
    per: CapPer
    limit: int
    time_zone: str


@lru_cache(1024)
def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name, UTC for a name that this machine does not know."""
    return ZoneInfo(name if is_time_zone(name) else "UTC")


@lru_cache(1024)
def is_time_zone(name: str) -> bool:
    """Whether there is a time zone of that IANA name on this machine."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, and a name may be a directory or no path.
        return False
    except KeyError:
        return False
    return True
