"""The routes of traffic quality."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.runtime import Pool
from admin_api.traffic.link_traffic import LinkTraffic
from admin_api.traffic.lists import TrafficListItem
from admin_api.traffic.runs import ClassRunItem, ClassRuns


def traffic_routes(pool: Pool) -> list[Route]:
    """Return the routes of lists, runs and counts."""
    return [
        Route("/v1/traffic-lists", TrafficListItem(pool)),
        Route("/v1/class-runs", ClassRuns(pool)),
        Route("/v1/class-runs/{run_id}", ClassRunItem(pool)),
        Route("/v1/links/{link_id}/traffic", LinkTraffic(pool)),
    ]
