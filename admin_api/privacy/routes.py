"""The routes of privacy."""

from __future__ import annotations

from admin_api.http import Route
from admin_api.privacy.retention import Retention
from admin_api.runtime import Pool
from config.settings import RetentionDays


def privacy_routes(pool: Pool, days: RetentionDays) -> list[Route]:
    """Return the routes of retention and erasures."""
    return [Route("/v1/retention", Retention(pool, days))]
