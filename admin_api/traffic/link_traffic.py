"""The clicks of a link by day: gross, net, unique and by class."""

from __future__ import annotations

from datetime import date
from typing import Any, LiteralString

import falcon

from admin_api.http import Day, NotFoundError, Query, Shown, operation
from admin_api.runtime import Pool
from tracking.traffic import TrafficClass

DAYS_MAX = 366
_EXISTS: LiteralString = "select from links where link_id = %s"
_DAYS: LiteralString = (
    "select day, sum(clicks)::bigint as gross, sum(uniques)::bigint as uniques,"
    " jsonb_object_agg(class, clicks) as classes"
    " from click_days where link_id = %(link_id)s"
    " and day between coalesce(%(first)s::date, '-infinity') and coalesce(%(last)s::date, 'infinity')"
    " group by day order by day desc limit %(limit)s"
)


class LinkTrafficQuery(Query):
    """The days to show."""

    first_day: Day | None = None
    """The first day, in UTC."""
    last_day: Day | None = None
    """The last day."""


class TrafficDay(Shown):
    """The requests of a day, in UTC."""

    day: date
    gross: int
    """All requests: `net` and those of the other classes."""
    net: int
    """Those of class `valid`."""
    uniques: int
    """Valid clicks whose visitor had not clicked on the link within the window."""
    classes: dict[TrafficClass, int]
    """The requests of each class."""


class TrafficOfLink(Shown):
    """The requests of a link."""

    link_id: int
    days: list[TrafficDay]
    """The newest first, and at most 366. A day without requests is left out."""


class LinkTraffic:
    """The traffic of a link as a resource."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @operation("Show the clicks of a link by day and class")
    def on_get(
        self, req: falcon.Request, resp: falcon.Response, link_id: int, query: LinkTrafficQuery
    ) -> TrafficOfLink:
        """A click counts as valid and unique until it is settled, which takes about a minute."""
        values = {"link_id": link_id, "first": query.first_day, "last": query.last_day, "limit": DAYS_MAX}
        with self._pool.connection() as database:
            if database.execute(_EXISTS, [link_id]).fetchone() is None:
                raise NotFoundError(f"there is no link {link_id}")
            rows = database.execute(_DAYS, values).fetchall()
        return TrafficOfLink(link_id=link_id, days=[_day(row) for row in rows])


def _day(row: dict[str, Any]) -> TrafficDay:
    known = {kind: row["classes"].get(kind, 0) for kind in TrafficClass}
    return TrafficDay.of(row, net=known[TrafficClass.VALID], classes=known)
