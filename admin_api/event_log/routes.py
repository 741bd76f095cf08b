"""The routes of the Event Log."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.event_log.resource import ClickTrace, TraceSearch
from admin_api.http import Route
from admin_api.runtime import Pool


def event_log_routes(pool: Pool, click_id_keys: Sequence[bytes]) -> list[Route]:
    """Return the routes of the Event Log."""
    return [
        Route("/v1/clicks/{click_id}/trace", ClickTrace(pool, click_id_keys)),
        Route("/v1/trace", TraceSearch(pool, click_id_keys)),
    ]
