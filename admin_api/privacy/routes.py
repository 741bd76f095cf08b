"""The routes of privacy."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.http import Route
from admin_api.privacy.erasures import ErasureItem, Erasures
from admin_api.privacy.retention import Retention
from admin_api.runtime import Pool
from config.settings import RetentionDays


def privacy_routes(pool: Pool, days: RetentionDays, click_id_keys: Sequence[bytes]) -> list[Route]:
    """Return the routes of retention and erasures."""
    return [
        Route("/v1/retention", Retention(pool, days)),
        Route("/v1/erasures", Erasures(pool, click_id_keys)),
        Route("/v1/erasures/{erasure_id}", ErasureItem(pool)),
    ]
