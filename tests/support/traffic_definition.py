"""The definition of settled classes, applied to a whole history at once: what any order of storing must come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from tracking.spool import Click
from tracking.traffic import MINUTE_MS, TrafficLimits


def settled(history: Iterable[tuple[Click, str]], limits: TrafficLimits) -> dict[str, tuple[str, bool]]:
    """Return class and uniqueness of each click id. A history has each click with its class by itself."""
    found: dict[str, tuple[str, bool]] = {}
    of_minute: defaultdict[tuple[str, int], int] = defaultdict(int)
    last_ms: dict[tuple[str, str, int], int] = {}
    for click, own_class in sorted(history, key=lambda pair: pair[0].click_id):
        if own_class != "valid":
            found[click.click_id] = (own_class, False)
            continue
        ms = UUID(click.click_id).int >> 80
        of_minute[click.ip, ms // MINUTE_MS] += 1
        visitor = (click.ip, click.user_agent, click.link_id)
        gap_ms = ms - last_ms[visitor] if visitor in last_ms else None
        last_ms[visitor] = ms
        if 0 < limits.per_address_per_minute < of_minute[click.ip, ms // MINUTE_MS]:
            found[click.click_id] = ("rate", False)
        elif gap_ms is not None and gap_ms < limits.duplicate_ms:
            found[click.click_id] = ("duplicate", False)
        else:
            found[click.click_id] = ("valid", gap_ms is None or gap_ms >= limits.unique_ms)
    return found
