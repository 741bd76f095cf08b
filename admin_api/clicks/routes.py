"""The routes of clicks."""

from __future__ import annotations

from collections.abc import Sequence

from admin_api.clicks.click_list import Clicks
from admin_api.clicks.clicks import ClickItem
from admin_api.http import Route
from admin_api.reports import UsualNow
from admin_api.runtime import Pool


def click_routes(pool: Pool, click_id_keys: Sequence[bytes], usual: UsualNow, timeout_s: float) -> list[Route]:
    """Return the routes. A list that takes longer than `timeout_s` is refused; `usual` is what its days mean."""
    return [
        Route("/v1/clicks", Clicks(pool, usual, timeout_s)),
        Route("/v1/clicks/{click_id}", ClickItem(pool, click_id_keys)),
    ]
