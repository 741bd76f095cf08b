"""The list of caps: what each allows, what of it is used by now, and how far it can be exceeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import time
from typing import Annotated, Any

import falcon
from redis import Redis, RedisError

from admin_api.caps.table import load_caps
from admin_api.http import Condition, Filter, Number, NumberedPageQuery, Page, Shown, operation, page_of
from admin_api.runtime import Pool, Row
from config.caps import CapUse, load_use
from tracking.caps import ALWAYS, CapCount, CapPer, Period, period_at


class CapFilter(Filter):
    """The caps to find. All given filters must hold."""

    link_id: Annotated[Number | None, Condition("link_id = %(link_id)s")] = None
    """The link that has them, for itself or for its destinations."""
    rotation_id: Annotated[Number | None, Condition("rotation_id = %(rotation_id)s")] = None
    """The rotation that has them."""
    count: Annotated[CapCount | None, Condition("counted = %(count)s")] = None
    """What they count."""


class CapQuery(CapFilter, NumberedPageQuery):
    """A page of the list of caps."""


class ShownCap(Shown):
    """A cap with its use in the present period."""

    cap_id: int
    link_id: int | None
    """The link that has it; null if a rotation has it."""
    rotation_id: int | None
    """The rotation that has it; null if a link has it."""
    destination_id: int | None
    """The destination that has it; null if it is a cap of the whole link."""
    count: CapCount
    """What it counts."""
    per: CapPer
    """How long it counts before it begins again."""
    limit: int
    """How many it allows in each period."""
    time_zone: str
    """The time zone whose hours, days and months are meant."""
    period_start: datetime | None
    """When the present period began; null for a cap that never begins again."""
    period_end: datetime | None
    """When the present period ends; null for a cap that never begins again."""
    used: int | None
    """The clicks or conversions in the present period. Null while Redis, which knows the clicks, is away."""
    granted: int | None
    """How many clicks of the limit edge hosts hold, used or not. Null for conversions, and while Redis is away."""
    left: int | None
    """The limit less what is used, at least 0."""
    exhausted_since: datetime | None
    """Since when nothing is left to grant, or since when the conversions reach the limit. Null if that is not so."""
    overshoot_bound: int | None
    """How many clicks beyond the limit can be sent: 0, unless Redis loses data while a host cannot reach it
    (see docs/caps.md). Null for conversions: of clicks that were sent before, conversions can come at any time."""


class Caps:
    """All caps."""

    def __init__(self, pool: Pool, redis: Redis, now_s: Callable[[], float] = time) -> None:
        self._pool = pool
        self._redis = redis
        self._now_s = now_s

    @operation("List caps with their use")
    def on_get(self, req: falcon.Request, resp: falcon.Response, query: CapQuery) -> Page[ShownCap]:
        """Caps are part of the rules of links and of rotations, and are changed there.

        Edge hosts report every second how many clicks they have used, and conversions are counted every two seconds.
        """
        with self._pool.connection() as database:
            rows = load_caps(database, query.chosen(), query.after, query.limit + 1)
        at_s = int(self._now_s())
        periods = [period_at(CapPer(row["per"]), row["time_zone"], at_s) for row in rows]
        uses = self._uses(rows, periods)
        shown = [_cap(row, period, use) for row, period, use in zip(rows, periods, uses, strict=True)]
        return page_of(Page[ShownCap], shown, query.limit, ShownCap.of, lambda cap: str(cap["cap_id"]))

    def _uses(self, rows: Sequence[Row], periods: Sequence[Period]) -> list[CapUse | None]:
        try:
            return [
                *load_use(
                    self._redis, [(row["cap_id"], period.start_s) for row, period in zip(rows, periods, strict=True)]
                )
            ]
        except RedisError:
            return [None] * len(rows)


def _cap(row: Row, period: Period, use: CapUse | None) -> dict[str, Any]:
    names = ("cap_id", "link_id", "rotation_id", "destination_id", "per", "time_zone")
    counted = {"count": row["counted"], "limit": row["cap_limit"]}
    is_always = period == ALWAYS
    bounds = {
        "period_start": None if is_always else datetime.fromtimestamp(period.start_s, UTC),
        "period_end": None if is_always else datetime.fromtimestamp(period.end_s, UTC),
    }
    figures = _conversions(row, period) if row["counted"] == CapCount.CONVERSIONS else _clicks(use)
    used = figures["used"]
    left = None if used is None else max(0, row["cap_limit"] - used)
    return {name: row[name] for name in names} | counted | bounds | figures | {"left": left}


def _conversions(row: Row, period: Period) -> dict[str, Any]:
    # The counts of a period that is over say nothing of the present one.
    is_present = row["counted_start_s"] == period.start_s
    return {
        "used": row["conversions"] if is_present else 0,
        "granted": None,
        "exhausted_since": row["reached_at"] if is_present else None,
        "overshoot_bound": None,
    }


def _clicks(use: CapUse | None) -> dict[str, Any]:
    since = None if use is None or use.exhausted_ms is None else datetime.fromtimestamp(use.exhausted_ms / 1000, UTC)
    return {
        "used": use and use.used,
        "granted": use and use.granted,
        "exhausted_since": since,
        "overshoot_bound": 0,
    }
